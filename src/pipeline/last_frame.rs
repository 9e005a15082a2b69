//! The last whole frame, as acquired.

use std::sync::{Arc, Mutex, PoisonError};

use senescope_hal::ScanActual;

use crate::stages::assemble::FrameBuffer;

/// A frame and its scan.
#[derive(Clone, Debug)]
pub(crate) struct KeptFrame {
    pub(crate) scan: ScanActual,
    pub(crate) frame: FrameBuffer,
}

/// Keeps the last frame whose last row has come, for who wants to look at it again.
#[derive(Debug)]
pub struct LastFrame {
    limit_bytes: usize,
    kept: Mutex<Option<Arc<KeptFrame>>>,
}

impl LastFrame {
    /// Keeps frames of at most `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            kept: Mutex::default(),
        }
    }

    /// Keeps a copy of `frame`, or nothing when it is too large.
    pub(crate) fn keep(&self, scan: &ScanActual, frame: &FrameBuffer) {
        let kept = (frame.bytes() <= self.limit_bytes).then(|| {
            Arc::new(KeptFrame {
                scan: scan.clone(),
                frame: frame.clone(),
            })
        });
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// The last frame; `None` when there was none, or it was too large.
    pub(crate) fn get(&self) -> Option<Arc<KeptFrame>> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
