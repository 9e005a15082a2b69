//! Acquisition boards of a non-linear-optical microscope behind one trait.
//!
//! A [`Board`] delivers [`Strip`]s: ranges of rows of all enabled channels of a frame. [`Session`] owns
//! one board, its buffers and the only state machine; a call in the wrong state never reaches the
//! backend. Loss is a value ([`Gap`]), not an error.
//!
//! The trait is blocking and is driven by one OS thread a board. This crate knows nothing of cells, of
//! models or of how results are published.
//!
//! Units are in names: `_ns`, `_um`, `_hz`. Samples are `u16` counts as acquired.
#![cfg_attr(test, allow(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

mod board;
mod channel;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod emulator;
mod error;
pub mod folder;
pub mod ingest;
pub mod ome;
mod pool;
pub mod replay;
mod scan;
pub mod serial;
mod session;
pub mod sim;
mod strip;
mod time;
mod wake;
pub mod wire;

pub use board::{Board, Interrupter, RunId, RunSummary};
pub use channel::{ChannelInfo, ChannelName};
pub use error::{ErrorKind, HalError, Recovery};
pub use pool::{StripBuffer, StripPool};
pub use scan::{Capabilities, Identity, Pacing, ScanActual, ScanRequest};
pub use session::{Session, State};
pub use strip::{
    ChannelMask, FrameSource, Gap, GapCause, ReadEvent, Strip, StripFlags, StripHeader,
};
pub use time::{Clock, HostInstant, SystemClock};
pub use wake::Wake;
