//! Account of the rows of a run: each is given once, as a part of a strip or of a gap.

use std::collections::VecDeque;

use crate::{Gap, GapCause, RunSummary};

/// Rows of a run, counted from its start.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    height: u64,
    /// Rows before this one have been given.
    given: u64,
    delivered: u64,
    /// Rows up to here are missing, in order.
    missing: VecDeque<(u64, GapCause)>,
    /// Frame and field of the last strips that belong to different frames, the latest first.
    fields: [(u64, u32); 2],
}

impl Rows {
    pub(super) fn new(height: u32) -> Self {
        Self {
            height: u64::from(height).max(1),
            given: 0,
            delivered: 0,
            missing: VecDeque::new(),
            fields: [(0, 0); 2],
        }
    }

    /// Rows of a frame.
    pub(super) fn height(&self) -> u64 {
        self.height
    }

    /// A strip of `frame` says which field it is.
    pub(super) fn shows(&mut self, frame: u64, field: u32) {
        if self.fields[0].0 != frame {
            self.fields[1] = self.fields[0];
        }
        self.fields[0] = (frame, field);
    }

    /// The next row that is neither given nor known to be missing.
    pub(super) fn next(&self) -> u64 {
        self.missing.back().map_or(self.given, |(to, _)| *to)
    }

    /// The row `first` of `frame`, counted from the start of the run.
    pub(super) fn position(&self, frame: u64, first: u64) -> u64 {
        frame.saturating_mul(self.height).saturating_add(first)
    }

    /// The end of the frame that has begun.
    pub(super) fn end_of_frame(&self) -> u64 {
        self.next().div_ceil(self.height) * self.height
    }

    /// Rows up to `to` will not come.
    pub(super) fn miss(&mut self, to: u64, cause: GapCause) {
        if to > self.next() {
            self.missing.push_back((to, cause));
        }
    }

    /// The next gap to be told, within one frame.
    pub(super) fn gap(&mut self) -> Option<Gap> {
        let (to, cause) = *self.missing.front()?;
        let (frame, first) = (self.given / self.height, self.given % self.height);
        let end = to.min((frame + 1) * self.height);
        let rows = end - self.given;
        // The field of a frame of which nothing came is not known; it is taken to be that before it.
        let [latest, before] = self.fields;
        let field = if frame >= latest.0 {
            latest.1
        } else {
            before.1
        };
        self.given = end;
        if end == to {
            self.missing.pop_front();
        }
        Some(Gap {
            frame,
            field,
            first_row: first as u32,
            rows: rows as u32,
            cause,
        })
    }

    /// `rows` rows are given in a strip.
    pub(super) fn deliver(&mut self, rows: u64) {
        self.given += rows;
        self.delivered += rows;
    }

    pub(super) fn summary(&self) -> RunSummary {
        RunSummary {
            frames: self.given.div_ceil(self.height),
            rows_scanned: self.given,
            rows_delivered: self.delivered,
            rows_lost: self.given - self.delivered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_end_with_their_frames_and_rows_are_told_once() {
        let mut rows = Rows::new(10);
        rows.deliver(4);
        rows.miss(23, GapCause::Link);
        rows.miss(23, GapCause::Link);
        rows.miss(25, GapCause::BoardOverrun);
        assert_eq!((rows.next(), rows.end_of_frame()), (25, 30));
        let mut gaps = Vec::new();
        while let Some(gap) = rows.gap() {
            gaps.push((gap.frame, gap.first_row, gap.rows, gap.cause));
        }
        assert_eq!(
            gaps,
            [
                (0, 4, 6, GapCause::Link),
                (1, 0, 10, GapCause::Link),
                (2, 0, 3, GapCause::Link),
                (2, 3, 2, GapCause::BoardOverrun),
            ]
        );
        rows.deliver(5);
        let expected = RunSummary {
            frames: 3,
            rows_scanned: 30,
            rows_delivered: 9,
            rows_lost: 21,
        };
        assert_eq!(rows.summary(), expected);
    }
}
