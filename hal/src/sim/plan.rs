//! Which rows come next: the frame cut into strips, around the rows that are lost.

use super::{Fault, FaultKind};

/// The next rows of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) frame: u64,
    pub(super) first_row: u32,
    pub(super) rows: u32,
    /// They will not be delivered.
    pub(super) lost: bool,
}

impl Next {
    /// Whether `fault` begins in these rows or before and is still there.
    pub(super) fn touches(self, fault: &Fault, height: u32) -> bool {
        (self.first_row..self.first_row + self.rows)
            .any(|row| fault.covers(self.frame, row, height))
    }
}

/// Walks through the rows of a run.
pub(super) struct Plan {
    height: u32,
    strip_rows: u32,
    /// The first row of the run that is not scanned any more, counted over frames.
    end: Option<u64>,
    /// The next row, counted over frames.
    at: u64,
    dropped: Vec<Fault>,
}

impl Plan {
    pub(super) fn new(height: u32, strip_rows: u32, frames: Option<u64>, faults: &[Fault]) -> Self {
        Self {
            height: height.max(1),
            strip_rows: strip_rows.max(1),
            end: frames.map(|frames| frames.saturating_mul(u64::from(height))),
            at: 0,
            dropped: faults
                .iter()
                .filter(|fault| fault.kind == FaultKind::DroppedLines)
                .copied()
                .collect(),
        }
    }

    /// Whether there is anything to scan.
    pub(super) fn has_rows(&self) -> bool {
        self.end != Some(0)
    }

    /// Ends the run after `scanned` rows, in whole strips, and not before what was given already.
    pub(super) fn end_after(&mut self, scanned: u64) {
        let height = u64::from(self.height);
        let (frames, row) = (scanned / height, scanned % height);
        let strip = u64::from(self.strip_rows);
        let whole = frames * height + row / strip * strip;
        let end = whole.max(self.at);
        self.end = Some(self.end.map_or(end, |old| old.min(end)));
    }

    /// The next rows, or `None` at the end of the run.
    pub(super) fn next(&self) -> Option<Next> {
        if self.end.is_some_and(|end| self.at >= end) {
            return None;
        }
        let height = u64::from(self.height);
        let frame = self.at / height;
        let first_row = (self.at % height) as u32;
        let boundary = (first_row / self.strip_rows + 1)
            .saturating_mul(self.strip_rows)
            .min(self.height);
        let lost = self.is_lost(frame, first_row);
        let mut rows = boundary - first_row;
        if let Some(end) = self.end {
            rows = rows.min(u32::try_from(end - self.at).unwrap_or(rows));
        }
        // Lost rows and rows that come never share an event.
        let same = (1..rows).take_while(|&more| self.is_lost(frame, first_row + more) == lost);
        Some(Next {
            frame,
            first_row,
            rows: 1 + same.count() as u32,
            lost,
        })
    }

    /// The rows of `next` are dealt with.
    pub(super) fn done(&mut self, next: Next) {
        self.at += u64::from(next.rows);
    }

    fn is_lost(&self, frame: u64, row: u32) -> bool {
        self.dropped
            .iter()
            .any(|fault| fault.covers(frame, row, self.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(mut plan: Plan) -> Vec<Next> {
        let mut all = Vec::new();
        while let Some(next) = plan.next() {
            plan.done(next);
            all.push(next);
        }
        all
    }

    #[test]
    fn rows_tile_each_frame_around_lost_ones() {
        let fault = Fault {
            kind: FaultKind::DroppedLines,
            frame: 0,
            row: 6,
            rows: Some(5),
        };
        let cuts = walk(Plan::new(10, 4, Some(2), &[fault]));
        let lost: u32 = cuts.iter().filter(|n| n.lost).map(|n| n.rows).sum();
        assert_eq!(lost, 5);
        let mut at = 0;
        for next in cuts {
            assert_eq!(next.frame * 10 + u64::from(next.first_row), at);
            at += u64::from(next.rows);
        }
        assert_eq!(at, 20);
    }

    #[test]
    fn a_stop_ends_on_a_whole_strip_and_takes_nothing_back() {
        let mut plan = Plan::new(10, 4, None, &[]);
        let first = plan.next().unwrap();
        plan.done(first);
        plan.end_after(2);
        assert_eq!(walk(plan), []);
        let mut plan = Plan::new(10, 4, None, &[]);
        plan.end_after(19);
        assert_eq!(walk(plan).iter().map(|n| n.rows).sum::<u32>(), 18);
    }
}
