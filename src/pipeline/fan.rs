//! Shares the members of the ensemble out over the workers: the oldest tiles first, one member at a time.
//!
//! So all workers help with a single cell, and its label leaves earlier than if one worker computed every
//! member. Which worker computes what changes no bit of the answer. Tiles that wait already are computed together when
//! the inference library is faster then; none is waited for. That is for no more workers than members: more are
//! only all busy with a single cell when they take its tile alone.

use std::sync::{
    Arc, Mutex, PoisonError, TryLockError,
    atomic::{AtomicUsize, Ordering},
};

use crossbeam_channel::Sender;
use senescope_hal::Clock;

use super::{
    analyse::TileJob,
    emit::{Step, What},
    queue::{Job, Taken, TileQueue},
};
use crate::{
    domain::Heatmap,
    stages::infer::{Ensemble, MemberOutput},
    telemetry::Discard,
};

/// Hands out the tiles of a queue.
pub(crate) struct Fan<'a> {
    queue: &'a TileQueue<TileJob>,
    members: usize,
    /// Most tiles that are computed together.
    batch: usize,
    steps: Sender<Step>,
    clock: &'a dyn Clock,
    /// The tiles whose members are being handed out, and the next of them.
    open: Mutex<Option<(Arc<[Share]>, usize)>>,
}

/// What a worker does next.
pub(crate) enum Task {
    /// A member of the ensemble on one tile or some.
    Member(Arc<[Share]>, usize),
    /// Nothing waits.
    Nothing,
    /// Nothing will come.
    Closed,
}

impl<'a> Fan<'a> {
    /// A fan for an ensemble and so many workers.
    pub(crate) fn new(
        queue: &'a TileQueue<TileJob>,
        ensemble: &Ensemble,
        steps: Sender<Step>,
        clock: &'a dyn Clock,
        workers: usize,
    ) -> Self {
        let members = ensemble.members().len();
        Self {
            queue,
            members,
            batch: if workers <= members {
                ensemble.batch()
            } else {
                1
            },
            steps,
            clock,
            open: Mutex::new(None),
        }
    }

    /// Most tiles of a task.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// What is to be done next; a worker that is `patient` waits for it.
    pub(crate) fn next(&self, patient: bool) -> Task {
        let mut open = match self.open.try_lock() {
            Ok(open) => open,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Most likely a worker waits for a tile there: there is none, then.
            Err(TryLockError::WouldBlock) if !patient => return Task::Nothing,
            // While one worker waits for a tile, the others that are patient have nothing else to do either.
            Err(TryLockError::WouldBlock) => {
                self.open.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        let (shares, member) = match open.take() {
            Some(next) => next,
            None => match self.take(patient) {
                Ok(shares) => (shares, 0),
                Err(none) => return none,
            },
        };
        if member + 1 < self.members {
            *open = Some((Arc::clone(&shares), member + 1));
        }
        Task::Member(shares, member)
    }

    /// The oldest tiles.
    fn take(&self, patient: bool) -> Result<Arc<[Share]>, Task> {
        let mut shares = Vec::with_capacity(self.batch);
        while shares.len() < self.batch {
            let none = match self.queue.take(self.clock, patient && shares.is_empty()) {
                Taken::Job(job) => {
                    shares.push(Share::new(job, self.members, self.steps.clone()));
                    continue;
                }
                Taken::Late(late) => {
                    self.discard(late);
                    continue;
                }
                Taken::Nothing => Task::Nothing,
                Taken::Closed => Task::Closed,
            };
            if shares.is_empty() {
                return Err(none);
            }
            break;
        }
        Ok(shares.into())
    }

    /// Whether labels are about to be late.
    pub(crate) fn is_pressed(&self) -> bool {
        self.queue.is_pressed(self.clock)
    }

    fn discard(&self, late: Vec<Job<TileJob>>) {
        for job in late {
            // The emitter outlives the workers; were it gone, its own result would say why.
            let _ = self.steps.send(Step::shed(&job));
        }
    }
}

/// A tile that several workers compute.
///
/// Exactly one step is sent for it, at the latest when it goes out of scope: also when a worker panics,
/// because the emitter waits for every index.
pub(crate) struct Share {
    pub(crate) job: TileJob,
    index: u64,
    bytes: usize,
    outputs: Mutex<Vec<Option<MemberOutput>>>,
    missing: AtomicUsize,
    answer: Mutex<Option<Sender<Step>>>,
}

impl Share {
    fn new(job: Job<TileJob>, members: usize, steps: Sender<Step>) -> Self {
        Self {
            job: job.work,
            index: job.index,
            bytes: job.bytes,
            outputs: Mutex::new((0..members).map(|_| None).collect()),
            missing: AtomicUsize::new(members),
            answer: Mutex::new(Some(steps)),
        }
    }

    /// The frame and the cell.
    pub(crate) fn name(&self) -> (u64, u32) {
        let cell = &self.job.tile.cell;
        (cell.frame, cell.id)
    }

    /// Writes that a worker panicked on it.
    pub(crate) fn tell_defect(&self) {
        let (frame, cell) = self.name();
        tracing::error!(frame, cell, "a defect: classifying a cell panicked");
    }

    /// Keeps what a member says; all members' outputs in their order with the last of them.
    pub(crate) fn keep(&self, member: usize, output: MemberOutput) -> Option<Vec<MemberOutput>> {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        *outputs.get_mut(member)? = Some(output);
        if self.missing.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        outputs.iter_mut().map(Option::take).collect()
    }

    /// Answers, unless that was done. Gives what the maps are to be sent with when the step says that they follow.
    pub(crate) fn answer(&self, what: impl FnOnce(u32, usize) -> What) -> Option<Owed> {
        let answer = self
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let steps = answer?;
        let what = what(self.job.tile.cell.id, self.bytes);
        let owed = matches!(&what, What::Classified { owed: true, .. }).then(|| Owed {
            index: self.index,
            steps: Some(steps.clone()),
        });
        // The emitter outlives the workers; were it gone, its own result would say why.
        let _ = steps.send(Step {
            index: self.index,
            what,
        });
        owed
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.answer(|cell, bytes| What::Failed { cell, bytes });
    }
}

/// Maps that the emitter waits for. Exactly one step is sent, at the latest when it goes out of scope.
pub(crate) struct Owed {
    index: u64,
    steps: Option<Sender<Step>>,
}

impl Owed {
    /// Sends the maps, or why there are none.
    pub(crate) fn pay(mut self, maps: Result<Vec<Heatmap>, Discard>) {
        self.send(maps);
    }

    fn send(&mut self, maps: Result<Vec<Heatmap>, Discard>) {
        if let Some(steps) = self.steps.take() {
            let index = self.index;
            let what = What::Explained(maps);
            let _ = steps.send(Step { index, what });
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.send(Err(Discard::EngineError));
    }
}
