//! Counters of an edge between two stages, and the law that they obey.
//!
//! For each edge: `entered = left + discarded by reason + still inside`. When a run has drained nothing is
//! inside, and the law is an equation that subscribers can check from the run's end message.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

/// Why something was discarded on an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discard {
    /// The networks were too slow; the oldest frame's waiting tiles made room.
    EngineBusy,
    /// A network failed on this tile; the log says how.
    EngineError,
    /// The publisher was too slow for maps.
    PublisherBusy,
    /// The run was cancelled at once.
    Cancelled,
    /// Rows that came twice, too late, outside the frame or in another geometry than the scan's.
    Misplaced,
    /// The recording had ended: the disk was full, too slow, or failed.
    RecordingEnded,
    /// A frame without an event nearby, when only such frames are kept.
    NotAnEvent,
}

impl Discard {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::EngineBusy,
        Self::EngineError,
        Self::PublisherBusy,
        Self::Cancelled,
        Self::Misplaced,
        Self::RecordingEnded,
        Self::NotAnEvent,
    ];

    /// The name that is published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EngineBusy => "engine_busy",
            Self::EngineError => "engine_error",
            Self::PublisherBusy => "publisher_busy",
            Self::Cancelled => "cancelled",
            Self::Misplaced => "misplaced",
            Self::RecordingEnded => "recording_ended",
            Self::NotAnEvent => "not_an_event",
        }
    }
}

/// Counters of one edge. Shared by its two ends; every count is of items, not bytes.
#[derive(Debug)]
pub struct Edge {
    name: &'static str,
    entered: AtomicU64,
    left: AtomicU64,
    discarded: [AtomicU64; Discard::ALL.len()],
}

impl Edge {
    /// An edge with all counters at zero.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            entered: AtomicU64::new(0),
            left: AtomicU64::new(0),
            discarded: Default::default(),
        }
    }

    /// `items` were offered to the edge, whether or not they could stay.
    pub fn enter(&self, items: u64) {
        self.entered.fetch_add(items, Ordering::Release);
    }

    /// `items` came out at the other end.
    pub fn leave(&self, items: u64) {
        self.left.fetch_add(items, Ordering::Release);
    }

    /// `items` were discarded for `reason`.
    pub fn discard(&self, reason: Discard, items: u64) {
        self.discarded[reason as usize].fetch_add(items, Ordering::Release);
    }

    /// The counters at this instant.
    pub fn counts(&self) -> EdgeCounts {
        // What came out is read first: it entered before, so that never more is out than in.
        let discarded = Discard::ALL
            .into_iter()
            .map(|reason| {
                (
                    reason,
                    self.discarded[reason as usize].load(Ordering::Acquire),
                )
            })
            .filter(|(_, items)| *items > 0)
            .collect();
        let left = self.left.load(Ordering::Acquire);
        EdgeCounts {
            name: self.name.to_owned(),
            entered: self.entered.load(Ordering::Acquire),
            left,
            discarded,
        }
    }
}

/// The counters of an edge at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeCounts {
    /// The edge, named after what flows over it.
    pub name: String,
    /// Items offered.
    #[serde(rename = "in")]
    pub entered: u64,
    /// Items that came out.
    #[serde(rename = "out")]
    pub left: u64,
    /// Items discarded, by reason; reasons without items are absent.
    pub discarded: BTreeMap<Discard, u64>,
}

impl EdgeCounts {
    /// Items neither out nor discarded.
    pub fn inside(&self) -> i128 {
        i128::from(self.entered)
            - i128::from(self.left)
            - self
                .discarded
                .values()
                .map(|items| i128::from(*items))
                .sum::<i128>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_entered_left_was_discarded_or_is_inside() {
        let edge = Edge::new("tiles");
        edge.enter(7);
        edge.leave(3);
        edge.discard(Discard::EngineBusy, 2);
        edge.discard(Discard::Cancelled, 1);
        assert_eq!(edge.counts().inside(), 1);
        assert_eq!(edge.counts().discarded[&Discard::EngineBusy], 2);
    }
}
