//! The driver of boards against the emulated board as a process of its own, over a real pseudo-terminal or TCP.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

mod bytes;
mod soak;
mod support;
mod unplug;
