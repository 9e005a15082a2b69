//! Strips and gaps in, complete rows of frames out, in order.
//!
//! Contract: every frame of which anything was heard yields each of its rows exactly once, from the first
//! to the last, either with samples or as missing; how the rows were cut into strips has no influence.
//! Rows that no strip and no gap mentions before a later row arrives are missing. A frame that another
//! frame interrupts is finished with missing rows. Odd rows come out left to right.
//!
//! Not done here: frames of which nothing was heard at all are not invented, and counts are not corrected.

mod frame;
#[cfg(test)]
mod tests;

use senescope_hal::{ChannelMask, Gap, ScanActual, Strip};
use serde::{Deserialize, Serialize};

pub use frame::{FrameBuffer, FrameRow};

/// What became of the rows of a run.
///
/// `offered = delivered + discarded`, and once a run is finished
/// `delivered + missing = frames × height`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowTotals {
    /// Rows that arrived in strips.
    pub offered: u64,
    /// Rows that were handed on with samples.
    pub delivered: u64,
    /// Rows that were handed on as missing.
    pub missing: u64,
    /// Rows of strips that came twice, too late, outside the frame, or in another geometry than the scan's.
    pub discarded: u64,
    /// Frames that were begun.
    pub frames: u64,
}

/// Assembles the strips of one run.
#[derive(Debug)]
pub struct Assembler {
    frame: FrameBuffer,
    /// The frame whose rows are coming, `None` before the first. It is complete when `next_row` is the
    /// height.
    current: Option<u64>,
    next_row: u32,
    totals: RowTotals,
}

impl Assembler {
    /// An assembler for a scan of this geometry. Allocates one frame; nothing is allocated afterwards.
    pub fn new(scan: &ScanActual) -> Self {
        Self {
            frame: FrameBuffer::new(scan),
            current: None,
            next_row: 0,
            totals: RowTotals::default(),
        }
    }

    /// The frame so far. Rows from the present one on hold zeros and count as missing.
    pub fn frame(&self) -> &FrameBuffer {
        &self.frame
    }

    /// What became of the rows so far.
    pub fn totals(&self) -> RowTotals {
        self.totals
    }

    /// Takes a strip and hands on every row that it completes.
    pub fn push(&mut self, strip: &Strip, mut on_row: impl FnMut(FrameRow<'_>)) {
        let header = &strip.header;
        self.totals.offered += u64::from(header.rows);
        if !self.fits(strip) || !self.begin(header.frame, header.field, &mut on_row) {
            self.totals.discarded += u64::from(header.rows);
            return;
        }
        for offset in 0..header.rows {
            let row = header.first_row.saturating_add(offset);
            if row < self.next_row || row >= self.frame.height() {
                self.totals.discarded += 1;
                continue;
            }
            self.skip_to(row, &mut on_row);
            let reversed = header.odd_rows_reversed && row % 2 == 1;
            self.frame.fill(row, strip, offset, reversed);
            self.totals.delivered += 1;
            self.hand_on(&mut on_row);
        }
    }

    /// Takes the news that rows will not come.
    pub fn gap(&mut self, gap: &Gap, mut on_row: impl FnMut(FrameRow<'_>)) {
        if self.begin(gap.frame, gap.field, &mut on_row) {
            self.skip_to(gap.first_row.saturating_add(gap.rows), &mut on_row);
        }
    }

    /// Ends the run: what the present frame lacks is missing.
    pub fn finish(&mut self, mut on_row: impl FnMut(FrameRow<'_>)) {
        if self.current.is_some() {
            self.skip_to(self.frame.height(), &mut on_row);
        }
    }

    fn fits(&self, strip: &Strip) -> bool {
        let header = &strip.header;
        let samples =
            header.channels.count() as u64 * u64::from(header.rows) * u64::from(header.width);
        header.width == self.frame.width()
            && strip.samples.len() as u64 == samples
            && self.frame.expected().0 & header.channels.0 == header.channels.0
    }

    /// Makes `frame` the present one; false when it has passed already.
    fn begin(&mut self, frame: u64, field: u32, on_row: &mut impl FnMut(FrameRow<'_>)) -> bool {
        match self.current {
            Some(current) if frame < current => return false,
            Some(current) if frame == current => return true,
            Some(_) => self.skip_to(self.frame.height(), on_row),
            None => {}
        }
        self.current = Some(frame);
        self.next_row = 0;
        self.totals.frames += 1;
        self.frame.begin(frame, field);
        true
    }

    fn skip_to(&mut self, row: u32, on_row: &mut impl FnMut(FrameRow<'_>)) {
        while self.next_row < row.min(self.frame.height()) {
            self.totals.missing += 1;
            self.hand_on(on_row);
        }
    }

    fn hand_on(&mut self, on_row: &mut impl FnMut(FrameRow<'_>)) {
        let index = self.next_row;
        self.next_row += 1;
        on_row(FrameRow::new(&self.frame, index));
    }
}

/// The channels of `scan` as a mask.
fn expected_channels(scan: &ScanActual) -> ChannelMask {
    ChannelMask::all(scan.channels.len())
}
