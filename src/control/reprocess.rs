//! The last frame with other settings: who does it, and one at a time.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{config::Settings, stages::publish::LabelMessage};

/// What is said of the last frame with other settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reprocessed {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Digest of the settings.
    pub config: String,
    /// Its cells.
    pub labels: Vec<LabelMessage>,
}

/// Looks at the last frame again.
pub trait Reprocess: Send + Sync {
    /// Takes as long as its cells take on one core, unless it is `given_up`.
    ///
    /// # Errors
    /// A sentence: there is no frame, the settings do not fit it, or it was given up.
    fn reprocess(
        &self,
        settings: Settings,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Reprocessed, String>;
}

/// Lets one request at a time have the last frame. Copies share everything.
#[derive(Clone, Default)]
pub struct Reprocessing(Arc<Shared>);

#[derive(Default)]
struct Shared {
    who: Mutex<Option<Arc<dyn Reprocess>>>,
    busy: AtomicBool,
}

impl Reprocessing {
    /// From now on `who` does it.
    pub fn by(&self, who: Arc<dyn Reprocess>) {
        *self.0.who.lock().unwrap_or_else(PoisonError::into_inner) = Some(who);
    }

    /// Takes the turn of one request.
    pub(super) fn turn(&self) -> Result<Turn, String> {
        let who = self.0.who.lock().unwrap_or_else(PoisonError::into_inner);
        let who = who.clone().ok_or("no run has begun yet")?;
        if self.0.busy.swap(true, Ordering::AcqRel) {
            return Err("a frame is being looked at again; ask when that is done".to_owned());
        }
        Ok(Turn {
            who,
            shared: Arc::clone(&self.0),
        })
    }
}

/// The turn of one request; the next one's when it is dropped.
pub(super) struct Turn {
    pub(super) who: Arc<dyn Reprocess>,
    shared: Arc<Shared>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.busy.store(false, Ordering::Release);
    }
}
