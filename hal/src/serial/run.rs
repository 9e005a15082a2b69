//! Where a run is: what was asked for, what is missing, and what is being repaired.

use std::ops::Range;

use super::rows::Rows;
use crate::{
    GapCause, HostInstant, RunId, ScanActual,
    wire::{RecordHeader, StatusLine},
};

/// Times that a strip is fetched again over the same link.
pub(super) const FETCHES: u32 = 3;
/// New links on which a strip is tried before it is given up.
const LINKS: u32 = 1;
/// Strips that are given up one after the other before the run is.
const STRIPS: u32 = 3;
/// Empty answers in a row for a strip that is said to be there.
const CHANCE: u32 = 2;
/// Most frames that are missed at once: hours of a scan. More is no loss, but a number without sense, and to tell each
/// of its rows would take for ever.
const MOST_MISSED: u64 = 1 << 16;

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Ask for a strip.
    Ask,
    /// It was asked for.
    Asked,
    /// Its record is there and waits until the gap before it was told.
    Held(Range<usize>),
    /// Open the link again, at an instant, and give up at another.
    Reopen {
        /// When it is tried next.
        at: HostInstant,
        /// When it is given up.
        until: HostInstant,
    },
    /// Nothing: the run has ended, for a reason when it should not have.
    Ended(Option<Ending>),
}

/// Why a run ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The board restarted.
    Restarted,
    /// The link did not come back.
    Lost,
    /// Another board came back.
    Another,
    /// Strip after strip could not be had.
    Unreadable,
    /// Another program began a run on the board.
    Taken,
}

/// A run from arm to disarm.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    /// Its number on the board; `None` before the start.
    pub(super) number: Option<u32>,
    pub(super) phase: Phase,
    /// The strip that is wanted.
    pub(super) sequence: u64,
    pub(super) rows: Rows,
    /// The host wants the run to end.
    pub(super) abort: bool,
    /// Why strips were passed over since the last one that came.
    pub(super) passed_over: Option<GapCause>,
    fetches: u32,
    links: u32,
    given_up: u32,
    /// The link was repaired since the last strip.
    repaired: bool,
    /// Times that the strip was said to be there and did not come.
    withheld: u32,
    /// The board was told to begin.
    pub(super) begun: bool,
}

/// Whether a record is the one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is; rows that miss before it are gaps now.
    Next,
    /// It is from another run or boot.
    Foreign,
    /// It is not, for this reason.
    Wrong(String),
}

/// What follows a failed exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    /// Fetch the same strip again.
    Fetch,
    /// Open the link again.
    Reopen,
}

impl Run {
    pub(super) fn new(id: RunId, actual: &ScanActual) -> Self {
        Self {
            id,
            number: None,
            phase: Phase::Ask,
            sequence: 0,
            rows: Rows::new(actual.height),
            abort: false,
            passed_over: None,
            fetches: 0,
            links: 0,
            given_up: 0,
            repaired: false,
            withheld: 0,
            begun: false,
        }
    }

    /// The board is well, and the strip not scanned yet: what was wrong before has nothing to do with it.
    pub(super) fn waits(&mut self) {
        (self.fetches, self.links, self.given_up, self.withheld) = (0, 0, 0, 0);
    }

    /// The board says that the strip is there, and has not given it. Once is chance: it may have come in between.
    pub(super) fn is_withheld(&mut self) -> bool {
        self.withheld += 1;
        self.withheld > CHANCE
    }

    /// Whether the link was repaired since the last strip.
    pub(super) fn is_repaired(&self) -> bool {
        self.repaired
    }

