//! The queue between the pipeline's threads and a socket's task, bounded in bytes.
//!
//! Threads put messages in, one task takes them out. What happens when it is full is the caller's choice at
//! each put: wait for room beforehand ([`Queue::wait_for_room`], labels), or shed the oldest
//! ([`Queue::put_shedding`], maps: the freshest wins). A message that alone is larger than the limit still
//! passes when the queue is empty.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::stages::publish::{Depth, Frames, Kind};

/// A message on its way to a socket.
#[derive(Debug)]
pub(super) struct Item {
    /// What it is about.
    pub(super) kind: Kind,
    /// Its frames.
    pub(super) frames: Frames,
}

impl Item {
    fn bytes(&self) -> usize {
        self.frames.iter().map(Vec::len).sum()
    }
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    /// Taken out and not yet in the socket.
    in_hand: bool,
    closed: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    limit_bytes: usize,
    waiting: Mutex<Waiting>,
    /// Told to threads: an item left, or the queue closed.
    room: Condvar,
    /// Told to the task: an item came, or the queue closed.
    news: Notify,
}

impl Queue {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            waiting: Mutex::default(),
            room: Condvar::new(),
            news: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl Fn(&Waiting) -> bool) {
        let guard = self.lock();
        drop(
            self.room
                .wait_while(guard, |waiting| condition(waiting))
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Blocks the calling thread until less than the limit waits, or the queue is closed. Every thread
    /// that was let in may then put one message, so that the limit is exceeded by that much at most.
    pub(super) fn wait_for_room(&self) {
        self.wait_while(|waiting| !waiting.closed && waiting.bytes >= self.limit_bytes);
    }

    /// Whether less than the limit waits.
    pub(super) fn has_room(&self) -> bool {
        self.lock().bytes < self.limit_bytes
    }

    /// Blocks the calling thread until everything was given to the socket, or the queue is closed.
    pub(super) fn wait_until_empty(&self) {
        self.wait_while(|waiting| {
            !waiting.closed && (waiting.in_hand || !waiting.items.is_empty())
        });
    }

    /// Puts a message at the end. `false` when the queue is closed, and the message is gone.
    pub(super) fn put(&self, item: Item) -> bool {
        let mut waiting = self.lock();
        if waiting.closed {
            return false;
        }
        waiting.bytes += item.bytes();
        waiting.items.push_back(item);
        drop(waiting);
        self.news.notify_one();
        true
    }

    /// Puts a message at the end and sheds from the front what no longer fits. Gives the number shed, which
    /// counts the message itself when the queue is closed.
    pub(super) fn put_shedding(&self, item: Item) -> u64 {
        let mut waiting = self.lock();
        if waiting.closed {
            return 1;
        }
        let bytes = item.bytes();
        let mut shed = 0;
        while waiting.bytes + bytes > self.limit_bytes {
            let Some(oldest) = waiting.items.pop_front() else {
                break;
            };
            waiting.bytes -= oldest.bytes();
            shed += 1;
        }
        waiting.bytes += bytes;
        waiting.items.push_back(item);
        drop(waiting);
        self.news.notify_one();
        shed
    }

    /// The next message; `None` when the queue is closed and empty. Counts as in hand until [`Self::sent`].
    pub(super) async fn take(&self) -> Option<Item> {
        loop {
            let news = self.news.notified();
            {
                let mut waiting = self.lock();
                if let Some(item) = waiting.items.pop_front() {
                    waiting.bytes -= item.bytes();
                    waiting.in_hand = true;
                    drop(waiting);
                    self.room.notify_all();
                    return Some(item);
                }
                if waiting.closed {
                    return None;
                }
            }
            news.await;
        }
    }

    /// The message that was taken is in the socket.
    pub(super) fn sent(&self) {
        self.lock().in_hand = false;
        self.room.notify_all();
    }

    /// Takes no more messages. What waits can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
        self.news.notify_one();
    }

    pub(super) fn depth(&self) -> Depth {
        let waiting = self.lock();
        Depth {
            items: waiting.items.len() as u64,
            bytes: waiting.bytes as u64,
            limit_bytes: self.limit_bytes as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn item(bytes: usize) -> Item {
        Item {
            kind: Kind::Cam,
            frames: vec![vec![0; bytes]],
        }
    }

    fn taken(queue: &Queue) -> Vec<usize> {
        queue.close();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut sizes = Vec::new();
            while let Some(item) = queue.take().await {
                queue.sent();
                sizes.push(item.bytes());
            }
            sizes
        })
    }

    proptest! {
        #[test]
        fn the_freshest_stay_in_order_and_nothing_is_uncounted(sizes in prop::collection::vec(1_usize..200, 0..50)) {
            let queue = Queue::new(256);
            let mut shed = 0;
            for &size in &sizes {
                shed += queue.put_shedding(item(size));
                prop_assert!(queue.depth().bytes <= 256);
            }
            let left = taken(&queue);
            prop_assert_eq!(left.len() as u64 + shed, sizes.len() as u64);
            prop_assert_eq!(&sizes[sizes.len() - left.len()..], left.as_slice());
        }
    }

    #[test]
    fn a_thread_waits_for_room_and_loses_nothing() {
        let queue = Arc::new(Queue::new(100));
        let producer = std::thread::spawn({
            let queue = queue.clone();
            move || {
                for _ in 0..1000 {
                    queue.wait_for_room();
                    assert!(queue.put(item(30)));
                }
                queue.close();
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let taken = runtime.block_on(async {
            let mut taken = 0;
            while queue.take().await.is_some() {
                assert!(queue.depth().bytes <= 130);
                queue.sent();
                taken += 1;
            }
            taken
        });
        producer.join().unwrap();
        assert_eq!(taken, 1000);
    }

    #[test]
    fn a_closed_queue_lets_waiting_threads_go_and_takes_nothing() {
        let queue = Arc::new(Queue::new(10));
        queue.put(item(10));
        let waiter = std::thread::spawn({
            let queue = queue.clone();
            move || queue.wait_for_room()
        });
        queue.close();
        waiter.join().unwrap();
        assert!(!queue.put(item(1)));
        assert_eq!(queue.put_shedding(item(1)), 1);
    }
}
