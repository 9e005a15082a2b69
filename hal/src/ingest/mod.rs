//! The board into which other programs push their images: a script, Micro-Manager, a vendor's software.
//!
//! A pusher sends *records* (see [`wire`](crate::wire)) and lines of SCPI, and gets one line for each.
//! `hal/README.md` is the specification. Records carry some rows of some channels of a frame, in any order; they
//! are joined, and rows leave the board as a [`Strip`](crate::Strip) when they and all rows above them are whole.
//! Rows that do not come in time become a [`Gap`](crate::Gap).
//!
//! | part | what it is |
//! |---|---|
//! | [`IngestBoard`] | the [`Board`](crate::Board), driven by one thread |
//! | [`IngestPort`] | the way in, for any transport; any number of threads |
//! | [`IngestListener`] | the transport over TCP, with threads of its own |
//!
//! Memory is bounded: [`IngestConfig::bytes`] for frames, and one record and its replies a connection.
//!
//! Nobody is asked who he is: bind to loopback, or to a network that is trusted.
//!
//! Not done: the use of the pusher's time stamps. A strip is dated by its arrival.

mod board;
mod config;
mod connection;
mod frame;
mod framing;
mod join;
mod listener;
mod port;
mod pusher;
mod query;
mod refusal;
mod rows;
mod setup;

pub use board::IngestBoard;
pub use config::IngestConfig;
pub use listener::IngestListener;
pub use port::{IngestPeer, IngestPort};