    /// Compares a record with what was asked for; rows that miss before it become gaps.
    pub(super) fn fit(
        &mut self,
        header: &RecordHeader,
        boot: u64,
        actual: &ScanActual,
        mask: u32,
    ) -> Fit {
        if header.boot != boot || Some(header.run) != self.number {
            return Fit::Foreign;
        }
        let wrong =
            |what: &str| Fit::Wrong(format!("a record with another {what} than was asked for"));
        if header.sequence != self.sequence {
            return wrong("sequence");
        }
        if u32::from(header.width) != actual.width || header.channels.0 != mask {
            return wrong("width or channels");
        }
        if header.bit_depth != actual.bit_depth() {
            return wrong("bit depth");
        }
        let (first, rows) = (u32::from(header.first_row), u32::from(header.rows));
        if first + rows > actual.height || rows > actual.strip_rows {
            return wrong("place in the frame");
        }
        let frame = u64::from(header.frame);
        let (position, next) = (
            self.rows.position(frame, u64::from(first)),
            self.rows.next(),
        );
        let lost = u64::from(header.lost_rows);
        let Some(jump) = position.checked_sub(next) else {
            return wrong("place than behind the strip before");
        };
        if jump > self.most_missed() {
            return wrong("place, far behind the strip before,");
        }
        self.rows.shows(frame, u32::from(header.field));
        match self.passed_over {
            None if jump != lost => {
                return wrong("place than behind the strip before and the rows lost since");
            }
            None => self.rows.miss(position, GapCause::BoardOverrun),
            Some(cause) => {
                self.rows.miss(position.saturating_sub(lost), cause);
                self.rows.miss(position, GapCause::BoardOverrun);
            }
        }
        Fit::Next
    }

    /// Most rows that can be missed at once, and so most strips.
    fn most_missed(&self) -> u64 {
        MOST_MISSED * self.rows.height()
    }

    /// Whether what a board says of this run can be.
    pub(super) fn is_possible(&self, status: &StatusLine) -> bool {
        let most = self.most_missed();
        status.oldest.saturating_sub(self.sequence) <= most
            && status.rows.saturating_sub(self.rows.next()) <= most
    }

    /// A strip came.
    pub(super) fn accept(&mut self, rows: u64) {
        self.rows.deliver(rows);
        self.sequence += 1;
        self.passed_over = None;
        self.waits();
        self.repaired = false;
        self.phase = Phase::Ask;
    }

    /// The board has forgotten the strips before `oldest`. Gives how many there were.
    pub(super) fn late(&mut self, oldest: u64) -> u64 {
        let cause = if self.repaired {
            GapCause::Link
        } else {
            GapCause::HostBackPressure
        };
        self.passed_over.get_or_insert(cause);
        let strips = oldest.saturating_sub(self.sequence);
        self.sequence = self.sequence.max(oldest);
        strips
    }

    /// What is to be done about an answer that failed.
    pub(super) fn climb(&mut self) -> Rung {
        self.repaired = true;
        self.fetches += 1;
        if self.fetches <= FETCHES {
            Rung::Fetch
        } else {
            Rung::Reopen
        }
    }

    /// A link is there again. Says whether the strip is to be given up, because it has failed on it before.
    pub(super) fn resume(&mut self) -> bool {
        self.repaired = true;
        self.phase = Phase::Ask;
        let failed = self.fetches > FETCHES;
        if failed {
            self.links += 1;
        }
        self.fetches = 0;
        let give_up = self.links > LINKS;
        if give_up {
            self.links = 0;
            self.given_up += 1;
            self.passed_over = Some(GapCause::Link);
            self.sequence += 1;
        }
        give_up
    }

    /// Too many strips were given up in a row.
    pub(super) fn is_hopeless(&self) -> bool {
        self.given_up >= STRIPS
    }

    /// The run ends too early; the rest of the frame that has begun will not come.
    pub(super) fn fail(&mut self, ending: Ending) {
        let cause = match ending {
            Ending::Restarted | Ending::Taken => GapCause::DeviceReset,
            Ending::Lost | Ending::Another | Ending::Unreadable => GapCause::Link,
        };
        self.rows.miss(self.rows.end_of_frame(), cause);
        self.phase = Phase::Ended(Some(ending));
    }

    /// The run ends after `rows` rows; those of them that did not come were lost.
    pub(super) fn end(&mut self, rows: u64) {
        let cause = self.passed_over.unwrap_or(GapCause::BoardOverrun);
        self.rows.miss(rows, cause);
        self.phase = Phase::Ended(None);
    }
}
