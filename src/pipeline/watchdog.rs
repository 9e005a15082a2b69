//! Notices a stage that has work and makes no progress.
//!
//! A stage that waits for the one behind it is not stuck: of those that stand still only the one farthest down the
//! journey is named. Not done here: what follows from it.

use std::time::Duration;

use senescope_hal::HostInstant;

/// A stage as it is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its name.
    pub(crate) stage: &'static str,
    /// It has something to do.
    pub(crate) busy: bool,
    /// How much it has done so far.
    pub(crate) done: u64,
}

/// Looks at the stages of one run, in the order of the journey.
#[derive(Debug)]
pub(crate) struct Watchdog {
    patience: Duration,
    /// Per stage: what it had done when it last moved, and when that was.
    moved: Vec<(u64, HostInstant)>,
}

impl Watchdog {
    /// A stage may stand still for `patience` though it has work.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            moved: Vec::new(),
        }
    }

    /// Looks at the stages at `now`. Gives the one that is stuck.
    pub(crate) fn look(&mut self, now: HostInstant, stages: &[Seen]) -> Option<&'static str> {
        self.moved.resize(stages.len(), (0, now));
        let mut stuck = None;
        for (seen, moved) in stages.iter().zip(&mut self.moved) {
            if !seen.busy || seen.done != moved.0 {
                *moved = (seen.done, now);
            }
            if now.since(moved.1) >= self.patience {
                stuck = Some(seen.stage);
            }
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> HostInstant {
        HostInstant::default().after(Duration::from_secs(seconds))
    }

    fn seen(stage: &'static str, busy: bool, done: u64) -> Seen {
        Seen { stage, busy, done }
    }

    #[test]
    fn the_last_of_those_that_stand_still_is_named_after_its_patience() {
        let mut dog = Watchdog::new(PATIENCE);
        let stages = [
            seen("analysis", true, 5),
            seen("networks", true, 7),
            seen("disk", false, 2),
        ];
        for second in 0..10 {
            assert_eq!(dog.look(at(second), &stages), None, "{second}");
        }
        assert_eq!(dog.look(at(10), &stages), Some("networks"));
        let moved = [
            seen("analysis", true, 5),
            seen("networks", true, 8),
            seen("disk", false, 2),
        ];
        assert_eq!(dog.look(at(11), &moved), Some("analysis"));
    }

    proptest! {
        /// Whoever moves or has nothing to do within the patience is never called stuck.
        #[test]
        fn nobody_who_moves_is_called_stuck(steps in prop::collection::vec((1_u64..9, any::<bool>()), 1..50)) {
            let mut dog = Watchdog::new(PATIENCE);
            let (mut now, mut done) = (0, 0);
            for (seconds, idle) in steps {
                now += seconds;
                done += u64::from(!idle);
                prop_assert_eq!(dog.look(at(now), &[seen("networks", !idle, done)]), None);
            }
        }
    }
}
