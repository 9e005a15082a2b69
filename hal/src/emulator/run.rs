//! One run of the emulated board, as a function of time.

use super::timeline::Timeline;
use crate::{
    HostInstant,
    sim::Speed,
    wire::{ActualForm, RunPhase},
};

/// Strips of a run; no run is so long that it has more.
const MOST_STRIPS: u64 = 1 << 32;

/// A run from `INITiate` on.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) number: u32,
    pub(super) timeline: Timeline,
    /// When the scan began; `None` while it waits for a trigger.
    pub(super) started: Option<HostInstant>,
    pulled: bool,
    line_ns: u64,
    ring: u64,
    /// Rows that a board which is pulled has made.
    made: u64,
    /// Strips below this were thrown away.
    floor: u64,
    /// Strips below this were fetched, or counted as lost.
    fetched: u64,
    /// Rows of strips that left the ring unfetched.
    unfetched: u64,
}

/// Where a strip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It left the ring.
    Gone,
    /// In the ring.
    Here,
    /// Not scanned yet; when it will be, if that is known.
    NotYet(Option<HostInstant>),
    /// The run has ended before it.
    Never,
}

impl Run {
    pub(super) fn new(
        number: u32,
        actual: &ActualForm,
        speed: Speed,
        ring: u32,
        started: Option<HostInstant>,
    ) -> Self {
        Self {
            number,
            timeline: Timeline::new(actual.height, actual.strip_rows, actual.frames),
            started,
            pulled: speed == Speed::AsFastAsPossible,
            line_ns: actual.line_ns,
            ring: u64::from(ring.max(1)),
            made: 0,
            floor: 0,
            fetched: 0,
            unfetched: 0,
        }
    }

    /// Rows that have been scanned by `now`.
    pub(super) fn rows(&self, now: HostInstant) -> u64 {
        let scanned = match self.started {
            None => 0,
            Some(_) if self.pulled => self.made,
            Some(started) => now.since(started).as_nanos() as u64 / self.line_ns,
        };
        self.timeline.end().map_or(scanned, |end| scanned.min(end))
    }

    pub(super) fn phase(&self, now: HostInstant) -> RunPhase {
        if self.timeline.end().is_some_and(|end| self.rows(now) >= end) {
            RunPhase::Idle
        } else if self.started.is_none() {
            RunPhase::Waiting
        } else {
            RunPhase::Running
        }
    }

    /// The oldest strip in the ring, and the one that comes next.
    pub(super) fn window(&mut self, now: HostInstant) -> (u64, u64) {
        let next = self.timeline.strips(self.rows(now));
        let oldest = next.saturating_sub(self.ring).max(self.floor.min(next));
        if self.fetched < oldest {
            self.unfetched +=
                self.timeline.rows_before(oldest) - self.timeline.rows_before(self.fetched);
            self.fetched = oldest;
        }
        (oldest, next)
    }

    /// Where strip `sequence` is; a board that is pulled makes it.
    pub(super) fn find(&mut self, sequence: u64, now: HostInstant) -> Found {
        if sequence >= MOST_STRIPS {
            return Found::Never;
        }
        let slot = self.timeline.slot(sequence);
        if self.pulled && self.started.is_some() {
            self.made = self.made.max(self.timeline.whole_after(slot));
        }
        let (oldest, next) = self.window(now);
        if sequence < oldest {
            Found::Gone
        } else if sequence < next {
            self.fetched = self.fetched.max(sequence + 1);
            Found::Here
        } else if self.phase(now) == RunPhase::Idle {
            Found::Never
        } else {
            let span = self.timeline.whole_after(slot).saturating_mul(self.line_ns);
            let due = |started: HostInstant| started.after(std::time::Duration::from_nanos(span));
            Found::NotYet(self.started.map(due))
        }
    }

    /// Rows that no fetch has given or will give.
    pub(super) fn lost(&mut self, now: HostInstant) -> u64 {
        self.window(now);
        self.unfetched
            + self
                .timeline
                .lost_before(self.timeline.whole(self.rows(now)))
    }

    pub(super) fn overruns(&self, now: HostInstant) -> u64 {
        self.timeline.overruns(self.timeline.whole(self.rows(now)))
    }

    /// Ends the run with the last whole row.
    pub(super) fn abort(&mut self, now: HostInstant) {
        self.timeline.end_after(self.rows(now));
    }

    /// Strip `sequence` was not given after all.
    pub(super) fn unfetch(&mut self, sequence: u64) {
        self.fetched = self.fetched.min(sequence);
    }

    /// Throws every strip away that was made, and at least `strips` that nobody has fetched.
    pub(super) fn overflow(&mut self, strips: u64, now: HostInstant) {
        if self.pulled && strips > 0 {
            let last = self.timeline.slot(self.fetched + strips - 1);
            self.made = self.made.max(self.timeline.whole_after(last));
        }
        self.floor = self.window(now).1;
        self.window(now);
    }

    /// Loses the rows that are being scanned, `slots` strips of them.
    pub(super) fn overrun(&mut self, slots: u64, now: HostInstant) {
        let slot = self.timeline.whole(self.rows(now));
        for slot in slot..slot.saturating_add(slots) {
            self.timeline.lose(slot);
        }
    }
}
