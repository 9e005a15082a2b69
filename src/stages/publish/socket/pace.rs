//! The pace at which a secured PUB socket is given messages.
//!
//! What waits for a subscriber is encrypted for it alone, by a task of its own, and the library lets only 64 messages
//! wait there: more, and they are lost to that subscriber without a word. Messages are therefore given at a pace that
//! the task of a subscriber that reads keeps up with, and what comes faster waits in our queue, which tells.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Time a message. It may not be much less: the other 48 messages are what the task has when the machine is so busy
/// that it does not run, and at 50 µs a message a burst of 3000 lost some.
const MESSAGE: Duration = Duration::from_millis(1);
/// Bytes a microsecond, on top.
const BYTES_A_MICROSECOND: usize = 64;
/// How far ahead of the pace a burst may be: 16 messages.
const AHEAD: Duration = Duration::from_millis(15);

/// When the next message is due.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Instant>);

impl Pace {
    /// Nothing was sent yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Returns when a message of `bytes` may be given.
    pub(super) async fn wait(&self, bytes: usize) {
        let early = {
            let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            take(&mut due, Instant::now(), bytes)
        };
        if let Some(early) = early {
            tokio::time::sleep(early).await;
        }
    }
}

/// How long a message of `bytes` has to wait that is given `now`, and when the one after it is due.
fn take(due: &mut Instant, now: Instant, bytes: usize) -> Option<Duration> {
    let from = (*due).max(now);
    let micros = u64::try_from(bytes / BYTES_A_MICROSECOND).unwrap_or(u64::MAX);
    *due = from + MESSAGE + Duration::from_micros(micros);
    (from - now)
        .checked_sub(AHEAD)
        .filter(|early| !early.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_a_flood_is_not() {
        let now = Instant::now();
        let mut due = now;
        for _ in 0..16 {
            assert_eq!(take(&mut due, now, 0), None);
        }
        let mut at = now;
        for _ in 0..1000 {
            at += take(&mut due, at, 64 << 10).unwrap_or_default();
        }
        let seconds = (at - now).as_secs_f64();
        assert!((2.0..2.1).contains(&seconds), "{seconds}");
        // What was not used is not saved up.
        let later = at + Duration::from_secs(9);
        take(&mut due, later, 0);
        assert_eq!(due, later + MESSAGE);
    }
}
