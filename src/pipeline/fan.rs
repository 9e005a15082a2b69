//! Shares the members of the ensemble out over the workers: the oldest tile first, one member at a time.
//!
//! So all workers help with a single cell, and its label leaves earlier than if one worker computed every
//! member. Which worker computes what changes no bit of the answer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crossbeam_channel::Sender;

use super::{
    analyse::TileJob,
    emit::{Step, What},
    queue::{Job, TileQueue},
};
use crate::stages::infer::MemberOutput;

/// Hands out the tiles of a queue.
pub(crate) struct Fan<'a> {
    queue: &'a TileQueue<TileJob>,
    members: usize,
    steps: Sender<Step>,
    /// The tile whose members are being handed out, and the next of them.
    open: Mutex<Option<(Arc<Share>, usize)>>,
}

impl<'a> Fan<'a> {
    /// A fan for an ensemble of `members`.
    pub(crate) fn new(queue: &'a TileQueue<TileJob>, members: usize, steps: Sender<Step>) -> Self {
        Self {
            queue,
            members,
            steps,
            open: Mutex::new(None),
        }
    }

    /// A tile and the member to compute on it; `None` when the queue is closed and empty.
    pub(crate) fn next(&self) -> Option<(Arc<Share>, usize)> {
        // While one worker waits for a tile here, the others have nothing else to do either.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (share, member) = match open.take() {
            Some(next) => next,
            None => (
                Arc::new(Share::new(
                    self.queue.pop()?,
                    self.members,
                    self.steps.clone(),
                )),
                0,
            ),
        };
        if member + 1 < self.members {
            *open = Some((Arc::clone(&share), member + 1));
        }
        Some((share, member))
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

    /// Keeps what a member says; all members' outputs in their order with the last of them.
    pub(crate) fn keep(&self, member: usize, output: MemberOutput) -> Option<Vec<MemberOutput>> {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        *outputs.get_mut(member)? = Some(output);
        if self.missing.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        outputs.iter_mut().map(Option::take).collect()
    }

    /// Answers, unless that was done.
    pub(crate) fn answer(&self, what: impl FnOnce(u32, usize) -> What) {
        let answer = self
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(steps) = answer {
            // The emitter outlives the workers; were it gone, its own result would say why.
            let _ = steps.send(Step {
                index: self.index,
                what: what(self.job.tile.cell.id, self.bytes),
            });
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.answer(|cell, bytes| What::Failed { cell, bytes });
    }
}
