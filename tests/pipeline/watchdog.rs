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

/// Takes nothing after the first cells until it is let.
struct Held {
    takes: usize,
    pass: Receiver<()>,
    keep: Keep,
}

impl Sink for Held {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        match self.takes.checked_sub(1) {
            Some(less) => self.takes = less,
            // Ends when the other side is gone.
            None => drop(self.pass.recv()),
        }
        self.keep.cell(classified)
    }
}

/// Runs with a sink that stands still after `takes` cells; gives how many it got in the end.
fn held_after(takes: usize) -> usize {
    let (let_pass, pass) = bounded(0);
    let let_pass = Mutex::new(Some(let_pass));
    let told = Mutex::new(Vec::new());
    let keep = Keep::default();
    let mut settings = Settings::default();
    settings.control.watchdog_s = 1;
    let held = Held {
        takes,
        pass,
        keep: keep.clone(),
    };
    let end = run_watched(
        pulled(frames(), &[32]),
        &settings,
        &Outbox::disabled(Arc::new(SystemClock)),
        &Stop::default(),
        Box::new(held),
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
    keep.0.lock().unwrap().labels.len()
}

#[test]
fn a_stage_that_stands_still_is_named() {
    let cells = held_after(0);
    assert!(cells > 1);
    // Also when every label has been published by then.
    assert_eq!(held_after(cells - 1), cells);
}
