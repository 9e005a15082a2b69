//! What the pushed frames are.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    ChannelInfo, ErrorKind, HalError,
    wire::{MAX_CHANNELS, MAX_NAME, MAX_PAYLOAD},
};

/// Most frames that may be open at once.
const MAX_AHEAD: usize = 64;
/// Most memory for frames.
const MAX_BYTES: u64 = 1 << 30;
/// Longest time that a frame is waited for.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// The frames that are pushed, and how long they are waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct IngestConfig {
    /// The channels in the order of the mask's bits, at most 16.
    pub channels: Vec<ChannelInfo>,
    /// Samples in a row, at most 32 768.
    pub width: u32,
    /// Rows in a frame, at most 65 535.
    pub height: u32,
    /// Edge of a pixel in µm.
    pub pixel_size_um: f64,
    /// Time a pixel in nanoseconds, when it is known.
    pub dwell_ns: Option<u64>,
    /// Time from row to row in nanoseconds, when it is known.
    pub line_period_ns: Option<u64>,
    /// Rows of a strip when the scan's request leaves them open.
    pub strip_rows: u32,
    /// An incomplete frame is given up when none of its rows came for this long; at most an hour.
    pub frame_timeout: Duration,
    /// Frames that may be open at once, 1 to 64. With channels that come one after another it takes at least 2.
    pub frames_ahead: usize,
}

impl IngestConfig {
    /// Most memory that open frames take, in bytes; at most 1 GiB is accepted.
    pub fn bytes(&self) -> u64 {
        let rows = u64::from(self.height) * self.frames_ahead as u64;
        let samples = u64::from(self.width).saturating_mul(self.channels.len() as u64);
        let row = samples.saturating_mul(2).saturating_add(super::frame::ROW);
        rows.saturating_mul(row)
    }

    /// # Errors
    /// `Request`; the sentence names the field.
    pub(super) fn validate(&self) -> Result<(), HalError> {
        let names: BTreeSet<_> = self.channels.iter().map(|info| &info.name).collect();
        let named = |info: &ChannelInfo| (1..=MAX_NAME).contains(&info.name.as_str().len());
        let deep = |info: &ChannelInfo| (1..=16).contains(&info.bit_depth);
        let wrong = if !(1..=MAX_CHANNELS).contains(&self.channels.len()) {
            format!("{} channels; give 1 to {MAX_CHANNELS}", self.channels.len())
        } else if names.len() < self.channels.len() || !self.channels.iter().all(named) {
            format!("a channel that is named twice, or not in 1 to {MAX_NAME} bytes")
        } else if !self.channels.iter().all(deep) {
            "a channel whose bit depth is not 1 to 16".to_owned()
        } else if !(1..=MAX_PAYLOAD as u32 / 2).contains(&self.width) {
            format!("a width of {}; give 1 to {}", self.width, MAX_PAYLOAD / 2)
        } else if !(1..=u32::from(u16::MAX)).contains(&self.height) {
            format!("a height of {}; give 1 to {}", self.height, u16::MAX)
        } else if !(self.pixel_size_um.is_finite() && self.pixel_size_um > 0.0) {
            format!("a pixel of {} µm; measure it", self.pixel_size_um)
        } else if self.strip_rows == 0 {
            "strips without rows; give at least one".to_owned()
        } else if self.frame_timeout.is_zero() || self.frame_timeout > MAX_TIMEOUT {
            let timeout = self.frame_timeout;
            format!("{timeout:?} to wait for a frame; give more than 0 and at most an hour")
        } else if !(1..=MAX_AHEAD).contains(&self.frames_ahead) {
            format!("{} open frames; give 1 to {MAX_AHEAD}", self.frames_ahead)
        } else if self.bytes() > MAX_BYTES {
            let (bytes, ahead) = (self.bytes(), self.frames_ahead);
            format!(
                "{ahead} open frames of {bytes} bytes in all; give fewer than {MAX_BYTES} bytes of them"
            )
        } else {
            return Ok(());
        };
        let message = format!("frames cannot be pushed with {wrong}");
        Err(HalError::new(ErrorKind::Request, message))
    }
}
