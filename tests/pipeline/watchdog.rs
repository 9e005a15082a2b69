//! A stage that stands still is told, and the run goes on when it moves again.

use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, bounded};
use senescope::{
    config::Settings,
    control::Stop,
    pipeline::{Classified, Sink, SinkError},
    stages::publish::{Finish, Outbox},
};
use senescope_hal::SystemClock;

use crate::support::{Keep, frames, pulled, run_watched};

/// Takes nothing until it is let.
struct Held(Receiver<()>, Keep);

impl Sink for Held {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        // Ends when the other side is gone.
        let _ = self.0.recv();
        self.1.cell(classified)
    }
}

#[test]
fn a_stage_that_stands_still_is_named() {
    let (let_pass, held) = bounded(0);
    let let_pass = Mutex::new(Some(let_pass));
    let told = Mutex::new(Vec::new());
    let keep = Keep::default();
    let mut settings = Settings::default();
    settings.control.watchdog_s = 1;
    let end = run_watched(
        pulled(frames(), &[32]),
        &settings,
        &Outbox::disabled(Arc::new(SystemClock)),
        &Stop::default(),
        Box::new(Held(held, keep.clone())),
        // Without it the run would never end.
        &|_, stuck| {
            if let Some(stage) = stuck {
                told.lock().unwrap().push(stage.to_owned());
                drop(let_pass.lock().unwrap().take());
            }
        },
    );
    assert_eq!(end.finish, Finish::Completed);
    let told = told.into_inner().unwrap();
    assert!(
        told.iter()
            .all(|stage| stage.contains("what takes their results")),
        "{told:?}"
    );
    assert!(!keep.0.lock().unwrap().labels.is_empty());
}
