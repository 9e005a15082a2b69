//! What everybody may know of a recording while it is written, and how it is told that it failed.

use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{
    recording::RecordingFailure,
    telemetry::{Discard, Edge, EdgeCounts},
};

/// Why a recording ended before its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In a word.
    pub reason: RecordingFailure,
    /// In a sentence.
    pub detail: String,
}

/// How a recording is, for subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingReport {
    /// Its folder.
    pub folder: String,
    /// Frames with a file.
    pub frames: u64,
    /// Labels.
    pub labels: u64,
    /// Why it ended before the run; null while it goes on.
    pub failure: Option<RecordingFailure>,
    /// The same as a sentence.
    pub detail: Option<String>,
}

/// Shared by the threads that give, the one that writes, and whoever watches.
#[derive(Debug)]
pub(super) struct State {
    pub(super) frames: Edge,
    pub(super) labels: Edge,
    /// Entries that were given to the writer, and those that it is done with.
    pub(super) given: AtomicU64,
    pub(super) written: AtomicU64,
    /// Frames that are on the disk with all that belongs to them; all of them when nobody waits for the disk.
    pub(super) durable: AtomicU64,
    failure: OnceLock<Failure>,
    told: Mutex<()>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            frames: Edge::new("recorded_frames"),
            labels: Edge::new("recorded_labels"),
            given: AtomicU64::new(0),
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            failure: OnceLock::new(),
            told: Mutex::default(),
        }
    }
}

impl State {
    /// The recording ends now. Only the first failure counts.
    pub(super) fn fail(&self, reason: RecordingFailure, detail: String) {
        let _once = self.lock();
        if self.failure.get().is_none() {
            tracing::error!("the recording has ended: {detail}");
            // Nobody else sets it while the lock is held.
            let _ = self.failure.set(Failure { reason, detail });
        }
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }

    /// Frames that need not be given again, should this program be killed now.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(super) fn discard_frame(&self, reason: Discard) {
        self.frames.discard(reason, 1);
    }

    pub(super) fn edges(&self) -> [EdgeCounts; 2] {
        [self.frames.counts(), self.labels.counts()]
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
