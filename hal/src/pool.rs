//! Strip buffers that return to their pool, so that the hot path allocates nothing after warm-up.

use std::{mem, ops};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::{HostInstant, SystemClock};

/// A fixed number of sample buffers of one capacity.
#[derive(Clone, Debug)]
pub struct StripPool {
    free: Receiver<Vec<u16>>,
    back: Sender<Vec<u16>>,
    capacity: usize,
    buffers: usize,
}

impl StripPool {
    /// `buffers` buffers of `capacity` samples each, allocated now.
    pub fn new(buffers: usize, capacity: usize) -> Self {
        let (back, free) = bounded(buffers);
        for _ in 0..buffers {
            // The channel has room for every buffer: it was made for that many.
            let _ = back.try_send(Vec::with_capacity(capacity));
        }
        Self {
            free,
            back,
            capacity,
            buffers,
        }
    }

    /// Memory that the pool owns, in bytes.
    pub fn bytes(&self) -> usize {
        self.buffers * self.capacity * size_of::<u16>()
    }

    /// Number of buffers, free or lent.
    pub fn buffers(&self) -> usize {
        self.buffers
    }

    /// Number of buffers that are free at this instant.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// An empty buffer, or `None` when all are lent.
    pub fn take(&self) -> Option<StripBuffer> {
        self.free.try_recv().ok().map(|samples| self.lend(samples))
    }

    /// An empty buffer, waiting for one until `deadline`.
    pub fn take_until(&self, deadline: HostInstant) -> Option<StripBuffer> {
        self.free
            .recv_deadline(SystemClock::std_instant(deadline))
            .ok()
            .map(|samples| self.lend(samples))
    }

    fn lend(&self, samples: Vec<u16>) -> StripBuffer {
        StripBuffer {
            samples,
            capacity: self.capacity,
            home: Some(self.back.clone()),
        }
    }
}

/// A buffer of samples that goes back to its pool when it is dropped.
///
/// It never grows beyond the capacity that it was made with.
#[derive(Debug)]
pub struct StripBuffer {
    samples: Vec<u16>,
    capacity: usize,
    home: Option<Sender<Vec<u16>>>,
}

impl StripBuffer {
    /// A buffer without a pool, for tests and tools.
    pub fn detached(capacity: usize) -> Self {
        Self {
            samples: Vec::with_capacity(capacity),
            capacity,
            home: None,
        }
    }

    /// How many samples fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sets the length to `samples` zeros and gives them to be filled; `None` when they do not fit.
    pub fn resize(&mut self, samples: usize) -> Option<&mut [u16]> {
        if samples > self.capacity {
            return None;
        }
        self.samples.clear();
        self.samples.resize(samples, 0);
        Some(&mut self.samples)
    }
}

impl ops::Deref for StripBuffer {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        &self.samples
    }
}

impl ops::DerefMut for StripBuffer {
    fn deref_mut(&mut self) -> &mut [u16] {
        &mut self.samples
    }
}

impl Drop for StripBuffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            let mut samples = mem::take(&mut self.samples);
            samples.clear();
            match home.try_send(samples) {
                // Full cannot happen (a buffer returns to the place it left); a closed pool needs none.
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_returns_empty() {
        let pool = StripPool::new(1, 8);
        let mut buffer = pool.take().unwrap();
        buffer.resize(8).unwrap().fill(7);
        assert!(pool.take().is_none());
        drop(buffer);
        assert_eq!(pool.take().unwrap().len(), 0);
    }

    #[test]
    fn a_buffer_does_not_grow() {
        let mut buffer = StripBuffer::detached(4);
        assert!(buffer.resize(5).is_none());
        assert_eq!(buffer.resize(4).unwrap(), [0; 4]);
    }
}
