//! The states of a run as a pure type: what may happen when, and how a run is said to have ended.
//!
//! ```text
//!          start            armed          scanning         scanned
//! Idle ───────────▶ Arming ───────▶ Armed ──────────▶ Running ─────────▶ Draining ──drained──▶ Idle
//!  ▲  ▲               │ not armed     └──────────── scanned ───────────────▶ │ or Fault, when
//!  │  └───────────────┤                                                      │ the run failed
//!  └── Fault ◀────────┘                                                      ▼
//! ```
//!
//! A stop is heard in every state of a run; in `Draining` it changes nothing. A failure does not end a run by
//! itself: what was scanned is classified first. Not done here: threads, sockets, boards, and waiting.

use crate::stages::publish::{Finish, RunState};

/// Where the machine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No run is on.
    #[default]
    Idle,
    /// A board is being set up for a run.
    Arming,
    /// The board is set up; it does not scan yet.
    Armed,
    /// It scans.
    Running,
    /// The scan is over; what was scanned is being classified.
    Draining,
    /// No run is on, and the last one failed.
    Fault,
}

impl State {
    /// As it is published.
    pub fn published(self) -> RunState {
        match self {
            Self::Idle => RunState::Idle,
            Self::Arming | Self::Armed => RunState::Armed,
            Self::Running => RunState::Running,
            Self::Draining => RunState::Draining,
            Self::Fault => RunState::Fault,
        }
    }
}

/// What makes a run fail, from the least to the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The board ended early: the run is incomplete.
    Board,
    /// Results cannot be handed on.
    Sink,
    /// A part of this program failed.
    Defect,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants a run.
    Start,
    /// Somebody wants the run to end.
    Stop,
    /// The board is set up.
    Armed,
    /// The board cannot be set up, or was not because of a stop.
    NotArmed,
    /// The board scans.
    Scanning,
    /// Something failed; the run goes on to its end.
    Failed(Fault),
    /// The board gives nothing any more.
    Scanned,
    /// Everything that was scanned is classified and handed on.
    Drained,
}

/// What follows from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing more.
    Nothing,
    /// A run is to be begun.
    Begin,
    /// The board is to be told to stop.
    StopBoard,
    /// The run has ended, and how.
    End(Finish),
}

/// Why an event cannot happen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A start while a run is on.
    #[error("a run is on already; stop it first")]
    AlreadyOn,
    /// A stop without a run.
    #[error("no run is on; start one first")]
    NotOn,
    /// The board or the pipeline tells of something that cannot be.
    #[error("{event:?} cannot happen while {state:?}; this is a defect of this program")]
    Impossible {
        /// What was told.
        event: Event,
        /// When.
        state: State,
    },
}

/// The states of runs, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    state: State,
    stopped: bool,
    fault: Option<Fault>,
}

impl Machine {
    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes what happens.
    ///
    /// # Errors
    /// [`Refusal`] when it cannot happen now; nothing changes then.
    pub fn apply(&mut self, event: Event) -> Result<Effect, Refusal> {
        use State::{Armed, Arming, Draining, Fault as Faulty, Idle, Running};
        let (state, effect) = match (self.state, event) {
            (Idle | Faulty, Event::Start) => {
                (self.stopped, self.fault) = (false, None);
                (Arming, Effect::Begin)
            }
            (_, Event::Start) => return Err(Refusal::AlreadyOn),
            (Arming | Armed | Running, Event::Stop) => {
                self.stopped = true;
                (self.state, Effect::StopBoard)
            }
            (Draining, Event::Stop) => (Draining, Effect::Nothing),
            (Idle | Faulty, Event::Stop) => return Err(Refusal::NotOn),
            (Arming, Event::Armed) => (Armed, Effect::Nothing),
            (Arming, Event::NotArmed) => {
                let next = if self.stopped { Idle } else { Faulty };
                (next, Effect::Nothing)
            }
            (Armed, Event::Scanning) => (Running, Effect::Nothing),
            (Armed | Running | Draining, Event::Failed(fault)) => {
                self.fault = self.fault.max(Some(fault));
                (self.state, Effect::Nothing)
            }
            (Armed | Running, Event::Scanned) => (Draining, Effect::Nothing),
            (Draining, Event::Drained) => {
                let finish = self.finish();
                let next = match finish {
                    Finish::Completed | Finish::Cancelled => Idle,
                    Finish::Incomplete | Finish::Errored => Faulty,
                };
                (next, Effect::End(finish))
            }
            (state, event) => return Err(Refusal::Impossible { event, state }),
        };
        self.state = state;
        Ok(effect)
    }

    /// How the run ends, as far as it is known.
    pub fn finish(&self) -> Finish {
        match (self.fault, self.stopped) {
            (Some(Fault::Sink | Fault::Defect), _) => Finish::Errored,
            (Some(Fault::Board), _) => Finish::Incomplete,
            (None, true) => Finish::Cancelled,
            (None, false) => Finish::Completed,
        }
    }
}

#[cfg(test)]
mod tests;
