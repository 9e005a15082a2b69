//! Host time. Device ticks are another clock and are never mixed with it.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Host monotonic time: nanoseconds since this process first asked for the time.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct HostInstant(pub u64);

impl HostInstant {
    /// This instant and `span` later, saturating at the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this instant is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Where host time comes from. Injected, so that tests may hold it.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> HostInstant;
}

/// The clock of the operating system. All copies share one origin.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn origin() -> Instant {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        *ORIGIN.get_or_init(Instant::now)
    }

    /// `instant` as the operating system's type, for waits with a deadline.
    pub fn std_instant(instant: HostInstant) -> Instant {
        let origin = Self::origin();
        origin
            .checked_add(Duration::from_nanos(instant.0))
            .unwrap_or(origin)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> HostInstant {
        HostInstant::default().after(Self::origin().elapsed())
    }
}
