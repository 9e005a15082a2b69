//! What a supervisor of the daemon (systemd) is told: ready, its state, that it lives, stopping.
//!
//! Without one (no `NOTIFY_SOCKET`) nothing is told. Its watchdog is fed by a task of the runtime that serves the
//! sockets, so the runtime lives when it is fed; and, while a run is on, only when somebody has looked at the stages
//! lately, who gives up by himself when one makes no progress. Nobody has to look while there is no run. The only
//! owner of `sd-notify`; the environment is left as it is, because to change it is unsafe beside threads.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sd_notify::NotifyState;
use senescope_hal::{Clock, HostInstant};
use tokio::time::{MissedTickBehavior, interval};

use super::service::Service;
use crate::{
    control::Lifecycle,
    pipeline::Monitor,
    stages::publish::{Kind, Outbox},
    telemetry::Percentiles,
};

/// Longest time between two looks at what is to be told.
const TICK: Duration = Duration::from_secs(1);
/// While it drains the supervisor is asked for so much more time, again and again.
const DRAINING_US: u32 = 60_000_000;

/// Tells the supervisor. Copies share everything.
#[derive(Clone)]
pub(crate) struct Supervisor(Arc<Shared>);

struct Shared {
    outbox: Outbox,
    lifecycle: Lifecycle,
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

struct Seen {
    pulse: Pulse,
    latency: Option<Percentiles>,
    stopping: bool,
}

impl Supervisor {
    /// For the runs of `service`, whose stages somebody has to look at within `patience`.
    pub(crate) fn of(service: &Service, patience: Duration) -> Self {
        Self(Arc::new(Shared {
            outbox: service.desk.outbox.clone(),
            lifecycle: service.desk.lifecycle.clone(),
            clock: Arc::clone(&service.clock),
            seen: Mutex::new(Seen {
                pulse: Pulse::new(patience),
                latency: None,
                stopping: false,
            }),
        }))
    }

    /// Tells what is being done before the daemon is ready.
    pub(crate) fn preparing(&self, what: &str) {
        tell(&[NotifyState::Status(what)]);
    }

    /// Everything is checked and bound. From now on the state is told, and the watchdog fed.
    pub(crate) fn ready(&self, service: &Service) {
        tell(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
        service.beside(self.clone().attend());
    }

    /// Somebody has looked at the stages of a run.
    pub(crate) fn looked(&self, monitor: &Monitor) {
        let latency = monitor.latency().stages.remove("total");
        let mut seen = self.seen();
        seen.pulse.beat(self.0.clock.now());
        seen.latency = latency;
    }

    /// The run is over: nobody looks until the next one.
    pub(crate) fn run_ended(&self) {
        self.seen().pulse.rest();
    }

    /// The program ends. Told once.
    pub(crate) fn stopping(&self) {
        if !std::mem::replace(&mut self.seen().stopping, true) {
            tell(&[NotifyState::Stopping]);
        }
    }

    async fn attend(self) {
        let watchdog = sd_notify::watchdog_enabled();
        // Thrice within its patience, and a signal is not told much later than it came.
        let span = watchdog.map_or(TICK, |watchdog| (watchdog / 4).min(TICK));
        let mut ticks = interval(span.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            ticks.tick().await;
            let stopping = self.0.lifecycle.is_quitting();
            let lives = self.seen().pulse.is_there(self.0.clock.now());
            let status = Some(self.status()).filter(|status| told.as_ref() != Some(status));
            told = status.clone().or(told);
            let this = self.clone();
            // A supervisor that does not listen must not hold up who serves the sockets.
            let telling = tokio::task::spawn_blocking(move || {
                if stopping {
                    this.stopping();
                }
                let mut states = Vec::new();
                if lives && watchdog.is_some() {
                    states.push(NotifyState::Watchdog);
                }
                if lives && stopping {
                    states.push(NotifyState::ExtendTimeoutUsec(DRAINING_US));
                }
                states.extend(status.as_deref().map(NotifyState::Status));
                if !states.is_empty() {
                    tell(&states);
                }
            });
            if telling.await.is_err() {
                // The runtime ends.
                return;
            }
        }
    }

    /// For people who ask `systemctl status`.
    fn status(&self) -> String {
        let state = self.0.outbox.run_state().as_str();
        let labels = self.0.outbox.last_seq();
        let labels = labels.get(&Kind::Label).copied().unwrap_or_default();
        let ms = |ns: u64| ns as f64 / 1e6;
        let latency = self.seen().latency.map_or_else(String::new, |total| {
            format!(
                "; a label {:.0} ms after its last row, 95 % within {:.0} ms",
                ms(total.p50_ns),
                ms(total.p95_ns)
            )
        });
        format!("{state}, {labels} label(s) so far{latency}")
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A supervisor that does not listen is not a reason to stop.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the supervisor cannot be told");
    }
}

/// Whether somebody who has to look at regular times still does.
#[derive(Debug)]
struct Pulse {
    patience: Duration,
    /// The last beat; `None` while none is expected.
    last: Option<HostInstant>,
}

impl Pulse {
    fn new(patience: Duration) -> Self {
        let last = None;
        Self { patience, last }
    }

    fn beat(&mut self, now: HostInstant) {
        self.last = Some(now);
    }

    fn rest(&mut self) {
        self.last = None;
    }

    fn is_there(&self, now: HostInstant) -> bool {
        self.last.is_none_or(|last| now.since(last) < self.patience)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It is there exactly when nobody has to beat, or the last beat was less than the patience ago.
        #[test]
        fn a_pulse_is_missed_when_it_should_beat_and_does_not(
            steps in prop::collection::vec((1_u64..9, 0_u8..3), 1..50),
        ) {
            const PATIENCE: u64 = 5;
            let mut pulse = Pulse::new(Duration::from_secs(PATIENCE));
            let at = |second| HostInstant::default().after(Duration::from_secs(second));
            let (mut now, mut last) = (0, None);
            for (seconds, what) in steps {
                now += seconds;
                prop_assert_eq!(pulse.is_there(at(now)), last.is_none_or(|last| now - last < PATIENCE));
                match what {
                    0 => { pulse.beat(at(now)); last = Some(now); }
                    1 => { pulse.rest(); last = None; }
                    _ => {}
                }
                prop_assert_eq!(pulse.is_there(at(now)), last.is_none_or(|last| now - last < PATIENCE));
            }
        }
    }
}
