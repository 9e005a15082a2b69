//! The other side: what a subscriber of ours keeps track of.
//!
//! Pure bookkeeping without sockets: which numbers arrived, where there are gaps, and whether a run's end
//! proves that everything of it arrived. `senescope watch` is built on it.

use std::collections::{BTreeMap, VecDeque};

use crate::stages::publish::{Header, Kind, RunEnd};

/// Runs whose messages are counted: maps of a run may arrive before the end of the one before.
const LATEST_RUNS: usize = 4;

/// What the number of a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or the first that was seen of its kind.
    InOrder,
    /// This many before it did not arrive.
    After {
        /// Messages that are missing.
        missing: u64,
    },
    /// Known already, from a snapshot.
    Known,
    /// The daemon was restarted: everything known before is of the past.
    NewEpoch,
}

/// Numbers seen, by kind.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    epoch: Option<String>,
    last: BTreeMap<Kind, u64>,
    /// Messages that arrived of the latest runs.
    runs: VecDeque<(String, BTreeMap<Kind, u64>)>,
}

/// Whether a run's end agrees with what arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// For each kind: how many arrived, and how many were given to the socket.
    pub kinds: BTreeMap<Kind, (u64, u64)>,
}

impl Comparison {
    /// Everything that left the daemon arrived.
    pub fn is_whole(&self) -> bool {
        self.kinds.values().all(|(arrived, sent)| arrived == sent)
    }
}

impl Tally {
    /// What the number of a header says, before it is taken into account.
    pub fn look(&self, header: &Header) -> Arrival {
        if self
            .epoch
            .as_ref()
            .is_some_and(|epoch| *epoch != header.epoch)
        {
            return Arrival::NewEpoch;
        }
        match self.last.get(&header.kind) {
            Some(last) if header.seq <= *last => Arrival::Known,
            Some(last) if header.seq > last + 1 => Arrival::After {
                missing: header.seq - last - 1,
            },
            _ => Arrival::InOrder,
        }
    }

    /// Takes a header into account and says what [`Self::look`] would have said.
    pub fn see(&mut self, header: &Header) -> Arrival {
        let arrival = self.look(header);
        match arrival {
            Arrival::Known => return arrival,
            Arrival::NewEpoch => *self = Self::default(),
            Arrival::InOrder | Arrival::After { .. } => {}
        }
        self.epoch = Some(header.epoch.clone());
        self.last.insert(header.kind, header.seq);
        if let Some(run) = &header.run {
            self.count(run, header.kind);
        }
        arrival
    }

    /// The last number of `kind` that arrived or is known; `None` before the first.
    pub fn last(&self, kind: Kind) -> Option<u64> {
        self.last.get(&kind).copied()
    }

    /// Takes a snapshot into account: what it contains is known. Nothing changes when it is of another epoch
    /// or older than what arrived.
    pub fn know(&mut self, epoch: &str, last_seq: &BTreeMap<Kind, u64>) {
        if self.epoch.as_deref() != Some(epoch) {
            *self = Self::default();
            self.epoch = Some(epoch.to_owned());
        }
        for (kind, seq) in last_seq {
            let last = self.last.entry(*kind).or_default();
            *last = (*last).max(*seq);
        }
    }

    /// Messages of `kind` that arrived of `run`, if it is one of the latest.
    pub fn received(&self, run: &str, kind: Kind) -> u64 {
        let counts = self.runs.iter().find(|(name, _)| name == run);
        counts
            .and_then(|(_, counts)| counts.get(&kind))
            .copied()
            .unwrap_or(0)
    }

    /// Compares what arrived of `run` with the totals of its end, for `kinds`.
    pub fn compare(&self, run: &str, end: &RunEnd, kinds: &[Kind]) -> Comparison {
        let kinds = kinds.iter().map(|kind| {
            let sent = end.totals.get(kind).map_or(0, |total| total.sent);
            (*kind, (self.received(run, *kind), sent))
        });
        Comparison {
            kinds: kinds.collect(),
        }
    }

    fn count(&mut self, run: &str, kind: Kind) {
        if !self.runs.iter().any(|(name, _)| name == run) {
            self.runs.push_back((run.to_owned(), BTreeMap::new()));
            if self.runs.len() > LATEST_RUNS {
                self.runs.pop_front();
            }
        }
        if let Some((_, counts)) = self.runs.iter_mut().find(|(name, _)| name == run) {
            *counts.entry(kind).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use senescope_hal::HostInstant;

    use super::*;
    use crate::stages::publish::VERSION;

    fn header(epoch: &str, kind: Kind, seq: u64) -> Header {
        Header {
            v: VERSION,
            kind,
            epoch: epoch.to_owned(),
            seq,
            run: Some("r".to_owned()),
            t_acq_ns: None,
            t_pub_ns: HostInstant(0),
            model: None,
            config: None,
        }
    }

    #[test]
    fn gaps_repeats_and_restarts_are_told_apart() {
        let mut tally = Tally::default();
        let mut see = |epoch, kind, seq| tally.see(&header(epoch, kind, seq));
        assert_eq!(see("a", Kind::Label, 7), Arrival::InOrder);
        assert_eq!(see("a", Kind::Cam, 1), Arrival::InOrder);
        assert_eq!(see("a", Kind::Label, 8), Arrival::InOrder);
        assert_eq!(see("a", Kind::Label, 8), Arrival::Known);
        assert_eq!(see("a", Kind::Label, 11), Arrival::After { missing: 2 });
        assert_eq!(see("b", Kind::Label, 1), Arrival::NewEpoch);
        assert_eq!(see("b", Kind::Label, 2), Arrival::InOrder);
        assert_eq!(tally.received("r", Kind::Label), 2);
        assert_eq!(tally.received("q", Kind::Label), 0);
    }

    #[test]
    fn what_a_snapshot_contains_is_known() {
        let mut tally = Tally::default();
        tally.see(&header("a", Kind::Hb, 3));
        tally.know("a", &[(Kind::Label, 5), (Kind::Hb, 2)].into());
        assert_eq!(tally.see(&header("a", Kind::Label, 5)), Arrival::Known);
        assert_eq!(tally.see(&header("a", Kind::Label, 6)), Arrival::InOrder);
        assert_eq!(tally.see(&header("a", Kind::Hb, 4)), Arrival::InOrder);
        tally.know("b", &BTreeMap::new());
        assert_eq!(tally.see(&header("b", Kind::Label, 1)), Arrival::InOrder);
    }
}
