//! Asking a run to stop, from any thread.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use senescope_hal::Interrupter;

/// A handle that stops a run: what was scanned is still labelled and published.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    asked: AtomicBool,
    board: Mutex<Option<Box<dyn Interrupter>>>,
}

impl Stop {
    /// Asks the run to stop. Asking twice does nothing more.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        if let Some(board) = &*self.board() {
            board.interrupt();
        }
    }

    /// Whether it was asked.
    pub fn asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// The board whose read must be woken.
    pub(crate) fn wakes(&self, board: Box<dyn Interrupter>) {
        // It may have been asked before there was anybody to wake.
        if self.asked() {
            board.interrupt();
        }
        *self.board() = Some(board);
    }

    fn board(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn Interrupter>>> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
