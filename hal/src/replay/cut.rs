//! Cuts a decoded frame into strips and gaps, and counts what it gave.

use std::sync::Arc;

use super::source::Frame;
use crate::{
    ChannelMask, Clock, ErrorKind, FrameSource, Gap, GapCause, HalError, ReadEvent, RunId,
    RunSummary, ScanActual, Strip, StripBuffer, StripFlags, StripHeader, SystemClock,
};

/// Where a frame is in its run.
#[derive(Clone, Debug)]
pub(crate) struct FramePlace {
    /// Index of the frame in the run.
    pub(crate) frame: u64,
    /// Device time at its first row, in ticks.
    pub(crate) ticks: u64,
    /// Ticks from row to row.
    pub(crate) line_ticks: u64,
    /// The file that it was read from, when account is kept of files.
    pub(crate) source: Option<Arc<FrameSource>>,
}

/// The frames of a run on their way into strips.
pub(crate) struct Cut {
    run: RunId,
    /// First row that was not given.
    row: u32,
    sequence: u64,
    /// Rows told as gaps since the last strip.
    lost_rows: u32,
    summary: RunSummary,
}

impl Cut {
    /// Nothing was given yet.
    pub(crate) fn new(run: RunId) -> Self {
        Self {
            run,
            row: 0,
            sequence: 0,
            lost_rows: 0,
            summary: RunSummary::default(),
        }
    }

    /// First row of the present frame that was not given; 0 when no frame is begun.
    pub(crate) fn row(&self) -> u32 {
        self.row
    }

    /// What was given so far.
    pub(crate) fn summary(&self) -> RunSummary {
        self.summary
    }

    /// The next rows of `frame`, whose planes are the channels of `scan`.
    ///
    /// # Errors
    /// `Request` when a strip does not fit into `buffer`.
    pub(crate) fn next(
        &mut self,
        scan: &ScanActual,
        frame: &Frame,
        place: &FramePlace,
        line_period_ns: Option<u64>,
        buffer: StripBuffer,
    ) -> Result<ReadEvent, HalError> {
        let (rows, whole) = self.stretch(scan, frame);
        let first_row = self.row;
        let event = if whole {
            let (samples, saturated) = self.fill(scan, frame, rows, buffer)?;
            let depths = scan.channels.iter().map(|info| info.bit_depth);
            let header = StripHeader {
                run: self.run,
                boot: 0,
                frame: place.frame,
                field: frame.field,
                source: place.source.clone(),
                sequence: self.sequence,
                first_row,
                rows,
                width: scan.width,
                channels: ChannelMask::all(scan.channels.len()),
                bit_depth: depths.max().unwrap_or(16),
                odd_rows_reversed: false,
                ticks_first_row: place
                    .ticks
                    .saturating_add(u64::from(first_row).saturating_mul(place.line_ticks)),
                line_period_ns,
                received: SystemClock.now(),
                lost_rows: std::mem::take(&mut self.lost_rows),
                flags: StripFlags {
                    saturated,
                    overrun: false,
                    last_of_frame: first_row + rows >= scan.height,
                },
            };
            self.sequence += 1;
            self.summary.rows_delivered += u64::from(rows);
            ReadEvent::Strip(Strip { header, samples })
        } else {
            self.lost_rows = self.lost_rows.saturating_add(rows);
            self.summary.rows_lost += u64::from(rows);
            ReadEvent::Gap(Gap {
                frame: place.frame,
                field: frame.field,
                first_row,
                rows,
                cause: GapCause::SourceIncomplete,
            })
        };
        self.summary.rows_scanned += u64::from(rows);
        if first_row == 0 {
            self.summary.frames += 1;
        }
        self.row = if first_row + rows >= scan.height {
            0
        } else {
            first_row + rows
        };
        Ok(event)
    }

    /// The rows from the present one to the end of the strip that are all whole, or all not.
    fn stretch(&self, scan: &ScanActual, frame: &Frame) -> (u32, bool) {
        let end = ((self.row / scan.strip_rows + 1) * scan.strip_rows).min(scan.height);
        let whole = |row: u32| {
            let mut planes = frame.planes.iter();
            planes.all(|plane| plane.whole.get(row as usize) == Some(&true))
        };
        let is_whole = whole(self.row);
        let same = (self.row..end)
            .take_while(|row| whole(*row) == is_whole)
            .count();
        (same as u32, is_whole)
    }

    fn fill(
        &self,
        scan: &ScanActual,
        frame: &Frame,
        rows: u32,
        mut samples: StripBuffer,
    ) -> Result<(StripBuffer, bool), HalError> {
        let (width, channels) = (scan.width as usize, scan.channels.len());
        let too_small = || {
            HalError::new(
                ErrorKind::Request,
                "the strip buffer is smaller than a strip",
            )
        };
        let out = samples
            .resize(rows as usize * channels * width)
            .ok_or_else(too_small)?;
        let mut saturated = false;
        for (index, line) in out.chunks_exact_mut(width).enumerate() {
            let (row, channel) = (index / channels, index % channels);
            let start = (self.row as usize + row) * width;
            let plane = frame.planes.get(channel);
            if let Some(from) = plane.and_then(|plane| plane.counts.get(start..start + width)) {
                line.copy_from_slice(from);
            }
            let limit = scan.channels.get(channel).map(|info| info.saturation());
            saturated |= line
                .iter()
                .any(|count| limit.is_some_and(|limit| *count >= limit));
        }
        Ok((samples, saturated))
    }
}
