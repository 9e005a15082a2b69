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
    time::Duration,
};

use senescope_hal::{Clock, HostInstant};

use crate::telemetry::{Discard, Edge};

/// How full a queue is, for whoever watches.
#[derive(Debug, Default)]
pub(crate) struct Fill {
    /// Jobs that wait.
    pub(crate) waiting: AtomicU64,
    /// Bytes that are held.
    pub(crate) bytes: AtomicU64,
    /// How often bytes were given back.
    pub(crate) released: AtomicU64,
}

/// What happens when the queue is full, or what is in it has waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The producer waits: for sources that are pulled, which never lose anything.
    Wait,
    /// The waiting tiles of the oldest frame make room: for a live microscope, which is never slowed. They also do
    /// when the first of them has waited for longer than this and those of a later frame wait too: what is seen at the
    /// instrument should be what is there now.
    ShedOldestFrame(Duration),
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
    /// When it was ready.
    pub(crate) since: HostInstant,
    /// What is to be done.
    pub(crate) work: T,
}

struct State<T> {
    waiting: VecDeque<Job<T>>,
    bytes: usize,
    closed: bool,
}

impl<T> State<T> {
    /// The oldest frame, when its first job has waited for longer than `patience` and a later frame waits too.
    fn late(&self, clock: &dyn Clock, patience: Duration) -> Option<u64> {
        let (oldest, newest) = (self.waiting.front()?, self.waiting.back()?);
        let late = newest.frame != oldest.frame && clock.now().since(oldest.since) > patience;
        late.then_some(oldest.frame)
    }
}

