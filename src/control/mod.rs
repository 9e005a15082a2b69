//! The command socket: questions about the run, and stopping it.
//!
//! A request is one CBOR map of at most 64 KiB with a text `cmd`; the answer is one CBOR map with `ok`. When
//! `ok` is false, `error` is a sentence. Requests are answered one after the other, beside the run and
//! without slowing it; a malformed one is answered and forgotten.
//!
//! | `cmd` | needs | answer |
//! |---|---|---|
//! | `status` | viewer | `epoch`, `state`, `run`, `last_seq`, `shed`, `edges`, `queues`, `software` |
//! | `snapshot` | viewer | `epoch`, `last_seq`, `run_start`, `labels`: what a late joiner needs |
//! | `start` | operator | a run is begun; `state` |
//! | `stop` | operator | the run ends: what was scanned is still labelled; the daemon waits for `start`; `state` |
//! | `since` | viewer | with `seq`: `labels` of the present or last recording with larger numbers, and whether there are `more` |
//!
//! With keys ([`crate::security`]) only listed clients get an answer. What one may ask follows from the key that its
//! connection has proved to hold, not from its routing id. Without keys whoever can reach the socket may ask
//! everything, which is why it can then only be bound where no other machine reaches it.

mod answer;
mod client;
mod command;
mod lifecycle;
pub mod machine;
mod server;
mod stop;

pub use answer::{Since, Status};
pub use client::{Reply, request};
pub use command::Command;
pub use lifecycle::Lifecycle;
pub use server::serve;
pub use stop::Stop;
