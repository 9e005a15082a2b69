//! What each stage costs: processor time and time by the clock.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use senescope_hal::Clock;
use serde::{Deserialize, Serialize};

/// A part of the work on a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Strips to rows of a frame, and what else the analysis does: copies for a recording and for the live page.
    Assemble,
    /// Rows to cells: correction and segmentation.
    Segment,
    /// Cells to tiles.
    Tile,
    /// The networks on tiles; it is counted once for each member and each tile.
    Infer,
    /// Outputs of the networks to a verdict.
    Combine,
    /// Outputs of the networks to maps.
    Explain,
    /// Verdicts and maps to messages and to what takes them.
    Publish,
}

impl Work {
    /// Every part, in the order of the journey.
    pub(crate) const ALL: [Self; 7] = [
        Self::Assemble,
        Self::Segment,
        Self::Tile,
        Self::Infer,
        Self::Combine,
        Self::Explain,
        Self::Publish,
    ];

    /// The name that is published.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Assemble => "assemble",
            Self::Segment => "segment",
            Self::Tile => "tile",
            Self::Infer => "infer",
            Self::Combine => "combine",
            Self::Explain => "explain",
            Self::Publish => "publish",
        }
    }
}

/// What one part has cost since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// How often it was done.
    pub count: u64,
    /// Processor time of its thread, in nanoseconds. What a library computes on threads of its own is not in it.
    pub cpu_ns: u64,
    /// Time by the clock, in nanoseconds.
    pub wall_ns: u64,
}

#[derive(Debug, Default)]
struct Counters {
    count: AtomicU64,
    cpu_ns: AtomicU64,
    wall_ns: AtomicU64,
}

/// What every part has cost; added to by any thread.
#[derive(Debug, Default)]
pub(crate) struct Spent([Counters; Work::ALL.len()]);

impl Spent {
    /// Does something and adds what it cost to `work`.
    pub(crate) fn on<T>(&self, clock: &dyn Clock, work: Work, what: impl FnOnce() -> T) -> T {
        self.on_each(clock, work, 1, what)
    }

    /// The same for something that is done `count` times at once.
    pub(crate) fn on_each<T>(
        &self,
        clock: &dyn Clock,
        work: Work,
        count: usize,
        what: impl FnOnce() -> T,
    ) -> T {
        let (result, cost) = measured(clock, what);
        let count = count as u64;
        self.add(work, Cost { count, ..cost });
        result
    }

    /// The same for work that consists of `parts`, which are counted by themselves on this thread alone, and of a rest:
    /// `work` is the rest.
    pub(crate) fn on_rest<T, const N: usize>(
        &self,
        clock: &dyn Clock,
        work: Work,
        parts: [Work; N],
        what: impl FnOnce() -> T,
    ) -> T {
        let sum = || {
            parts.iter().fold((0, 0), |(cpu, wall), part| {
                let part = self.of(*part);
                (cpu + part.cpu_ns, wall + part.wall_ns)
            })
        };
        let before = sum();
        let (result, whole) = measured(clock, what);
        let after = sum();
        let rest = Cost {
            count: 1,
            cpu_ns: whole.cpu_ns.saturating_sub(after.0 - before.0),
            wall_ns: whole.wall_ns.saturating_sub(after.1 - before.1),
        };
        self.add(work, rest);
        result
    }

    fn add(&self, work: Work, cost: Cost) {
        let counters = &self.0[work as usize];
        counters.count.fetch_add(cost.count, Ordering::Relaxed);
        counters.cpu_ns.fetch_add(cost.cpu_ns, Ordering::Relaxed);
        counters.wall_ns.fetch_add(cost.wall_ns, Ordering::Relaxed);
    }

    /// What one part has cost so far.
    pub(crate) fn of(&self, work: Work) -> Cost {
        let counters = &self.0[work as usize];
        Cost {
            count: counters.count.load(Ordering::Relaxed),
            cpu_ns: counters.cpu_ns.load(Ordering::Relaxed),
            wall_ns: counters.wall_ns.load(Ordering::Relaxed),
        }
    }

    /// What every part has cost so far, by name.
    pub(crate) fn report(&self) -> BTreeMap<String, Cost> {
        Work::ALL
            .into_iter()
            .map(|work| (work.as_str().to_owned(), self.of(work)))
            .collect()
    }
}

fn measured<T>(clock: &dyn Clock, what: impl FnOnce() -> T) -> (T, Cost) {
    let (wall, cpu) = (clock.now(), thread_cpu());
    let result = what();
    let cost = Cost {
        count: 1,
        cpu_ns: nanoseconds(thread_cpu().saturating_sub(cpu)),
        wall_ns: nanoseconds(clock.now().since(wall)),
    };
    (result, cost)
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use senescope_hal::SystemClock;

    use super::*;

    #[test]
    fn waiting_costs_no_processor_time() {
        let spent = Spent::default();
        let (_held, nothing) = crossbeam_channel::bounded::<()>(0);
        let span = Duration::from_millis(50);
        let waited = spent.on(&SystemClock, Work::Tile, || nothing.recv_timeout(span));
        assert!(waited.is_err());
        let cost = spent.of(Work::Tile);
        assert_eq!(cost.count, 1);
        assert!(u128::from(cost.wall_ns) >= span.as_nanos());
        assert!(cost.cpu_ns < cost.wall_ns);
    }

    #[test]
    fn a_rest_is_the_whole_without_its_parts() {
        struct Steps(AtomicU64);
        impl Clock for Steps {
            fn now(&self) -> senescope_hal::HostInstant {
                senescope_hal::HostInstant(self.0.fetch_add(1, Ordering::Relaxed))
            }
        }
        let (spent, clock) = (Spent::default(), Steps(AtomicU64::new(0)));
        let parts = [Work::Segment, Work::Tile];
        spent.on_rest(&clock, Work::Assemble, parts, || {
            spent.on(&clock, Work::Segment, || clock.now());
            spent.on(&clock, Work::Tile, || {});
        });
        let wall = |work| spent.of(work).wall_ns;
        assert_eq!((wall(Work::Segment), wall(Work::Tile)), (2, 1));
        // From the first look at the clock to the last there are six steps.
        assert_eq!(wall(Work::Assemble), 6 - 3);
    }

    #[test]
    fn work_costs_processor_time() {
        let spent = Spent::default();
        let mut sum = 0_u64;
        for round in 0..3 {
            spent.on(&SystemClock, Work::Infer, || {
                for number in 0..3_000_000_u64 {
                    sum = std::hint::black_box(sum.wrapping_add(number * round));
                }
            });
        }
        let cost = spent.of(Work::Infer);
        assert_eq!(cost.count, 3);
        assert!(cost.cpu_ns > 0);
        assert_eq!(spent.report()["infer"], cost);
        assert_eq!(spent.report()["publish"], Cost::default());
    }
}