/// What a queue has to give.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    /// The oldest job.
    Job(Job<T>),
    /// These have waited for too long: whoever took them tells about each.
    Late(Vec<Job<T>>),
    /// Nothing, at present.
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
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
                (Policy::ShedOldestFrame(_), Some(frame)) => {
                    self.shed(&mut state, frame, &mut shed);
                }
                (Policy::ShedOldestFrame(_), None) => {
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
                Policy::ShedOldestFrame(_) => return false,
            }
        }
        state.bytes += bytes;
        self.changed(&state);
        true
    }

    /// Discards the waiting jobs of `frame`, which is the oldest.
    fn shed(&self, state: &mut State<T>, frame: u64, shed: &mut Vec<Job<T>>) {
        while let Some(oldest) = state.waiting.pop_front_if(|oldest| oldest.frame == frame) {
            state.bytes -= oldest.bytes;
            self.edge.discard(Discard::EngineBusy, 1);
            shed.push(oldest);
        }
    }

    /// The oldest job, waiting for one when `patient`.
    pub(crate) fn take(&self, clock: &dyn Clock, patient: bool) -> Taken<T> {
        let mut state = self.lock();
        loop {
            if let Policy::ShedOldestFrame(patience) = self.policy
                && let Some(frame) = state.late(clock, patience)
            {
                let mut late = Vec::new();
                self.shed(&mut state, frame, &mut late);
                self.changed(&state);
                return Taken::Late(late);
            }
            if let Some(job) = state.waiting.pop_front() {
                self.edge.leave(1);
                self.changed(&state);
                return Taken::Job(job);
            }
            match (state.closed, patient) {
                (true, _) => return Taken::Closed,
                (false, false) => return Taken::Nothing,
                (false, true) => state = self.wait(state),
            }
        }
    }

    /// Something waits for more than half of the time after which it would be discarded.
    pub(crate) fn is_pressed(&self, clock: &dyn Clock) -> bool {
        match self.policy {
            Policy::ShedOldestFrame(patience) => self.lock().late(clock, patience / 2).is_some(),
            Policy::Wait => false,
        }
    }

    /// `bytes` of popped jobs are no longer held by anybody.
    pub(crate) fn release(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        self.fill.released.fetch_add(1, Ordering::Relaxed);
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
    use senescope_hal::SystemClock;

    use super::*;

    const SHED: Policy = Policy::ShedOldestFrame(Duration::from_secs(3600));

    /// The oldest job, when there is one.
    fn pop(queue: &TileQueue<()>) -> Option<Job<()>> {
        match queue.take(&SystemClock, true) {
            Taken::Job(job) => Some(job),
            Taken::Closed => None,
            other => panic!("{other:?}"),
        }
    }

    fn job(index: u64, frame: u64, bytes: usize) -> Job<()> {
        Job {
            index,
            frame,
            bytes,
            since: SystemClock.now(),
            work: (),
        }
    }

    #[test]
    fn a_live_queue_sheds_the_oldest_frame_whole() {
        let edge = Arc::new(Edge::new("tiles"));
        let queue = TileQueue::new(4, SHED, edge.clone(), Arc::default());
        for (index, frame) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
            assert!(queue.push(job(index, frame, 1)).is_empty());
        }
        let shed: Vec<u64> = queue
            .push(job(4, 2, 1))
            .iter()
            .map(|job| job.index)
            .collect();
        assert_eq!(shed, [0, 1]);
        assert_eq!(pop(&queue).map(|job| job.index), Some(2));
        assert_eq!(edge.counts().discarded[&Discard::EngineBusy], 2);
    }

    struct At(Duration);

    impl Clock for At {
        fn now(&self) -> HostInstant {
            HostInstant(self.0.as_nanos() as u64)
        }
    }

    #[test]
    fn what_has_waited_too_long_is_discarded_with_its_frame() {
        let patience = Duration::from_secs(2);
        let edge = Arc::new(Edge::new("tiles"));
        let policy = Policy::ShedOldestFrame(patience);
        let queue = TileQueue::new(9, policy, edge.clone(), Arc::default());
        for (index, frame, at) in [(0, 0, 0), (1, 0, 3), (2, 1, 3)] {
            let since = HostInstant(Duration::from_secs(at).as_nanos() as u64);
            let job = Job {
                since,
                ..job(index, frame, 1)
            };
            assert!(queue.push(job).is_empty());
        }
        assert!(!queue.is_pressed(&At(patience / 2)));
        assert!(queue.is_pressed(&At(patience)));
        let late = At(patience + Duration::from_nanos(1));
        let Taken::Late(shed) = queue.take(&late, false) else {
            panic!("nothing is late");
        };
        let shed: Vec<u64> = shed.iter().map(|job| job.index).collect();
        assert_eq!(shed, [0, 1]);
        // However late it is, nothing newer waits.
        let later = At(patience * 10);
        assert!(!queue.is_pressed(&later));
        assert!(matches!(queue.take(&later, false), Taken::Job(job) if job.index == 2));
        assert!(matches!(queue.take(&later, false), Taken::Nothing));
        assert_eq!(edge.counts().discarded[&Discard::EngineBusy], 2);
        queue.close();
        assert!(matches!(queue.take(&late, true), Taken::Closed));
    }

    #[test]
    fn what_is_worked_on_counts_until_it_is_released() {
        let queue = TileQueue::new(1, SHED, Arc::new(Edge::new("tiles")), Arc::default());
        assert!(queue.push(job(0, 0, 1)).is_empty());
        let taken = pop(&queue).unwrap();
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
                while let Some(job) = pop(&queue) {
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
            let queue = TileQueue::new(8, SHED, edge.clone(), fill.clone());
            let mut waiting = 0_i128;
            for (index, (frame, bytes, take)) in steps.into_iter().enumerate() {
                let shed = queue.push(job(index as u64, frame, bytes));
                waiting += 1 - shed.len() as i128;
                prop_assert!(fill.bytes.load(Ordering::Relaxed) <= 8);
                if take && waiting > 0 {
                    let taken = pop(&queue).unwrap();
                    waiting -= 1;
                    queue.release(taken.bytes);
                }
                prop_assert_eq!(edge.counts().inside(), waiting);
            }
        }
    }
}
