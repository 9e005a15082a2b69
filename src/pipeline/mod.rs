//! Stage → thread: the wiring of a run, readable from top to bottom.
//!
//! ```text
//! board thread ─Rows→ analysis ─TileJob→ workers ─Step→ emitter (the caller's thread) → sinks
//! ```
//!
//! Every queue is bounded; `ARCHITECTURE.md` lists the bounds and what happens when each is full.
//! A run always drains: what was scanned before a stop or a failure of the board is classified and
//! handed to the sinks.

mod acquire;
mod analyse;
mod classify;
mod emit;
mod execute;
mod fan;
mod last_frame;
mod machine;
mod monitor;
mod publish_sink;
mod queue;
mod record_sink;
mod reprocess;
mod sink;
mod tiles;
mod watchdog;

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    thread,
    time::Duration,
};

use crossbeam_channel::bounded;
use senescope_hal::{Clock, ErrorKind, Pacing, RunSummary, ScanActual, Session};

use crate::{
    config::Effective,
    control::{
        Lifecycle, Stop,
        machine::{Event, Fault},
    },
    stages::{
        infer::{Ensemble, Worker},
        publish::RunReport,
        record::FrameTap,
    },
};
use acquire::Acquired;
use analyse::{Analysed, Analysis, Stages};
pub use analyse::{InForce, Skips, Unfit};
use classify::Surroundings;
use emit::Emitter;
pub use execute::{Ended, Execution, Looked, Refused, context};
use fan::Fan;
pub use last_frame::LastFrame;
pub use monitor::{BoardReport, Monitor};
use publish_sink::PublishSink;
pub use publish_sink::label_message;
use queue::{Policy, TileQueue};
use record_sink::RecordSink;
pub(crate) use record_sink::label_line;
pub use reprocess::Reprocessor;
pub use sink::{Classified, FrameEnd, Sink, SinkError, Viewer};
pub use tiles::tiles;

/// Messages between the board and the analysis: strips, bounded in bytes by their pool, and gaps.
const ROWS_WAITING: usize = 8192;
/// Results between the workers and the emitter; their memory counts against the queue of tiles.
const STEPS_WAITING: usize = 256;

/// A run that is ready: its session is armed.
struct Run<'a> {
    /// The armed session.
    session: &'a mut Session,
    /// What the session delivers.
    scan: &'a ScanActual,
    /// What classifies.
    ensemble: &'a Ensemble,
    /// What the analysis does.
    stages: Stages,
    /// One for each worker thread.
    workers: Vec<Worker>,
    /// With which it begins.
    settings: Arc<Effective>,
    /// The settings in force for a frame.
    in_force: InForce<'a>,
    /// Those who look on while rows come.
    viewers: &'a [&'a dyn Viewer],
    /// Publishes labels and maps.
    publisher: PublishSink,
    /// Takes the frames as they were acquired.
    tap: Option<FrameTap>,
    /// Cells that are not given to the networks.
    skips: &'a Skips,
    /// Where results go beside the publisher, in this order.
    sinks: &'a mut [Box<dyn Sink>],
    /// Asks the run to stop.
    stop: &'a Stop,
    /// Is told how far the run is.
    lifecycle: &'a Lifecycle,
    /// What can be watched while it runs.
    monitor: &'a Monitor,
    /// Host time.
    clock: &'a dyn Clock,
}

