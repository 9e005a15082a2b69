//! The queue of tiles: bounded in bytes from the cut of a tile until its verdict has left, with a declared
//! policy for the case that it is full.
//!
//! What is taken out still counts against the bound until it is [released](TileQueue::release), so that
//! the bound holds for everything between segmentation and publication, however results are reordered.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::telemetry::{Discard, Edge};

/// How full a queue is, for whoever watches.
#[derive(Debug, Default)]
pub(crate) struct Fill {
    /// Jobs that wait.
    pub(crate) waiting: AtomicU64,
    /// Bytes that are held.
    pub(crate) bytes: AtomicU64,
}

/// What happens when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The producer waits: for sources that are pulled, which never lose anything.
    Wait,
    /// The waiting tiles of the oldest frame make room: for a live microscope, which is never slowed.
    ShedOldestFrame,
}

/// Something that waits in the queue.
#[derive(Debug)]
pub(crate) struct Job<T> {
    /// Position in the order of results.
    pub(crate) index: u64,
    /// The frame it belongs to.
    pub(crate) frame: u64,
    /// Memory that it takes until its verdict has left.
    pub(crate) bytes: usize,
    /// What is to be done.
    pub(crate) work: T,
}

struct State<T> {
    waiting: VecDeque<Job<T>>,
    bytes: usize,
    closed: bool,
}

/// A queue for one producer and any number of consumers.
pub(crate) struct TileQueue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity_bytes: usize,
    policy: Policy,
    edge: Arc<Edge>,
    fill: Arc<Fill>,
}

impl<T> TileQueue<T> {
    pub(crate) fn new(
        capacity_bytes: usize,
        policy: Policy,
        edge: Arc<Edge>,
        fill: Arc<Fill>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                bytes: 0,
                closed: false,
            }),
            changed: Condvar::new(),
            capacity_bytes,
            policy,
            edge,
            fill,
        }
    }

    /// Puts `job` in and gives what had to make room for it: the caller tells about each.
    ///
    /// A job larger than the whole queue enters when nothing else is there.
    pub(crate) fn push(&self, job: Job<T>) -> Vec<Job<T>> {
        self.edge.enter(1);
        let mut shed = Vec::new();
        let mut state = self.lock();
        loop {
            if state.closed {
                self.edge.discard(Discard::Cancelled, 1);
                shed.push(job);
                return shed;
            }
            if state.bytes == 0 || state.bytes + job.bytes <= self.capacity_bytes {
                state.bytes += job.bytes;
                state.waiting.push_back(job);
                self.changed(&state);
                return shed;
            }
            match (
                self.policy,
                state.waiting.front().map(|oldest| oldest.frame),
            ) {
                (Policy::ShedOldestFrame, Some(frame)) => {
                    while state
                        .waiting
                        .front()
                        .is_some_and(|oldest| oldest.frame == frame)
                    {
                        if let Some(oldest) = state.waiting.pop_front() {
                            state.bytes -= oldest.bytes;
                            self.edge.discard(Discard::EngineBusy, 1);
                            shed.push(oldest);
                        }
                    }
                }
                (Policy::ShedOldestFrame, None) => {
                    // Everything is being worked on already: this tile is the one that has no room.
                    self.edge.discard(Discard::EngineBusy, 1);
                    shed.push(job);
                    return shed;
                }
                (Policy::Wait, _) => state = self.wait(state),
            }
        }
    }

    /// Holds `bytes` of something else against the bound until they are [released](Self::release): waits
    /// for room under [`Policy::Wait`], and says under the other policy when there is none.
    pub(crate) fn hold(&self, bytes: usize) -> bool {
        let mut state = self.lock();
        while !state.closed && state.bytes > 0 && state.bytes + bytes > self.capacity_bytes {
            match self.policy {
                Policy::Wait => state = self.wait(state),
                Policy::ShedOldestFrame => return false,
            }
        }
        state.bytes += bytes;
        self.changed(&state);
        true
    }

    /// The oldest job, waiting for one; `None` when the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<Job<T>> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                self.edge.leave(1);
                self.changed(&state);
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// `bytes` of popped jobs are no longer held by anybody.
    pub(crate) fn release(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        self.changed(&state);
    }

    /// No further jobs; what waits is still given out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn changed(&self, state: &State<T>) {
        self.fill
            .waiting
            .store(state.waiting.len() as u64, Ordering::Relaxed);
        self.fill.bytes.store(state.bytes as u64, Ordering::Relaxed);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panicking consumer leaves the state whole: each change is a single step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(index: u64, frame: u64, bytes: usize) -> Job<()> {
        Job {
            index,
            frame,
            bytes,
            work: (),
        }
    }

    #[test]
    fn a_live_queue_sheds_the_oldest_frame_whole() {
        let edge = Arc::new(Edge::new("tiles"));
        let queue = TileQueue::new(4, Policy::ShedOldestFrame, edge.clone(), Arc::default());
        for (index, frame) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
            assert!(queue.push(job(index, frame, 1)).is_empty());
        }
        let shed: Vec<u64> = queue
            .push(job(4, 2, 1))
            .iter()
            .map(|job| job.index)
            .collect();
        assert_eq!(shed, [0, 1]);
        assert_eq!(queue.pop().map(|job| job.index), Some(2));
        assert_eq!(edge.counts().discarded[&Discard::EngineBusy], 2);
    }

    #[test]
    fn what_is_worked_on_counts_until_it_is_released() {
        let queue = TileQueue::new(
            1,
            Policy::ShedOldestFrame,
            Arc::new(Edge::new("tiles")),
            Arc::default(),
        );
        assert!(queue.push(job(0, 0, 1)).is_empty());
        let taken = queue.pop().unwrap();
        assert_eq!(queue.push(job(1, 1, 1)).len(), 1);
        queue.release(taken.bytes);
        assert!(queue.push(job(2, 1, 1)).is_empty());
    }

    #[test]
    fn a_pulled_queue_waits_and_loses_nothing() {
        let edge = Arc::new(Edge::new("tiles"));
        let queue = TileQueue::new(3, Policy::Wait, edge.clone(), Arc::default());
        let taken = std::thread::scope(|scope| {
            let consumer = scope.spawn(|| {
                let mut taken = Vec::new();
                while let Some(job) = queue.pop() {
                    taken.push(job.index);
                    queue.release(job.bytes);
                }
                taken
            });
            for index in 0..1000 {
                assert!(queue.push(job(index, index, 2)).is_empty());
            }
            queue.close();
            consumer.join().unwrap()
        });
        assert!(taken.iter().copied().eq(0..1000));
        assert_eq!(edge.counts().inside(), 0);
    }

    proptest! {
        #[test]
        fn the_bound_and_the_law_hold(
            steps in proptest::collection::vec((0_u64..4, 1_usize..5, any::<bool>()), 1..200),
        ) {
            let edge = Arc::new(Edge::new("tiles"));
            let fill = Arc::new(Fill::default());
            let queue = TileQueue::new(8, Policy::ShedOldestFrame, edge.clone(), fill.clone());
            let mut waiting = 0_i128;
            for (index, (frame, bytes, take)) in steps.into_iter().enumerate() {
                let shed = queue.push(job(index as u64, frame, bytes));
                waiting += 1 - shed.len() as i128;
                prop_assert!(fill.bytes.load(Ordering::Relaxed) <= 8);
                if take && waiting > 0 {
                    let taken = queue.pop().unwrap();
                    waiting -= 1;
                    queue.release(taken.bytes);
                }
                prop_assert_eq!(edge.counts().inside(), waiting);
            }
        }
    }
}
