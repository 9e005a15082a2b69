//! A stop drains: what was scanned is labelled, and the run has an end.

use std::{sync::Arc, time::Duration};

use senescope::{
    config::Settings,
    control::Stop,
    pipeline::{Classified, Sink, SinkError},
    stages::publish::{Finish, Outbox},
};
use senescope_hal::{Pacing, SystemClock};

use crate::support::{CutBoard, Keep, frames, run_into};

/// Asks for a stop at the first label.
struct StopAtFirst(Stop, Keep);

impl Sink for StopAtFirst {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        self.0.ask();
        self.1.cell(classified)
    }
}

#[test]
fn a_stop_labels_what_was_scanned() {
    let mut endless = Vec::new();
    for _ in 0..200 {
        endless.extend_from_slice(frames());
    }
    let board = CutBoard::new(&endless, &[8], Pacing::Live, Duration::from_millis(2));
    let (stop, keep) = (Stop::default(), Keep::default());
    let end = run_into(
        board,
        &Settings::default(),
        &Outbox::disabled(Arc::new(SystemClock)),
        &stop,
        Box::new(StopAtFirst(stop.clone(), keep.clone())),
    );
    assert_eq!(end.finish, Finish::Cancelled);
    assert!(end.rows.frames < 200, "it was not stopped");
    for edge in &end.edges {
        assert_eq!(edge.inside(), 0, "{edge:?}");
    }
    let tiles = end.edges.iter().find(|edge| edge.name == "tiles").unwrap();
    assert_eq!(keep.0.lock().unwrap().labels.len() as u64, tiles.entered);
}

#[test]
fn a_stop_before_the_start_ends_the_run_at_once() {
    let stop = Stop::default();
    stop.ask();
    let board = CutBoard::new(frames(), &[8], Pacing::Pulled, Duration::ZERO);
    let end = run_into(
        board,
        &Settings::default(),
        &Outbox::disabled(Arc::new(SystemClock)),
        &stop,
        Box::new(Keep::default()),
    );
    assert_eq!((end.finish, end.rows.rows_scanned), (Finish::Cancelled, 0));
}
