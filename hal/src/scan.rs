//! What a board is, what it can do, what is asked of it and what it really does.

use std::{fmt, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::{ChannelInfo, ChannelName, ErrorKind, HalError};

/// Who the board is. Stable while it is open, but for the firmware of a board that was given another one and restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Maker.
    pub maker: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Firmware version.
    pub firmware: String,
    /// Version of the strip protocol.
    pub protocol: u32,
}

/// Who sets the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// The microscope: what is not taken in time is lost, and told.
    Live,
    /// The reader: the source waits and never loses anything.
    Pulled,
}

/// What a board can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Capabilities {
    /// Channels and their roles.
    pub channels: Vec<ChannelInfo>,
    /// Samples in a row.
    pub width: RangeInclusive<u32>,
    /// Rows in a frame.
    pub height: RangeInclusive<u32>,
    /// Time a pixel in nanoseconds; `None` for a source that does not scan.
    pub dwell_ns: Option<RangeInclusive<u64>>,
    /// Rows in a strip.
    pub strip_rows: RangeInclusive<u32>,
    /// Can scan in both directions.
    pub bidirectional: bool,
    /// Ticks a second of the device clock.
    pub clock_hz: u64,
    /// What the link carries in bytes a second; `None` in process.
    pub link_bytes_per_s: Option<u64>,
    /// Strips that can be fetched again.
    pub retransmit_depth: u32,
    /// Who sets the pace.
    pub pacing: Pacing,
}

/// What is asked of a board. `None` leaves the choice to the board or the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanRequest {
    /// Samples in a row.
    pub width: Option<u32>,
    /// Rows in a frame.
    pub height: Option<u32>,
    /// Time a pixel in nanoseconds.
    pub dwell_ns: Option<u64>,
    /// Edge of a pixel in µm.
    pub pixel_size_um: Option<f64>,
    /// Scan in both directions.
    pub bidirectional: Option<bool>,
    /// Rows in a strip; a value above the height means whole frames.
    pub strip_rows: Option<u32>,
    /// The channels that are wanted; empty means all.
    pub channels: Vec<ChannelName>,
    /// The run ends by itself after this many frames.
    pub frames: Option<u64>,
}

/// Compares what is wanted with what it is in a source that cannot be set. `but` says what it is instead and what to
/// do, as the clause behind "a width of 512 is asked for, but".
///
/// # Errors
/// `Unsupported` when it is otherwise, or not known.
pub(crate) fn fixed<T: PartialEq + Copy + fmt::Display>(
    what: &str,
    want: Option<T>,
    is: Option<T>,
    but: impl FnOnce(Option<T>) -> String,
) -> Result<(), HalError> {
    match want {
        Some(want) if is != Some(want) => Err(HalError::new(
            ErrorKind::Unsupported,
            format!("{what} of {want} is asked for, but {}", but(is)),
        )),
        _ => Ok(()),
    }
}

/// What was achieved. Every field is what the board will really deliver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanActual {
    /// Samples in a row.
    pub width: u32,
    /// Rows in a frame.
    pub height: u32,
    /// Edge of a pixel in µm.
    pub pixel_size_um: f64,
    /// Time a pixel in nanoseconds; `None` when the source does not say.
    pub dwell_ns: Option<u64>,
    /// Time from row to row in nanoseconds; `None` when the source does not say.
    pub line_period_ns: Option<u64>,
    /// The beam scans in both directions.
    pub bidirectional: bool,
    /// Rows in a strip; the last strip of a frame may have fewer.
    pub strip_rows: u32,
    /// The channels in the order of the samples in a strip.
    pub channels: Vec<ChannelInfo>,
    /// Ticks a second of the device clock.
    pub clock_hz: u64,
    /// The number of frames of the run; `None` when it is open-ended.
    pub frames: Option<u64>,
    /// Who sets the pace.
    pub pacing: Pacing,
}

impl ScanActual {
    /// Samples in a full strip: rows × channels × width.
    pub fn strip_samples(&self) -> usize {
        self.strip_rows as usize * self.channels.len() * self.width as usize
    }

    /// True bit depth of a strip's samples: the largest of its channels.
    pub fn bit_depth(&self) -> u8 {
        let depths = self.channels.iter().map(|channel| channel.bit_depth);
        depths.max().unwrap_or(16)
    }

    /// Index of the channel `name` in a strip.
    pub fn channel(&self, name: &ChannelName) -> Option<usize> {
        self.channels
            .iter()
            .position(|channel| channel.name == *name)
    }
}
