//! The last whole frame, as acquired.

use std::sync::{Arc, Mutex, PoisonError};

use senescope_hal::ScanActual;

use super::Viewer;
use crate::stages::assemble::{FrameBuffer, FrameRow};

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

    /// The last frame; `None` when there was none, or it was too large.
    pub(crate) fn get(&self) -> Option<Arc<KeptFrame>> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Viewer for LastFrame {
    /// Keeps a copy of a frame with its last row, or nothing when it is too large.
    fn row(&self, scan: &ScanActual, row: FrameRow<'_>) {
        if !row.is_last() {
            return;
        }
        let frame = row.frame();
        let kept = (frame.bytes() <= self.limit_bytes).then(|| {
            Arc::new(KeptFrame {
                scan: scan.clone(),
                frame: frame.clone(),
            })
        });
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}
