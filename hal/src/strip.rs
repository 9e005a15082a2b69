//! The unit of acquisition: a range of rows of all enabled channels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{HostInstant, RunId, StripBuffer};

/// Which channels of [`ScanActual::channels`](crate::ScanActual::channels) a strip carries: bit *i* for
/// channel *i*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelMask(pub u32);

impl ChannelMask {
    /// The mask of the first `channels` channels, at most 32.
    pub fn all(channels: usize) -> Self {
        Self(if channels >= 32 {
            u32::MAX
        } else {
            (1 << channels) - 1
        })
    }

    /// How many channels the mask has.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether channel `index` is there.
    pub fn has(self, index: usize) -> bool {
        index < 32 && self.0 & (1 << index) != 0
    }
}

/// What a board noticed about a strip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripFlags {
    /// At least one sample is at the digitiser's limit.
    pub saturated: bool,
    /// The board lost samples while this strip was taken.
    pub overrun: bool,
    /// The last strip of its frame.
    pub last_of_frame: bool,
}

/// The file that a frame was read from. `file`, `size`, `modified_ns` and `index` together are the same whenever the
/// same frame is given, and differ for different frames: the key by which a consumer knows a repeated frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FrameSource {
    /// Path of the file; of a set or of one file a channel the first, which stands for all of them.
    pub file: String,
    /// Bytes of that file.
    pub size: u64,
    /// When that file was changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Index of the frame in the file or the files, from 0.
    pub index: u64,
    /// The frame may have been given before: its file was begun, in this process or in an earlier one, and this
    /// frame was not acknowledged.
    pub maybe_repeated: bool,
}

/// Everything about a strip but its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripHeader {
    /// The run that it belongs to.
    pub run: RunId,
    /// Changes whenever the board restarts.
    pub boot: u64,
    /// Index of the frame in the run, from 0.
    pub frame: u64,
    /// Index of the field of view (stage position), from 0.
    pub field: u32,
    /// The file that it was read from; `None` when the board does not keep account of files.
    pub source: Option<Arc<FrameSource>>,
    /// Number of the strip in the run, from 0, without gaps as the board sent them.
    pub sequence: u64,
    /// First row of the frame in this strip.
    pub first_row: u32,
    /// Number of rows, at least 1.
    pub rows: u32,
    /// Samples in a row.
    pub width: u32,
    /// The channels that the strip carries.
    pub channels: ChannelMask,
    /// True bit depth of the samples in their 16-bit container.
    pub bit_depth: u8,
    /// Odd rows of the frame are as the beam scanned them, right to left.
    pub odd_rows_reversed: bool,
    /// Device time at the first sample of the first row, in ticks of
    /// [`ScanActual::clock_hz`](crate::ScanActual::clock_hz).
    pub ticks_first_row: u64,
    /// Time from row to row in nanoseconds; `None` when the source does not say.
    pub line_period_ns: Option<u64>,
    /// When the last byte of the strip reached this host.
    pub received: HostInstant,
    /// Rows that the board lost before this strip since the last one it sent.
    pub lost_rows: u32,
    /// What the board noticed.
    pub flags: StripFlags,
}

/// A strip: its header and its samples.
///
/// Samples are ordered row by row, and within a row channel by channel in the order of the mask's bits:
/// shape rows × channels × width.
#[derive(Debug)]
pub struct Strip {
    /// What the samples are.
    pub header: StripHeader,
    /// The samples.
    pub samples: StripBuffer,
}

impl Strip {
    /// The samples of `row` (from 0 within the strip) of the `channel`-th channel that the strip
    /// carries, or `None` outside the strip.
    pub fn row(&self, row: u32, channel: usize) -> Option<&[u16]> {
        let channels = self.header.channels.count();
        if row >= self.header.rows || channel >= channels {
            return None;
        }
        let width = self.header.width as usize;
        let start = (row as usize * channels + channel) * width;
        self.samples.get(start..start + width)
    }
}

/// Why rows are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapCause {
    /// The board lost them before they were sent.
    BoardOverrun,
    /// This host had no free buffer.
    HostBackPressure,
    /// They did not arrive whole.
    Link,
    /// The board restarted.
    DeviceReset,
    /// The source ended in mid-frame, or a recorded frame lacks them.
    SourceIncomplete,
}

impl GapCause {
    /// The name that is published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BoardOverrun => "board_overrun",
            Self::HostBackPressure => "host_back_pressure",
            Self::Link => "link",
            Self::DeviceReset => "device_reset",
            Self::SourceIncomplete => "source_incomplete",
        }
    }
}

/// Rows of one frame that were scanned and will not come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The frame that lacks them.
    pub frame: u64,
    /// Its field.
    pub field: u32,
    /// First missing row.
    pub first_row: u32,
    /// Number of missing rows, at least 1.
    pub rows: u32,
    /// Why.
    pub cause: GapCause,
}

impl Gap {
    /// Takes `next` in when it continues this gap for the same cause; says whether it did.
    pub fn extend(&mut self, next: &Self) -> bool {
        let continues = self.frame == next.frame
            && self.cause == next.cause
            && self.first_row.checked_add(self.rows) == Some(next.first_row);
        if continues {
            self.rows = self.rows.saturating_add(next.rows);
        }
        continues
    }
}

/// What a read gives.
#[derive(Debug)]
pub enum ReadEvent {
    /// The next rows.
    Strip(Strip),
    /// Rows that will not come.
    Gap(Gap),
    /// Nothing until the deadline, or the read was interrupted.
    Idle,
    /// The run is over; nothing follows.
    EndOfRun,
}
