//! News of the directory from the operating system, where it has any.
//!
//! An event says no more than that a look is worth while; what changed is seen by looking. A share mounted from
//! elsewhere may tell nothing of what others write there, so that the board also looks without events.

use std::path::Path;

use crossbeam_channel::{Receiver, Sender, bounded};
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};

/// Tells when something happened in a directory.
pub(crate) struct Events {
    /// Kept so that the directory stays watched.
    _watcher: Option<RecommendedWatcher>,
    /// Kept so that the other end never looks closed.
    _tell: Sender<()>,
    told: Receiver<()>,
}

impl Events {
    /// Watches `directory`. Where that cannot be done there are no events, and the log says so.
    pub(crate) fn of(directory: &Path) -> Self {
        let (tell, told) = bounded(1);
        let teller = tell.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| !is_ours(&event)) {
                // One event that waits is as good as two.
                let _ = teller.try_send(());
            }
        });
        let watcher = watcher.and_then(|mut watcher| {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let watcher = watcher.inspect_err(|error| {
            let path = directory.display();
            tracing::warn!(
                "{path} gives no events ({error}); it is only looked at again and again"
            );
        });
        Self {
            _watcher: watcher.ok(),
            _tell: tell,
            told,
        }
    }

    /// A directory without events.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        let (tell, told) = bounded(1);
        Self {
            _watcher: None,
            _tell: tell,
            told,
        }
    }

    /// Where a message comes after something happened.
    pub(crate) fn told(&self) -> &Receiver<()> {
        &self.told
    }
}

/// Reading causes events too, and so does writing the journal.
fn is_ours(event: &Event) -> bool {
    let read = matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
    let hidden = |path: &std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with('.'))
    };
    read || (!event.paths.is_empty() && event.paths.iter().all(hidden))
}
