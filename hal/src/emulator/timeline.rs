//! Which rows are in which strip of a run, when some strips were lost before they were made.
//!
//! A *slot* is a place for a strip: slots follow each other without gaps in the scan. A strip takes the next slot
//! that was not lost, so that sequence numbers have no gaps.

/// Most lost slots that are kept account of; more overruns than that do not happen.
const MOST_LOST: usize = 4096;

/// The slots of a run.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    height: u64,
    strip_rows: u64,
    /// The run ends after this many rows.
    end: Option<u64>,
    /// In order.
    lost: Vec<u64>,
}

/// The rows of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) frame: u64,
    pub(super) first: u64,
    pub(super) rows: u64,
}

impl Timeline {
    pub(super) fn new(height: u32, strip_rows: u32, frames: u64) -> Self {
        let height = u64::from(height);
        Self {
            height,
            strip_rows: u64::from(strip_rows),
            end: (frames > 0).then(|| frames.saturating_mul(height)),
            lost: Vec::new(),
        }
    }

    /// The number of rows after which the run ends.
    pub(super) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Ends the run after `rows` rows, if it would not end before.
    pub(super) fn end_after(&mut self, rows: u64) {
        self.end = Some(self.end.map_or(rows, |end| end.min(rows)));
    }

    fn slots_of_frame(&self) -> u64 {
        self.height.div_ceil(self.strip_rows)
    }

    /// The row at which `slot` begins, counted from the start of the run.
    fn begins(&self, slot: u64) -> u64 {
        let slots = self.slots_of_frame();
        slot / slots * self.height + slot % slots * self.strip_rows
    }

    /// The rows of `slot`.
    pub(super) fn rows(&self, slot: u64) -> Rows {
        let begins = self.begins(slot);
        let first = begins % self.height;
        let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(begins));
        Rows {
            frame: begins / self.height,
            first,
            rows: self.strip_rows.min(self.height - first).min(left),
        }
    }

    /// How many rows must have been scanned for `slot` to be whole.
    pub(super) fn whole_after(&self, slot: u64) -> u64 {
        self.begins(slot) + self.rows(slot).rows
    }

    /// How many slots are whole after `rows` rows.
    pub(super) fn whole(&self, rows: u64) -> u64 {
        let ended = self.end.is_some_and(|end| rows >= end);
        let (frame, row) = (rows / self.height, rows % self.height);
        let part = if ended {
            row.div_ceil(self.strip_rows)
        } else {
            row / self.strip_rows
        };
        frame * self.slots_of_frame() + part
    }

    /// How many strips there are after `rows` rows.
    pub(super) fn strips(&self, rows: u64) -> u64 {
        let whole = self.whole(rows);
        whole - self.lost.iter().filter(|lost| **lost < whole).count() as u64
    }

    /// The slot of strip `sequence`.
    pub(super) fn slot(&self, sequence: u64) -> u64 {
        self.lost
            .iter()
            .fold(sequence, |slot, lost| slot + u64::from(*lost <= slot))
    }

    /// Loses `slot`, which is not whole yet.
    pub(super) fn lose(&mut self, slot: u64) {
        let beyond = self.end.is_some_and(|end| self.begins(slot) >= end);
        if self.lost.len() < MOST_LOST && !beyond && !self.lost.contains(&slot) {
            self.lost.push(slot);
            self.lost.sort_unstable();
        }
    }

    /// Rows of slots that were lost among those before `slot`.
    pub(super) fn lost_before(&self, slot: u64) -> u64 {
        self.lost
            .iter()
            .filter(|lost| **lost < slot)
            .map(|lost| self.rows(*lost).rows)
            .sum()
    }

    /// How many slots were lost among those before `slot`.
    pub(super) fn overruns(&self, slot: u64) -> u64 {
        self.lost.iter().filter(|lost| **lost < slot).count() as u64
    }

    /// Rows of the strips before `sequence`.
    pub(super) fn rows_before(&self, sequence: u64) -> u64 {
        let slot = self.slot(sequence);
        let begins = self.begins(slot);
        self.end.map_or(begins, |end| begins.min(end)) - self.lost_before(slot)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Strips and lost slots together are the rows that were scanned, each once.
        #[test]
        fn strips_and_lost_slots_tile_the_scan(
            height in 1_u32..40,
            strip_rows in 1_u32..50,
            frames in 0_u64..4,
            aborted in proptest::option::of(0_u64..200),
            lost in proptest::collection::vec(0_u64..30, 0..6),
            scanned in 0_u64..250,
        ) {
            let mut time = Timeline::new(height, strip_rows.min(height), frames);
            if let Some(rows) = aborted {
                time.end_after(rows);
            }
            for slot in lost {
                time.lose(slot);
            }
            let scanned = time.end().map_or(scanned, |end| scanned.min(end));
            let mut seen = vec![0; scanned as usize];
            let mut mark = |rows: Rows| {
                for row in rows.first..rows.first + rows.rows {
                    seen[(rows.frame * u64::from(height) + row) as usize] += 1;
                }
            };
            let strips = time.strips(scanned);
            let mut rows_before = 0;
            for sequence in 0..strips {
                let slot = time.slot(sequence);
                prop_assert!(!time.lost.contains(&slot));
                prop_assert_eq!(time.rows_before(sequence), rows_before);
                prop_assert!(time.whole_after(slot) <= scanned);
                rows_before += time.rows(slot).rows;
                mark(time.rows(slot));
            }
            let whole = time.whole(scanned);
            for slot in time.lost.iter().filter(|slot| **slot < whole) {
                mark(time.rows(*slot));
            }
            let covered = seen.iter().filter(|count| **count == 1).count() as u64;
            prop_assert!(seen.iter().all(|count| *count <= 1));
            prop_assert_eq!(covered, rows_before + time.lost_before(whole));
            // What is not covered yet is the beginning of one slot.
            prop_assert!(scanned - covered < u64::from(strip_rows));
            if time.end() == Some(scanned) {
                prop_assert_eq!(covered, scanned);
            }
        }
    }
}
