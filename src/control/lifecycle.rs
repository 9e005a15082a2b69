//! The present run, shared by those who command and those who carry out.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{
    Stop,
    machine::{Effect, Event, Machine, State},
};
use crate::stages::publish::{Finish, Outbox};

/// The states of runs, and how the present one is stopped. Copies share everything.
#[derive(Clone)]
pub struct Lifecycle(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    outbox: Outbox,
}

struct Inner {
    machine: Machine,
    /// Stops the present run, or the next one.
    stop: Stop,
    quitting: bool,
    /// Where the present or the last run is recorded.
    recording: Option<PathBuf>,
}

impl Lifecycle {
    /// No run is on. States are told through `outbox`.
    pub fn new(outbox: Outbox) -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::new(Inner {
                machine: Machine::default(),
                stop: Stop::default(),
                quitting: false,
                recording: None,
            }),
            changed: Condvar::new(),
            outbox,
        }))
    }

    /// One run, which is already wanted, and which `stop` stops.
    pub fn of_one_run(outbox: Outbox, stop: Stop) -> Self {
        let lifecycle = Self::new(outbox);
        {
            let mut inner = lifecycle.lock();
            inner.stop = stop;
            // An idle machine takes a start.
            let _ = inner.machine.apply(Event::Start);
        }
        lifecycle
    }

    /// Asks for a run.
    ///
    /// # Errors
    /// When one is on, or the program is about to end.
    pub fn start(&self) -> Result<(), String> {
        let mut inner = self.lock();
        if inner.quitting {
            return Err("the daemon is about to end".to_owned());
        }
        inner
            .machine
            .apply(Event::Start)
            .map_err(|refusal| refusal.to_string())?;
        inner.stop = Stop::default();
        self.tell_state(&inner);
        Ok(())
    }

    /// Asks the present run to end. What was scanned is still classified and published.
    ///
    /// # Errors
    /// When no run is on.
    pub fn stop(&self) -> Result<(), String> {
        let mut inner = self.lock();
        let effect = inner.machine.apply(Event::Stop);
        self.tell_state(&inner);
        match effect {
            Ok(Effect::StopBoard) => {
                inner.stop.ask();
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    /// Ends the present run, and begins no other.
    pub fn quit(&self) {
        self.lock().quitting = true;
        // Without a run there is nothing to stop.
        let _ = self.stop();
        self.0.changed.notify_all();
    }

    /// Whether no other run begins.
    pub fn is_quitting(&self) -> bool {
        self.lock().quitting
    }

    /// Waits until a run is wanted; false when none will be.
    pub fn wait(&self) -> bool {
        let mut inner = self.lock();
        loop {
            if inner.machine.state() == State::Arming {
                return true;
            }
            if inner.quitting {
                return false;
            }
            inner = self
                .0
                .changed
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What stops the present run.
    pub fn run_stop(&self) -> Stop {
        self.lock().stop.clone()
    }

    /// Takes what the board or the pipeline tells.
    pub(crate) fn tell(&self, event: Event) {
        let mut inner = self.lock();
        if let Err(refusal) = inner.machine.apply(event) {
            tracing::error!("{refusal}");
        }
        self.tell_state(&inner);
    }

    /// Where the present or the last run is recorded; `None` when it is not.
    pub fn recording(&self) -> Option<PathBuf> {
        self.lock().recording.clone()
    }

    /// The run that begins is recorded there, or not at all.
    pub(crate) fn set_recording(&self, folder: Option<PathBuf>) {
        self.lock().recording = folder;
    }

    /// There is no board to be set up.
    pub(crate) fn not_armed(&self) {
        self.tell(Event::NotArmed);
    }

    /// How the run ends, as far as it is known.
    pub(crate) fn finish(&self) -> Finish {
        self.lock().machine.finish()
    }

    fn tell_state(&self, inner: &Inner) {
        self.0.outbox.set_state(inner.machine.state().published());
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is a single step of the machine.
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
