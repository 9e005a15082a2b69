//! A run: the unit of which frames are given, and the place of the present frame.

use crate::{
    HalError, RunId,
    replay::{
        cut::{Cut, FramePlace},
        setup,
        source::{Frame, ReplaySource},
    },
};

/// The unit of which frames are given.
struct Open {
    source: ReplaySource,
    /// Index of its next frame.
    next: usize,
    /// Ticks at the begin of the frame with which it was begun, and that frame's own time.
    ticks: u64,
    started_ns: u64,
    line_ns: u64,
}

/// What is going on between arm and disarm.
pub(super) struct Run {
    pub(super) cut: Cut,
    /// No other frame is begun.
    pub(super) stopped: bool,
    /// Index of the present frame in the run.
    pub(super) frame: u64,
    /// Where the present frame is, once it is decoded.
    pub(super) place: Option<FramePlace>,
    open: Option<Open>,
    /// Ticks behind the last row of the present frame.
    ticks: u64,
}

impl Run {
    /// Nothing is given yet.
    pub(super) fn new(id: RunId) -> Self {
        Self {
            cut: Cut::new(id),
            stopped: false,
            frame: 0,
            place: None,
            open: None,
            ticks: 0,
        }
    }

    /// Frames of `source` follow, from the one with index `first` on.
    pub(super) fn open(&mut self, source: ReplaySource, first: usize) {
        self.open = Some(Open {
            next: first,
            ticks: self.ticks,
            started_ns: source.started_ns(first).unwrap_or(0),
            line_ns: setup::line_ns(&source),
            source,
        });
    }

    /// Decodes the next frame of the present unit into `frame` and makes it the present one; false when there is
    /// none.
    ///
    /// # Errors
    /// When a file is gone. No more frames of the unit follow then.
    pub(super) fn decode(
        &mut self,
        height: u32,
        selected: &[usize],
        frame: &mut Frame,
    ) -> Result<bool, HalError> {
        let Some(mut open) = self.open.take() else {
            return Ok(false);
        };
        let index = open.next;
        open.source.decode(index, selected, frame)?;
        let noted = open.source.started_ns(index);
        let noted = noted.map(|ns| {
            open.ticks
                .saturating_add(ns.saturating_sub(open.started_ns))
        });
        // A clock that was set back must not turn device time round.
        let ticks = noted.map_or(self.ticks, |noted| noted.max(self.ticks));
        self.place = Some(FramePlace {
            frame: self.frame,
            ticks,
            line_ticks: open.line_ns,
            source: None,
        });
        self.ticks = ticks.saturating_add(u64::from(height).saturating_mul(open.line_ns));
        open.next += 1;
        if open.next < open.source.frames() {
            self.open = Some(open);
        }
        Ok(true)
    }
}
