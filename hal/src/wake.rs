//! The interrupter of a board that waits on a channel of one place.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::Interrupter;

/// Wakes a board in this process that waits.
#[derive(Clone, Debug)]
pub struct Wake(Sender<()>);

impl Wake {
    /// A handle, and the channel on which the board waits.
    pub fn channel() -> (Self, Receiver<()>) {
        let (wake, woken) = bounded(1);
        (Self(wake), woken)
    }
}

impl Interrupter for Wake {
    fn interrupt(&self) {
        // One wish that waits is as good as two.
        let _ = self.0.try_send(());
    }

    fn clone_box(&self) -> Box<dyn Interrupter> {
        Box::new(self.clone())
    }
}