impl Run<'_> {
    /// Runs to the end of the source, to a stop, or to a failure, drains, and reports.
    fn run(self) -> (RunReport, Option<Cause>) {
        let height = self.scan.height;
        let Self {
            monitor,
            stop,
            lifecycle,
            ..
        } = self;
        let policy = match self.scan.pacing {
            Pacing::Live => {
                let patience = self.settings.engine.patience_s;
                Policy::ShedOldestFrame(Duration::from_secs_f64(patience))
            }
            Pacing::Pulled => Policy::Wait,
        };
        let queue = TileQueue::new(
            mebibytes(self.settings.limits.tiles_mib),
            policy,
            Arc::clone(&monitor.tiles),
            Arc::clone(&monitor.tiles_fill),
        );
        let (to_analysis, rows) = bounded(ROWS_WAITING);
        let (to_emitter, steps) = bounded(STEPS_WAITING);
        let analysis = Analysis {
            clock: self.clock,
            scan: self.scan,
            queue: &queue,
            steps: to_emitter.clone(),
            stages: self.stages,
            settings: Arc::clone(&self.settings),
            in_force: self.in_force,
            viewers: self.viewers,
            images: self.sinks.iter().any(|sink| sink.wants_images()),
            monitor,
            tap: self.tap,
            skips: self.skips,
        };
        let emitter = Emitter {
            clock: self.clock,
            publisher: self.publisher,
            release: &|bytes| queue.release(bytes),
            verdicts: &monitor.verdicts,
            maps: &monitor.maps,
            spent: &monitor.spent,
            latencies: &monitor.latencies,
            frames_received: &monitor.frames_received,
            frames_done: &monitor.frames_done,
            quality: &monitor.quality,
            settings: Arc::clone(&self.settings),
            stop,
        };
        let Self {
            ensemble,
            clock,
            session,
            sinks,
            workers,
            settings,
            ..
        } = self;
        let settings = &*settings;
        let fan = Fan::new(&queue, ensemble, to_emitter, clock, workers.len());
        let fan = Arc::new(fan);
        let (acquired, analysed, emitted, workers_whole) = thread::scope(|scope| {
            let queue = &queue;
            let board = scope.spawn(move || {
                let scanning = || lifecycle.tell(Event::Scanning);
                let acquired =
                    acquire::acquire(session, &to_analysis, stop, monitor, height, &scanning);
                if acquired.stopped {
                    lifecycle.tell(Event::Stop);
                }
                if acquired.error.is_some() {
                    lifecycle.tell(Event::Failed(Fault::Board));
                }
                lifecycle.tell(Event::Scanned);
                acquired
            });
            let analysis = scope.spawn(move || analysis.run(&rows));
            let workers: Vec<_> = workers
                .into_iter()
                .map(|worker| {
                    let fan = Arc::clone(&fan);
                    scope.spawn(move || {
                        let surroundings = Surroundings {
                            ensemble,
                            settings,
                            clock,
                            spent: &monitor.spent,
                        };
                        classify::work(worker, &surroundings, &fan);
                    })
                })
                .collect();
            // The last worker takes the way to the emitter with it.
            drop(fan);
            // Gone with the emitter, whichever way that ends: nobody may wait for it.
            let steps = steps;
            let emitted = panic::catch_unwind(AssertUnwindSafe(|| emitter.run(&steps, sinks)));
            drop(steps);
            if emitted.is_err() {
                queue.close();
                stop.ask();
                if let Some(recording) = &monitor.recording {
                    recording.abandon();
                }
            }
            // Every thread is joined before any is judged.
            let workers: Vec<_> = workers
                .into_iter()
                .map(|worker| worker.join().is_ok())
                .collect();
            (
                board.join().ok(),
                analysis.join().ok(),
                emitted.ok(),
                workers.into_iter().all(|whole| whole),
            )
        });
        let defect = match (&acquired, &analysed, &emitted, workers_whole) {
            (None, ..) => Some("the board's thread"),
            (_, None, ..) => Some("the analysis"),
            (.., None, _) => Some("the emitter"),
            (.., false) => Some("a worker"),
            _ => None,
        };
        if acquired.is_none() {
            lifecycle.tell(Event::Scanned);
        }
        let acquired = acquired.unwrap_or(Acquired {
            summary: None,
            error: None,
            stopped: false,
        });
        let Analysed { rows, lost } = analysed.unwrap_or_default();
        let (detail, cause) = if let Some(who) = defect {
            lifecycle.tell(Event::Failed(Fault::Defect));
            let sentence = format!("{who} failed by a defect of this program; the log says where");
            (Some(sentence), Some(Cause::Defect))
        } else if let Some(Err(error)) = emitted {
            lifecycle.tell(Event::Failed(Fault::Sink));
            (Some(error.to_string()), Some(Cause::Sink))
        } else if let Some(error) = acquired.error {
            (Some(error.to_string()), Some(Cause::Board(error.kind())))
        } else {
            (None, None)
        };
        let report = RunReport {
            finish: lifecycle.finish(),
            detail,
            rows: acquired.summary.unwrap_or(RunSummary {
                frames: rows.frames,
                rows_scanned: rows.delivered + lost.values().sum::<u64>(),
                rows_delivered: rows.delivered,
                rows_lost: lost.values().sum(),
            }),
            gaps: lost,
            edges: monitor.edges(),
        };
        (report, cause)
    }
}

/// Why a run did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The board failed in this way.
    Board(ErrorKind),
    /// Results could not be handed on.
    Sink,
    /// The run went on without its recording.
    Recording,
    /// A part of this program panicked.
    Defect,
}

/// Runs when it is dropped by a panic: the other threads must not wait for the one that panicked.
struct Closing<F: FnMut()>(F);

impl<F: FnMut()> Drop for Closing<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}

fn mebibytes(mib: u32) -> usize {
    (mib as usize) << 20
}
