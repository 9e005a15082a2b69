//! Buffers that return to the stage that filled them, so that a cell costs no allocation after warm-up.
//!
//! A cell leaves its stage on another thread and is dropped there, or never: a pool lends without keeping count, keeps
//! a bounded number of what comes back, and makes a new buffer when it has none. A buffer that does not return is a
//! missed reuse and nothing else.

use std::{
    fmt, ops,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crossbeam_channel::{Receiver, Sender, bounded};
use ndarray::{Array, Dimension};

/// Buffers of items that are free.
#[derive(Clone, Debug)]
pub struct Pool<T> {
    free: Receiver<Vec<T>>,
    back: Sender<Vec<T>>,
    /// Most items of a buffer that is kept.
    most: usize,
    /// Most items that a buffer of those was lent with: each is made for as many, and does not grow again.
    longest: Arc<AtomicUsize>,
}

impl<T> Pool<T> {
    /// A pool that keeps at most `buffers` buffers of at most `most` items each. Takes no memory for them yet.
    pub fn new(buffers: usize, most: usize) -> Self {
        let (back, free) = bounded(buffers);
        Self {
            free,
            back,
            most,
            longest: Arc::default(),
        }
    }

    /// An empty buffer.
    pub fn take(&self) -> Vec<T> {
        let mut buffer = self.free.try_recv().unwrap_or_default();
        buffer.reserve_exact(self.longest.load(Ordering::Relaxed));
        buffer
    }

    /// `value` on loan: its buffer comes here when it is dropped.
    pub fn lend<V: Buffer<Item = T>>(&self, value: V) -> Pooled<V> {
        let size = value.size();
        let longest = self.longest.load(Ordering::Relaxed);
        if size > longest && size <= self.most {
            self.longest.fetch_max(size, Ordering::Relaxed);
        }
        Pooled {
            room: size.max(longest),
            value,
            home: Some((self.back.clone(), self.most)),
        }
    }
}

/// What is a buffer in a form.
pub trait Buffer: Default {
    /// What it holds.
    type Item;

    /// Items in it.
    fn size(&self) -> usize;

    /// The buffer.
    fn into_buffer(self) -> Vec<Self::Item>;
}

impl<T> Buffer for Vec<T> {
    type Item = T;

    fn size(&self) -> usize {
        self.len()
    }

    fn into_buffer(self) -> Vec<T> {
        self
    }
}

impl<T: Default, D: Dimension> Buffer for Array<T, D> {
    type Item = T;

    fn size(&self) -> usize {
        self.len()
    }

    fn into_buffer(self) -> Vec<T> {
        self.into_raw_vec_and_offset().0
    }
}

/// A value whose buffer goes back to its [`Pool`] when it is dropped. A copy of it is its own, and so is a value
/// [`From`] elsewhere.
pub struct Pooled<V: Buffer> {
    value: V,
    room: usize,
    home: Option<(Sender<Vec<V::Item>>, usize)>,
}

impl<V: Buffer> Pooled<V> {
    /// Items that its buffer was made for when it was lent: what it takes of memory, though it may hold fewer.
    pub fn room(&self) -> usize {
        self.room
    }
}

impl<V: Buffer> Default for Pooled<V> {
    fn default() -> Self {
        V::default().into()
    }
}

impl<V: Buffer> From<V> for Pooled<V> {
    fn from(value: V) -> Self {
        Self {
            room: value.size(),
            value,
            home: None,
        }
    }
}

impl<V: Buffer> ops::Deref for Pooled<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V: Buffer> ops::DerefMut for Pooled<V> {
    fn deref_mut(&mut self) -> &mut V {
        &mut self.value
    }
}

impl<V: Buffer + Clone> Clone for Pooled<V> {
    fn clone(&self) -> Self {
        self.value.clone().into()
    }
}

impl<V: Buffer + PartialEq> PartialEq for Pooled<V> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<V: Buffer + fmt::Debug> fmt::Debug for Pooled<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<V: Buffer> Drop for Pooled<V> {
    fn drop(&mut self) {
        if let Some((home, most)) = self.home.take() {
            let mut buffer = std::mem::take(&mut self.value).into_buffer();
            if buffer.capacity() <= most {
                buffer.clear();
                // A full pool has enough of them, one that is gone needs none.
                let _ = home.try_send(buffer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn a_dropped_value_gives_its_buffer_back_empty() {
        let pool = Pool::new(2, 100);
        let mut buffer = pool.take();
        buffer.extend(0..6);
        let address = buffer.as_ptr();
        let lent = pool.lend(Array2::from_shape_vec((2, 3), buffer).unwrap());
        let elsewhere = std::thread::spawn(move || drop(lent));
        elsewhere.join().unwrap();
        let again = pool.take();
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        // One for as many as were lent before.
        assert_eq!(pool.take().capacity(), 6);
    }

    #[test]
    fn no_more_is_kept_than_was_said() {
        let pool = Pool::new(2, 100);
        drop(pool.lend(vec![0; 101]));
        assert_eq!(pool.take().capacity(), 0);
        drop([3, 2, 1].map(|items| pool.lend(vec![0; items])));
        assert_eq!(pool.free.len(), 2);
        assert_eq!(pool.take().capacity(), 3);
    }

    #[test]
    fn a_copy_is_its_own_and_a_pool_may_go_first() {
        let pool = Pool::new(2, 100);
        let lent = pool.lend(vec![7]);
        drop(lent.clone());
        assert_eq!(pool.free.len(), 0);
        drop(pool);
        assert_eq!(*lent, [7]);
    }
}
