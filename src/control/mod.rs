//! The command socket: questions about the run, beginning and stopping it, and its settings.
//!
//! A request is one CBOR map of at most 64 KiB with a text `cmd`; the answer is one CBOR map with `ok`. When
//! `ok` is false, `error` is a sentence. Requests are answered one after the other, beside the run and
//! without slowing it; a malformed one is answered and forgotten. Only `reprocess` takes time, one at a time and on one
//! core, while others are answered.
//!
//! | `cmd` | needs | answer |
//! |---|---|---|
//! | `status` | viewer | `epoch`, `state`, `run`, `last_seq`, `shed`, `edges`, `queues`, `software` |
//! | `snapshot` | viewer | `epoch`, `last_seq`, `run_start`, `labels`, `run_end`: what a late joiner needs |
//! | `start` | operator | a run is begun; `state` |
//! | `stop` | operator | the run ends: what was scanned is still labelled; the daemon waits for `start`; `state` |
//! | `settings` | viewer | `settings`, those in force, and their digest `config` |
//! | `set` | operator | with `set`, a list of `section.key=value`: in force from the next frame on; as `settings` |
//! | `reprocess` | operator | with `set`: what is said of the last frame with these; `frame`, `field`, `config`, `labels`, `left_out` |
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
mod reprocess;
mod server;
mod stop;

pub use answer::{Again, Desk, InForce, Since, Status};
pub use client::{Reply, Request, request};
pub use command::{Caller, Command};
pub use lifecycle::Lifecycle;
pub use reprocess::{Reprocess, Reprocessed, Reprocessing};
pub use server::serve;
pub use stop::Stop;
