//! What a late joiner is told: the present run and the last labels.
//!
//! Bounded in labels and in bytes. Holds the headers as they were published.

use std::collections::{BTreeMap, VecDeque};

use ciborium::Value;
use serde::Serialize;

use crate::stages::publish::{
    Kind,
    message::{MessageError, from_cbor},
};

/// How much is kept for late joiners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotLimits {
    /// Labels.
    pub labels: usize,
    /// Bytes of their headers.
    pub bytes: usize,
}

impl Default for SnapshotLimits {
    fn default() -> Self {
        Self {
            labels: 256,
            bytes: 8 << 20,
        }
    }
}

/// The store, fed by the outbox in the order of sequence numbers.
#[derive(Debug)]
pub(super) struct Recent {
    limits: SnapshotLimits,
    kept: Headers,
    bytes: usize,
}

/// The headers that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers {
    run_start: Option<Vec<u8>>,
    labels: VecDeque<Vec<u8>>,
    run_end: Option<Vec<u8>>,
}

impl Recent {
    pub(super) fn new(limits: SnapshotLimits) -> Self {
        Self {
            limits,
            kept: Headers::default(),
            bytes: 0,
        }
    }

    /// A run began: what was known of the one before is forgotten.
    pub(super) fn start(&mut self, header: Vec<u8>) {
        self.kept = Headers {
            run_start: Some(header),
            ..Headers::default()
        };
        self.bytes = 0;
    }

    pub(super) fn label(&mut self, header: Vec<u8>) {
        self.bytes += header.len();
        self.kept.labels.push_back(header);
        while self.kept.labels.len() > self.limits.labels || self.bytes > self.limits.bytes {
            let Some(oldest) = self.kept.labels.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
        }
    }

    pub(super) fn end(&mut self, header: Vec<u8>) {
        self.kept.run_end = Some(header);
    }

    pub(super) fn copy(&self) -> Headers {
        self.kept.clone()
    }
}

/// Answer to `snapshot`. A subscriber that subscribed before it asked drops what is not above `last_seq`,
/// and then has everything from the first of `labels` on.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// This start of the daemon.
    pub epoch: String,
    /// The last number of each kind that is contained in this answer.
    pub last_seq: BTreeMap<Kind, u64>,
    /// The `run` message that began the present run, or the last one; null before the first.
    pub run_start: Option<Value>,
    /// The last `label` messages of that run, oldest first.
    pub labels: Vec<Value>,
    /// The `run` message that ended that run; null while it goes on.
    pub run_end: Option<Value>,
}

impl Snapshot {
    pub(super) fn new(
        epoch: String,
        last_seq: BTreeMap<Kind, u64>,
        kept: &Headers,
    ) -> Result<Self, MessageError> {
        let read = |header: &Vec<u8>| from_cbor(header);
        Ok(Self {
            epoch,
            last_seq,
            run_start: kept.run_start.as_ref().map(read).transpose()?,
            labels: kept.labels.iter().map(read).collect::<Result<_, _>>()?,
            run_end: kept.run_end.as_ref().map(read).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_labels_stay_within_both_limits() {
        let mut recent = Recent::new(SnapshotLimits {
            labels: 3,
            bytes: 10,
        });
        let bytes = |recent: &Recent| recent.copy().labels.iter().map(Vec::len).sum::<usize>();
        for size in [1, 2, 3, 4] {
            recent.label(vec![0; size]);
        }
        assert_eq!(bytes(&recent), 9);
        recent.label(vec![0; 5]);
        assert_eq!(bytes(&recent), 9);
        recent.label(vec![0; 11]);
        assert!(recent.copy().labels.is_empty());
    }

    #[test]
    fn a_start_forgets_the_run_before() {
        let mut recent = Recent::new(SnapshotLimits::default());
        recent.start(vec![1]);
        recent.label(vec![2]);
        recent.end(vec![3]);
        assert_eq!(recent.copy().run_end, Some(vec![3]));
        recent.start(vec![7]);
        let only = Headers {
            run_start: Some(vec![7]),
            ..Headers::default()
        };
        assert_eq!(recent.copy(), only);
    }
}
