//! When things happened to a cell, in host time.

use std::time::Duration;

use senescope_hal::HostInstant;
use serde::{Deserialize, Serialize};

/// Host instants on the way of a cell, each not before the one above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The row that decided the cell had been scanned: at most the look-ahead below its last one.
    pub scanned: HostInstant,
    /// The strip with that row had reached this host.
    pub received: HostInstant,
    /// The tile was cut.
    pub cut: HostInstant,
    /// The networks had answered.
    pub inferred: HostInstant,
    /// The label was handed to the publisher.
    pub emitted: HostInstant,
}

/// How long each part of the way took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// From the scan of the deciding row to the strip's arrival.
    pub acquire_ns: u64,
    /// From arrival to the cut tile: assembling, correcting, segmenting, cutting.
    pub segment_ns: u64,
    /// From the cut tile to the networks' answer, waiting included.
    pub infer_ns: u64,
    /// From the answer to the hand-over to the publisher: order, combination, map.
    pub combine_ns: u64,
    /// From the scan of the deciding row to the hand-over.
    pub total_ns: u64,
}

impl Latency {
    /// Each part with its name, as it is published.
    pub fn by_stage(&self) -> [(&'static str, u64); 5] {
        [
            ("acquire", self.acquire_ns),
            ("segment", self.segment_ns),
            ("infer", self.infer_ns),
            ("combine", self.combine_ns),
            ("total", self.total_ns),
        ]
    }
}

impl Stamps {
    /// The time between the instants.
    pub fn latency(&self) -> Latency {
        let ns = |later: HostInstant, earlier| {
            let span: Duration = later.since(earlier);
            u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
        };
        Latency {
            acquire_ns: ns(self.received, self.scanned),
            segment_ns: ns(self.cut, self.received),
            infer_ns: ns(self.inferred, self.cut),
            combine_ns: ns(self.emitted, self.inferred),
            total_ns: ns(self.emitted, self.scanned),
        }
    }
}
