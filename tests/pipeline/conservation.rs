//! On every edge: in = out + discarded by reason, whoever is slow.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crossbeam_channel::bounded;
use senescope::{
    config::Settings,
    control::Stop,
    pipeline::{Classified, Sink, SinkError},
    stages::publish::{Finish, Kind, Outbox, RunEnd},
    telemetry::Discard,
};
use senescope_hal::{Pacing, SystemClock};

use crate::support::{CutBoard, Keep, SIZE, frames, pulled, run, run_into};

fn conserved(end: &RunEnd) {
    assert!(!end.edges.is_empty());
    for edge in &end.edges {
        assert_eq!(edge.inside(), 0, "{edge:?}");
    }
    assert_eq!(
        end.rows.rows_scanned,
        end.rows.rows_delivered + end.rows.rows_lost
    );
    // What leaves one edge enters the next.
    let [rows, tiles, verdicts, labels, maps] =
        ["rows", "tiles", "verdicts", "publish.label", "maps"].map(|name| edge(end, name));
    assert_eq!(rows.entered, end.rows.rows_delivered);
    assert_eq!(tiles.left, verdicts.entered);
    assert_eq!(verdicts.left, labels.entered);
    assert_eq!(labels.entered, end.totals[&Kind::Label].assigned);
    // Each label of an ensemble that can explain is owed its map.
    assert_eq!(verdicts.left, maps.entered);
}

fn edge<'a>(end: &'a RunEnd, name: &str) -> &'a senescope::telemetry::EdgeCounts {
    end.edges.iter().find(|edge| edge.name == name).unwrap()
}

#[test]
fn a_pulled_run_loses_nothing() {
    let (said, end) = run(pulled(frames(), &[32]), 2);
    conserved(&end);
    assert_eq!(end.finish, Finish::Completed);
    assert!(end.edges.iter().all(|edge| edge.discarded.is_empty()));
    let cells: u32 = said.frames.iter().map(|frame| frame.cells).sum();
    assert_eq!(said.labels.len(), cells as usize);
    assert_eq!(edge(&end, "tiles").entered, u64::from(cells));
}

/// A live board whose cells come at once, and networks with next to no time: what is late is shed, maps and then
/// cells, and every one of them is counted.
#[test]
fn what_there_is_no_time_for_is_counted() {
    let mut many = Vec::new();
    for _ in 0..16 {
        many.extend_from_slice(frames());
    }
    let board = CutBoard::new(&many, &[SIZE], Pacing::Live, Duration::ZERO);
    let mut settings = Settings::default();
    settings.engine.threads = 1;
    // Less than seven networks take for a cell.
    settings.engine.patience_s = 0.001;
    let keep = Keep::default();
    let end = run_into(
        board,
        &settings,
        &Outbox::disabled(Arc::new(SystemClock)),
        &Stop::default(),
        Box::new(keep.clone()),
    );
    conserved(&end);
    assert!(edge(&end, "tiles").discarded[&Discard::EngineBusy] > 0);
    let said = keep.0.lock().unwrap();
    let shed: usize = said.frames.iter().map(|frame| frame.skipped.len()).sum();
    let cells: u32 = said.frames.iter().map(|frame| frame.cells).sum();
    assert_eq!(said.labels.len() + shed, cells as usize);
    assert_eq!(said.maps.len() as u64, edge(&end, "maps").left);
}

/// A sink that takes nothing until it is let, as a stopped consumer does.
struct Held(crossbeam_channel::Receiver<()>, Keep);

impl Sink for Held {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        // Disconnected: everything may pass.
        let _ = self.0.recv_timeout(Duration::from_secs(60));
        self.1.cell(classified)
    }
}

/// A live board in front of results that are not taken: the queue of tiles fills, whole frames are shed
/// and counted, and the board is read to its end all the same.
#[test]
fn a_slow_consumer_sheds_frames_of_a_live_board_and_never_stops_it() {
    let mut many = Vec::new();
    for _ in 0..8 {
        many.extend_from_slice(frames());
    }
    let board = CutBoard::new(&many, &[SIZE], Pacing::Live, Duration::from_millis(20));
    let mut settings = Settings::default();
    settings.engine.threads = 1;
    settings.limits.tiles_mib = 1;
    let (let_pass, held) = bounded(0);
    let keep = Keep::default();
    let sink = Held(held, keep.clone());
    let released = Mutex::new(Some(let_pass));
    let end = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            run_into(
                board,
                &settings,
                &Outbox::disabled(Arc::new(SystemClock)),
                &Stop::default(),
                Box::new(sink),
            )
        });
        // Sixteen frames at 20 ms each have passed by then, and a queue of 1 MiB holds four tiles.
        crossbeam_channel::after(Duration::from_secs(3))
            .recv()
            .unwrap();
        drop(released.lock().unwrap().take());
        run.join().unwrap()
    });
    conserved(&end);
    let tiles = edge(&end, "tiles");
    assert!(tiles.discarded[&Discard::EngineBusy] > 0, "{tiles:?}");
    assert_eq!(end.rows.rows_scanned, u64::from(SIZE) * many.len() as u64);
    let verdicts = edge(&end, "verdicts");
    assert_eq!(keep.0.lock().unwrap().labels.len() as u64, verdicts.left);
}

/// A sink whose disk is full.
struct Full(u32);

impl Sink for Full {
    fn cell(&mut self, _: &Classified) -> Result<(), SinkError> {
        self.0 += 1;
        if self.0 > 2 {
            return Err(SinkError(
                "labels.ndjson cannot be written: no space".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Runs many frames, which no failing sink should let pass, into `sink`.
fn run_many(sink: Box<dyn Sink>) -> (RunEnd, u64) {
    let mut many = Vec::new();
    for _ in 0..40 {
        many.extend_from_slice(frames());
    }
    let end = run_into(
        pulled(&many, &[32]),
        &Settings::default(),
        &Outbox::disabled(Arc::new(SystemClock)),
        &Stop::default(),
        sink,
    );
    (end, many.len() as u64)
}

#[test]
fn a_sink_that_fails_ends_the_run_and_takes_nothing_from_the_others() {
    let (end, frames) = run_many(Box::new(Full(0)));
    conserved(&end);
    assert_eq!(end.finish, Finish::Errored);
    assert!(end.detail.as_ref().unwrap().contains("no space"), "{end:?}");
    assert!(end.rows.frames < frames, "it was not stopped");
    assert!(
        end.edges.iter().all(|edge| edge.discarded.is_empty()),
        "{end:?}"
    );
}

/// A sink with a defect.
struct Defective;

impl Sink for Defective {
    fn cell(&mut self, _: &Classified) -> Result<(), SinkError> {
        panic!("a defect, as this test wants it")
    }
}

#[test]
fn a_panic_ends_the_run_and_hangs_nothing() {
    let (end, _) = run_many(Box::new(Defective));
    assert_eq!(end.finish, Finish::Errored);
    assert!(
        end.detail.as_ref().unwrap().contains("the emitter"),
        "{end:?}"
    );
}
