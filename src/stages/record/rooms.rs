//! Memory for frames on their way to the disk: so many at most, and the one that was given back last first.
//!
//! A queue would go round all of it, so that a daemon would take its limit however quick the disk is.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use crate::stages::assemble::FrameBuffer;

/// Room for one frame; its memory is taken when it is used for the first time.
pub(super) type Room = Option<FrameBuffer>;

type Spare = Arc<Mutex<Vec<FrameBuffer>>>;

/// Where rooms are taken. It is gone when the other end is.
#[derive(Clone, Debug)]
pub(super) struct Taking {
    permits: Receiver<()>,
    spare: Spare,
}

/// Where rooms are given back.
#[derive(Clone, Debug)]
pub(super) struct Giving {
    permits: Sender<()>,
    spare: Spare,
}

/// Rooms for `count` frames.
pub(super) fn rooms(count: usize) -> (Giving, Taking) {
    let (give, permits) = bounded(count);
    for _ in 0..count {
        // There is a place for each.
        let _ = give.try_send(());
    }
    let spare = Spare::default();
    let giving = Giving {
        permits: give,
        spare: Arc::clone(&spare),
    };
    (giving, Taking { permits, spare })
}

impl Giving {
    /// A frame is done with.
    pub(super) fn back(&self, image: FrameBuffer) {
        lock(&self.spare).push(image);
        // Nobody takes rooms any more, or there is a place for it.
        let _ = self.permits.try_send(());
    }
}

impl Taking {
    /// A room that is free now.
    pub(super) fn now(&self) -> Result<Room, TryRecvError> {
        self.permits.try_recv().map(|()| lock(&self.spare).pop())
    }

    /// A room, once one is free.
    pub(super) fn within(&self, span: Duration) -> Result<Room, RecvTimeoutError> {
        let permit = self.permits.recv_timeout(span);
        permit.map(|()| lock(&self.spare).pop())
    }
}

fn lock(spare: &Mutex<Vec<FrameBuffer>>) -> MutexGuard<'_, Vec<FrameBuffer>> {
    // A push and a pop are whole.
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}
