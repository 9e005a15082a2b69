//! The frame that is being assembled.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use senescope_hal::{ChannelMask, FrameSource, ScanActual, Strip};

use super::expected_channels;

/// The counts of one frame as acquired, channel by channel, and which of its rows are there.
///
/// It is filled from the top; samples of rows that are missing or not yet there are zero.
#[derive(Clone, Debug)]
pub struct FrameBuffer {
    frame: u64,
    field: u32,
    source: Option<Arc<FrameSource>>,
    ticks_first_row: Option<u64>,
    planes: Vec<Array2<u16>>,
    present: Vec<ChannelMask>,
    expected: ChannelMask,
    width: u32,
}

impl FrameBuffer {
    pub(super) fn new(scan: &ScanActual) -> Self {
        let shape = (scan.height as usize, scan.width as usize);
        let expected = expected_channels(scan);
        Self {
            frame: 0,
            field: 0,
            source: None,
            ticks_first_row: None,
            planes: vec![Array2::zeros(shape); expected.count()],
            present: vec![ChannelMask(0); shape.0],
            expected,
            width: scan.width,
        }
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.planes.len() * self.present.len() * self.width as usize * size_of::<u16>()
            + self.present.len() * size_of::<ChannelMask>()
    }

    /// Index of the frame in the run.
    pub fn frame(&self) -> u64 {
        self.frame
    }

    /// Field of view.
    pub fn field(&self) -> u32 {
        self.field
    }

    /// The file that it was read from; `None` when the board does not keep account of files, and before a strip
    /// came.
    pub fn source(&self) -> Option<&Arc<FrameSource>> {
        self.source.as_ref()
    }

    /// Device time at its first sample, in ticks; `None` when the first row is missing.
    pub fn ticks_first_row(&self) -> Option<u64> {
        self.ticks_first_row
    }

    /// Samples in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows in the frame.
    pub fn height(&self) -> u32 {
        // The buffer was made with a height of 32 bits.
        u32::try_from(self.present.len()).unwrap_or(u32::MAX)
    }

    /// The channels that a whole row has, in the scan's order.
    pub fn expected(&self) -> ChannelMask {
        self.expected
    }

    /// The channels that `row` has; none outside the frame.
    pub fn present(&self, row: u32) -> ChannelMask {
        self.present
            .get(row as usize)
            .copied()
            .unwrap_or(ChannelMask(0))
    }

    /// Whether every channel of `row` is there.
    pub fn is_whole(&self, row: u32) -> bool {
        self.present(row) == self.expected
    }

    /// The counts of a channel: rows × columns. `None` when the scan has no such channel.
    pub fn channel(&self, channel: usize) -> Option<ArrayView2<'_, u16>> {
        self.planes.get(channel).map(|plane| plane.view())
    }

    /// The counts of a channel row by row, as one slice. `None` when the scan has no such channel.
    pub fn plane(&self, channel: usize) -> Option<&[u16]> {
        self.planes.get(channel)?.as_slice()
    }

    /// Becomes `other`, a frame of the same scan, without taking memory.
    pub fn copy_from(&mut self, other: &Self) {
        self.frame = other.frame;
        self.field = other.field;
        self.source.clone_from(&other.source);
        self.ticks_first_row = other.ticks_first_row;
        for (plane, other) in self.planes.iter_mut().zip(&other.planes) {
            plane.clone_from(other);
        }
        self.present.clone_from(&other.present);
        self.expected = other.expected;
        self.width = other.width;
    }

    /// One row of a channel, left to right; `None` when it is missing.
    pub fn row(&self, channel: usize, row: u32) -> Option<&[u16]> {
        if !self.present(row).has(channel) {
            return None;
        }
        let width = self.width as usize;
        let start = row as usize * width;
        self.planes
            .get(channel)?
            .as_slice()?
            .get(start..start + width)
    }

    /// The rows of a whole frame once more, as they came: below each of them nothing is there yet.
    pub fn again(&self, mut each: impl FnMut(FrameRow<'_>)) {
        let mut so_far = self.clone();
        so_far.begin(self.frame, self.field);
        so_far.source.clone_from(&self.source);
        so_far.ticks_first_row = self.ticks_first_row;
        for row in 0..self.height() {
            let at = row as usize;
            if let (Some(to), Some(from)) = (so_far.present.get_mut(at), self.present.get(at)) {
                *to = *from;
            }
            for (to, from) in so_far.planes.iter_mut().zip(&self.planes) {
                to.row_mut(at).assign(&from.row(at));
            }
            each(FrameRow::new(&so_far, row));
        }
    }

    pub(super) fn begin(&mut self, frame: u64, field: u32) {
        self.frame = frame;
        self.field = field;
        self.source = None;
        self.ticks_first_row = None;
        for plane in &mut self.planes {
            plane.fill(0);
        }
        self.present.fill(ChannelMask(0));
    }

    /// Takes row `offset` of the strip as row `row` of the frame.
    pub(super) fn fill(&mut self, row: u32, strip: &Strip, offset: u32, reversed: bool) {
        let mask = strip.header.channels;
        if row == 0 {
            self.ticks_first_row = Some(strip.header.ticks_first_row);
        }
        if self.source.is_none() {
            self.source = strip.header.source.clone();
        }
        let channels = (0..self.planes.len()).filter(|channel| mask.has(*channel));
        for (carried, channel) in channels.enumerate() {
            let (Some(samples), Some(plane)) =
                (strip.row(offset, carried), self.planes.get_mut(channel))
            else {
                continue;
            };
            let start = row as usize * samples.len();
            let target = plane
                .as_slice_mut()
                .and_then(|plane| plane.get_mut(start..start + samples.len()));
            if let Some(target) = target {
                target.copy_from_slice(samples);
                if reversed {
                    target.reverse();
                }
            }
        }
        if let Some(present) = self.present.get_mut(row as usize) {
            *present = mask;
        }
    }
}

/// One row of a frame, with the frame above it.
#[derive(Clone, Copy, Debug)]
pub struct FrameRow<'a> {
    frame: &'a FrameBuffer,
    index: u32,
}

impl<'a> FrameRow<'a> {
    pub(super) fn new(frame: &'a FrameBuffer, index: u32) -> Self {
        Self { frame, index }
    }

    /// The frame so far; this row is the last that it has.
    pub fn frame(&self) -> &'a FrameBuffer {
        self.frame
    }

    /// Row of the frame, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The counts of a channel, left to right; `None` when they are missing.
    pub fn channel(&self, channel: usize) -> Option<&'a [u16]> {
        self.frame.row(channel, self.index)
    }

    /// No channel of the row is there.
    pub fn is_missing(&self) -> bool {
        self.frame.present(self.index).count() == 0
    }

    /// Nothing follows in this frame.
    pub fn is_last(&self) -> bool {
        self.index + 1 == self.frame.height()
    }
}
