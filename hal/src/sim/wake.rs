//! Wakes a read of the simulated board from another thread.

use crossbeam_channel::Sender;

use crate::Interrupter;

/// Wakes the read of a simulated board.
pub(super) struct Wake(pub(super) Sender<()>);

impl Interrupter for Wake {
    fn interrupt(&self) {
        // One wake that waits is as good as two.
        let _ = self.0.try_send(());
    }

    fn clone_box(&self) -> Box<dyn Interrupter> {
        Box::new(Self(self.0.clone()))
    }
}
