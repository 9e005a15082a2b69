//! The other side: what a subscriber of ours keeps track of.
//!
//! Pure bookkeeping without sockets: which numbers arrived, where there are gaps, and whether a run's end
//! proves that everything of it arrived. `senescope watch` is built on it.

use std::collections::BTreeMap;

use crate::stages::publish::{Header, Kind, RunEnd};

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
    run: Option<String>,
    /// Messages of the present run that arrived.
    received: BTreeMap<Kind, u64>,
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
    /// Takes a header into account.
    pub fn see(&mut self, header: &Header) -> Arrival {
        let restarted = self
            .epoch
            .as_ref()
            .is_some_and(|epoch| *epoch != header.epoch);
        if restarted {
            *self = Self::default();
        }
        self.epoch = Some(header.epoch.clone());
        let known = self.last.get(&header.kind).copied();
        if known.is_some_and(|last| header.seq <= last) {
            return Arrival::Known;
        }
        self.last.insert(header.kind, header.seq);
        if header.run.is_some() && self.run != header.run {
            self.run.clone_from(&header.run);
            self.received.clear();
        }
        if header.run.is_some() {
            *self.received.entry(header.kind).or_default() += 1;
        }
        match known {
            _ if restarted => Arrival::NewEpoch,
            Some(last) if header.seq > last + 1 => Arrival::After {
                missing: header.seq - last - 1,
            },
            _ => Arrival::InOrder,
        }
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

    /// Messages of `kind` that arrived of the present run.
    pub fn received(&self, kind: Kind) -> u64 {
        self.received.get(&kind).copied().unwrap_or(0)
    }

    /// Compares what arrived of the present run with the totals of its end, for `kinds`.
    pub fn compare(&self, end: &RunEnd, kinds: &[Kind]) -> Comparison {
        let kinds = kinds.iter().map(|kind| {
            let sent = end.totals.get(kind).map_or(0, |total| total.sent);
            (*kind, (self.received(*kind), sent))
        });
        Comparison {
            kinds: kinds.collect(),
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
        assert_eq!(tally.received(Kind::Label), 2);
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
