//! The command socket: questions about the run, and stopping it.
//!
//! A request is one CBOR map of at most 64 KiB with a text `cmd`; the answer is one CBOR map with `ok`. When
//! `ok` is false, `error` is a sentence. Requests are answered one after the other, beside the run and
//! without slowing it; a malformed one is answered and forgotten.
//!
//! | `cmd` | answer |
//! |---|---|
//! | `status` | `epoch`, `state`, `run`, `last_seq`, `shed`, `edges`, `queues`, `software` |
//! | `snapshot` | `epoch`, `last_seq`, `run_start`, `labels`: what a late joiner needs |
//! | `start` | a run is begun; `state` |
//! | `stop` | the run ends: what was scanned is still labelled; the daemon waits for `start`; `state` |
//!
//! There are no keys yet: whoever can reach the port may ask, which is why it is bound to loopback.

mod answer;
mod client;
mod lifecycle;
pub mod machine;
mod server;
mod stop;

pub use answer::Status;
pub use client::{Reply, request};
pub use lifecycle::Lifecycle;
pub use server::serve;
pub use stop::Stop;
