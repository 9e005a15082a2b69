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
//! | `stop` | the run ends as after SIGTERM; `state` |
//! | `start`, `since` | not available in this version |
//!
//! There are no keys yet: whoever can reach the port may ask, which is why it is bound to loopback.

mod answer;
mod client;
mod server;

pub use answer::{Status, StopRun};
pub use client::{Reply, request};
pub use server::serve;
