//! The pipeline as a whole, in process: what must hold however rows arrive, results are taken, and runs end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod conservation;
mod determinism;
mod draining;
mod quality;
mod support;
mod watchdog;
