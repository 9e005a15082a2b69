//! The driver of boards that speak the strip protocol, on a serial port or TCP.
//!
//! [`SerialBoard`] pulls strips one after the other, over an exchange with one outstanding query. What goes wrong on
//! the link is repaired in steps, each counted: discard, clear, fetch again, open again, give the strip up, give the
//! run up. Rows that do not come are [`Gap`](crate::Gap)s. `hal/README.md` is the protocol; `deploy/` has the rule
//! that lets a service open a serial port.
//!
//! Everything happens on the thread that drives the board; nothing is sent or read in between.

mod address;
mod board;
mod clock;
mod config;
mod counters;
mod exchange;
mod link;
mod peer;
mod pull;
mod request;
mod rows;
mod run;
mod setup;

pub use address::Address;
pub use board::SerialBoard;
pub use clock::ClockFit;
pub use config::{FlowControl, SerialConfig, Trigger};
