//! How the clock of a board runs against that of this host.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::HostInstant;

/// Exchanges that a fit rests on.
const WINDOW: usize = 64;

/// Host time as a line through device time, by least squares over the last exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockFit {
    /// Host time, in ns, when the device's ticks were 0.
    pub offset_ns: f64,
    /// How much slower the device's clock runs than the host's, in parts a million. 0 with a single exchange.
    pub drift_ppm: f64,
    /// Root mean square of what the line does not explain, in ns.
    pub residual_ns: f64,
    /// Longest time of an exchange, in ns: each point is uncertain by half of it.
    pub exchange_ns: u64,
    /// Number of exchanges.
    pub points: u32,
}

/// The last exchanges.
#[derive(Clone, Debug, Default)]
pub(super) struct ClockFitter {
    clock_hz: u64,
    /// Device ticks, host time in the middle of the exchange, and how long it took, in ns.
    points: VecDeque<(u64, u64, u64)>,
}

impl ClockFitter {
    pub(super) fn new(clock_hz: u64) -> Self {
        Self {
            clock_hz,
            points: VecDeque::with_capacity(WINDOW),
        }
    }

    /// Takes an exchange in: asked, answered, and the ticks in the answer. Ticks that run backwards begin anew.
    pub(super) fn add(&mut self, asked: HostInstant, answered: HostInstant, ticks: u64) {
        if self.points.back().is_some_and(|(last, ..)| ticks < *last) {
            self.points.clear();
        }
        if self.points.len() == WINDOW {
            self.points.pop_front();
        }
        let took = answered.0.saturating_sub(asked.0);
        self.points.push_back((ticks, asked.0 + took / 2, took));
    }

    /// The line through the exchanges; `None` before the first.
    pub(super) fn fit(&self) -> Option<ClockFit> {
        let (first_ticks, first_host, _) = *self.points.front()?;
        let tick_ns = 1e9 / self.clock_hz.max(1) as f64;
        // Against the first point: absolute numbers are too large for the differences that matter.
        let device = |ticks: u64| (ticks - first_ticks) as f64 * tick_ns;
        let point = |(ticks, host, _): &(u64, u64, u64)| {
            let x = device(*ticks);
            (x, host.abs_diff(first_host) as f64 - x)
        };
        let count = self.points.len() as f64;
        let sums = self
            .points
            .iter()
            .map(point)
            .fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
        let (mean_x, mean_y) = (sums.0 / count, sums.1 / count);
        let moments = self
            .points
            .iter()
            .map(point)
            .fold((0.0, 0.0), |sum, (x, y)| {
                (
                    sum.0 + (x - mean_x) * (x - mean_x),
                    sum.1 + (x - mean_x) * (y - mean_y),
                )
            });
        let slope = if moments.0 > 0.0 {
            moments.1 / moments.0
        } else {
            0.0
        };
        let residual = |at: &(u64, u64, u64)| {
            let (x, y) = point(at);
            (y - mean_y - slope * (x - mean_x)).powi(2)
        };
        let squares: f64 = self.points.iter().map(residual).sum();
        let at_first = first_host as f64 + mean_y - slope * mean_x;
        Some(ClockFit {
            offset_ns: at_first - (1.0 + slope) * first_ticks as f64 * tick_ns,
            drift_ppm: slope * 1e6,
            residual_ns: (squares / count).sqrt(),
            exchange_ns: self.points.iter().map(|(.., took)| *took).max()?,
            points: self.points.len() as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock of 10 MHz that is 40 ppm slow and was 5 s old when the host's began.
    #[test]
    fn offset_and_drift_are_found() {
        let mut fitter = ClockFitter::new(10_000_000);
        assert_eq!(fitter.fit(), None);
        for second in 0..100_u64 {
            let host = 1_000_000_000 * second;
            let ticks = (50_000_000.0 + host as f64 * 1e-2 * (1.0 - 40e-6)) as u64;
            // Every other exchange is answered late, by 20 µs in all.
            let late = 20_000 * (second % 2);
            fitter.add(HostInstant(host), HostInstant(host + late), ticks);
        }
        let fit = fitter.fit().unwrap();
        assert_eq!(fit.points, 64);
        assert!((fit.drift_ppm - 40.0).abs() < 0.1, "{fit:?}");
        assert!((fit.offset_ns + 5e9).abs() < 1e6, "{fit:?}");
        assert!(fit.residual_ns > 4e3 && fit.residual_ns < 6e3, "{fit:?}");
    }

    #[test]
    fn one_exchange_gives_an_offset_and_a_restart_begins_anew() {
        let mut fitter = ClockFitter::new(1_000_000_000);
        fitter.add(HostInstant(10), HostInstant(30), 5);
        let fit = fitter.fit().unwrap();
        assert_eq!((fit.offset_ns, fit.drift_ppm, fit.points), (15.0, 0.0, 1));
        fitter.add(HostInstant(100), HostInstant(100), 1);
        assert_eq!(fitter.fit().unwrap().points, 1);
    }
}
