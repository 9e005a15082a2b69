//! Latencies of a run by stage, as percentiles.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::domain::Latency;

/// Longest latency that is told apart.
const LONGEST: Duration = Duration::from_secs(600);

/// Latency of one stage since the run began, in nanoseconds, to the microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Measurements.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 95th percentile.
    pub p95_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// Largest.
    pub max_ns: u64,
}

/// Latencies of all labels of a run, in bounded memory.
#[derive(Debug, Default)]
pub struct Latencies {
    labels: u64,
    before_frame_end: u64,
    stages: BTreeMap<&'static str, Histogram<u64>>,
}

/// The state of [`Latencies`] at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyReport {
    /// Labels measured.
    pub labels: u64,
    /// Labels that left before the last row of their frame had been received.
    pub before_frame_end: u64,
    /// Percentiles by stage: `acquire`, `segment`, `infer`, `combine`, and `total` from the row that
    /// decided the cell.
    pub stages: BTreeMap<String, Percentiles>,
}

impl Latencies {
    /// One label left.
    pub fn record(&mut self, latency: &Latency, before_frame_end: bool) {
        self.labels += 1;
        self.before_frame_end += u64::from(before_frame_end);
        for (stage, ns) in latency.by_stage() {
            if !self.stages.contains_key(stage)
                && let Ok(histogram) = Histogram::new_with_max(micros(LONGEST), 3)
            {
                self.stages.insert(stage, histogram);
            }
            if let Some(histogram) = self.stages.get_mut(stage) {
                histogram.saturating_record(ns / 1000);
            }
        }
    }

    /// The percentiles at this instant.
    pub fn report(&self) -> LatencyReport {
        let stages = self
            .stages
            .iter()
            .map(|(stage, histogram)| {
                let ns = |quantile| histogram.value_at_quantile(quantile) * 1000;
                let percentiles = Percentiles {
                    count: histogram.len(),
                    p50_ns: ns(0.50),
                    p95_ns: ns(0.95),
                    p99_ns: ns(0.99),
                    max_ns: histogram.max() * 1000,
                };
                ((*stage).to_owned(), percentiles)
            })
            .collect();
        LatencyReport {
            labels: self.labels,
            before_frame_end: self.before_frame_end,
            stages,
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_recorded() {
        let mut latencies = Latencies::default();
        for ms in 1..=100_u64 {
            let latency = Latency {
                total_ns: ms * 1_000_000,
                ..Latency::default()
            };
            latencies.record(&latency, ms % 2 == 0);
        }
        let report = latencies.report();
        assert_eq!((report.labels, report.before_frame_end), (100, 50));
        assert!(report.stages["total"].p95_ns.abs_diff(95_000_000) < 200_000);
        assert_eq!(report.stages["infer"].max_ns, 0);
    }
}
