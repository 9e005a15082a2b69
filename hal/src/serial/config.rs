//! How a board is reached.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Address;

/// How a UART keeps its peer from sending too much. XON/XOFF would change the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowControl {
    /// USB-CDC, or a board that never sends more than it was asked for.
    #[default]
    None,
    /// The lines RTS and CTS.
    RtsCts,
}

/// What begins the scan of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The start of the run.
    #[default]
    Immediate,
    /// A signal to the board.
    External,
}

/// How a board is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct SerialConfig {
    /// Where it is.
    pub address: Address,
    /// Bits a second of a UART; without meaning on USB and TCP.
    pub baud: u32,
    /// Of a UART.
    pub flow: FlowControl,
    /// What begins a scan.
    pub trigger: Trigger,
    /// An answer is late when no byte of it came for this long. More than the 200 ms of a long poll.
    pub patience: Duration,
    /// How long a link that is gone is tried again.
    pub reopen_for: Duration,
}

impl SerialConfig {
    /// The usual values for a board at `address`.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            baud: 115_200,
            flow: FlowControl::None,
            trigger: Trigger::Immediate,
            patience: Duration::from_millis(600),
            reopen_for: Duration::from_secs(10),
        }
    }
}
