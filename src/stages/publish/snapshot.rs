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
    run_start: Option<Vec<u8>>,
    labels: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Recent {
    pub(super) fn new(limits: SnapshotLimits) -> Self {
        Self {
            limits,
            run_start: None,
            labels: VecDeque::new(),
            bytes: 0,
        }
    }

    /// A run began: what was known of the one before is forgotten.
    pub(super) fn start(&mut self, header: &[u8]) {
        self.run_start = Some(header.to_vec());
        self.labels.clear();
        self.bytes = 0;
    }

    pub(super) fn label(&mut self, header: &[u8]) {
        self.bytes += header.len();
        self.labels.push_back(header.to_vec());
        while self.labels.len() > self.limits.labels || self.bytes > self.limits.bytes {
            let Some(oldest) = self.labels.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
        }
    }

    pub(super) fn copy(&self) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
        (
            self.run_start.clone(),
            self.labels.iter().cloned().collect(),
        )
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
}

impl Snapshot {
    pub(super) fn new(
        epoch: String,
        last_seq: BTreeMap<Kind, u64>,
        (run_start, labels): (Option<Vec<u8>>, Vec<Vec<u8>>),
    ) -> Result<Self, MessageError> {
        Ok(Self {
            epoch,
            last_seq,
            run_start: run_start.map(|header| from_cbor(&header)).transpose()?,
            labels: labels
                .iter()
                .map(|header| from_cbor(header))
                .collect::<Result<_, _>>()?,
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
        for size in [1, 2, 3, 4] {
            recent.label(&vec![0; size]);
        }
        assert_eq!(recent.copy().1.iter().map(Vec::len).sum::<usize>(), 9);
        recent.label(&[0; 5]);
        assert_eq!(recent.copy().1.iter().map(Vec::len).sum::<usize>(), 9);
        recent.label(&[0; 11]);
        assert!(recent.copy().1.is_empty());
        recent.label(&[0; 1]);
        recent.start(&[7]);
        assert_eq!(recent.copy(), (Some(vec![7]), vec![]));
    }
}
