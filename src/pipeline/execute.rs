//! One run from the request to the run's end message: configure, refuse or arm, run, drain, report.

use std::{sync::atomic::Ordering, time::Duration};

use crossbeam_channel::{Receiver, bounded, select, tick};
use senescope_hal::{Clock, HalError, ScanActual, ScanRequest, Session};

use super::{
    BoardReport, Cause, Monitor, Run, Sink, SinkError, Stop, Unfit, acquire, analyse::Stages,
    mebibytes, publish_sink::PublishSink,
};
use crate::{
    config::{self, Settings},
    stages::{
        infer::{Ensemble, EnsembleError},
        publish::{
            CLASSES, Finish, MessageError, Outbox, RunEnd, RunIdentity, RunStart, RunState, Stat,
        },
    },
};

/// Time between two `stat` messages.
const STAT_SPAN: Duration = Duration::from_secs(1);

/// Everything that a run needs.
pub struct Execution<'a> {
    /// An open session.
    pub session: &'a mut Session,
    /// What is asked of the board.
    pub request: &'a ScanRequest,
    /// What classifies.
    pub ensemble: &'a Ensemble,
    /// The effective settings.
    pub settings: &'a Settings,
    /// Where messages go.
    pub outbox: &'a Outbox,
    /// Asks the run to stop.
    pub stop: &'a Stop,
    /// Host time.
    pub clock: &'a dyn Clock,
    /// When the run starts, for people: UTC, RFC 3339.
    pub started_utc: Option<String>,
}

/// Why a run was not started, or its end could not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The board cannot do it.
    #[error(transparent)]
    Board(#[from] HalError),
    /// The scan does not fit the ensemble or the settings.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Results would have nowhere to go.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The ensemble cannot run.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// A message of the run cannot be made.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// What was published of its end.
    pub end: RunEnd,
    /// Its counters and latencies.
    pub monitor: Monitor,
    /// Why it did not complete; `None` when it did, or was asked to stop.
    pub cause: Option<Cause>,
}

impl Execution<'_> {
    /// Runs to the end. `sinks` makes what takes the results besides the publisher, knowing the scan.
    ///
    /// # Errors
    /// [`Refused`] when the run cannot begin. A run that began always has an end, which says how it went.
    pub fn run(
        self,
        sinks: impl FnOnce(&ScanActual) -> Result<Vec<Box<dyn Sink>>, SinkError>,
    ) -> Result<Ended, Refused> {
        // Also setting up may take long: a watched folder waits for its first file.
        if let Ok(interrupter) = self.session.interrupter() {
            self.stop.wakes(interrupter);
        }
        let scan = self.session.configure(self.request)?;
        let stages = Stages::new(&scan, self.ensemble.manifest(), self.settings)?;
        let others = sinks(&scan)?;
        let publisher: Box<dyn Sink> = Box::new(PublishSink {
            outbox: self.outbox.clone(),
            pixel_size_um: scan.pixel_size_um,
        });
        let mut sinks: Vec<_> = [publisher].into_iter().chain(others).collect();
        let workers = (0..super::threads(self.settings))
            .map(|_| self.ensemble.worker())
            .collect::<Result<_, _>>()?;
        let run = self.session.arm()?;
        self.outbox.set_state(RunState::Armed);
        self.outbox.run_start(
            RunIdentity {
                run,
                model: self.ensemble.digest().to_owned(),
                config: config::digest(self.settings),
            },
            self.start_message(&scan),
        )?;
        let monitor = Monitor::default();
        let tiles_limit = mebibytes(self.settings.limits.tiles_mib);
        self.outbox.set_state(RunState::Running);
        let (done, ended) = bounded::<()>(0);
        let (report, cause) = std::thread::scope(|scope| {
            let outbox = self.outbox;
            let watched = &monitor;
            scope.spawn(move || Self::tell_every_second(outbox, watched, tiles_limit, &ended));
            let ended = Run {
                session: self.session,
                scan: &scan,
                ensemble: self.ensemble,
                stages,
                workers,
                settings: self.settings,
                sinks: &mut sinks,
                stop: self.stop,
                scanned: &|| self.outbox.set_state(RunState::Draining),
                monitor: &monitor,
                clock: self.clock,
            }
            .run();
            drop(done);
            ended
        });
        // What was classified while the run drained.
        acquire::acknowledge(self.session, monitor.frames_done.load(Ordering::Acquire));
        self.outbox.stat(stat(&monitor, tiles_limit))?;
        let end = self.outbox.run_end(report)?;
        self.outbox.set_state(match end.finish {
            Finish::Completed | Finish::Cancelled => RunState::Idle,
            Finish::Incomplete | Finish::Errored => RunState::Fault,
        });
        Ok(Ended {
            end,
            monitor,
            cause,
        })
    }

    fn start_message(&self, scan: &ScanActual) -> RunStart {
        let manifest = self.ensemble.manifest();
        RunStart {
            // The order of `p` in labels, whatever the order of the manifest.
            classes: CLASSES.map(str::to_owned).into(),
            members: manifest
                .members
                .iter()
                .map(|member| member.name.clone())
                .collect(),
            channels: scan.channels.clone(),
            pixel_size_um: scan.pixel_size_um,
            scan: scan.clone(),
            // A manifest was read from JSON, so it has a JSON form.
            ensemble: serde_json::to_value(manifest).unwrap_or_default(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            started_utc: self.started_utc.clone(),
        }
    }

    /// Publishes counters every second until `ended` is closed.
    fn tell_every_second(
        outbox: &Outbox,
        monitor: &Monitor,
        tiles_limit: usize,
        ended: &Receiver<()>,
    ) {
        let ticks = tick(STAT_SPAN);
        loop {
            select! {
                recv(ended) -> _ => return,
                recv(ticks) -> _ => {
                    if let Err(error) = outbox.stat(stat(monitor, tiles_limit)) {
                        tracing::error!(%error, "a stat message is lost");
                    }
                }
            }
        }
    }
}

fn stat(monitor: &Monitor, tiles_limit: usize) -> Stat {
    let latency = monitor.latency();
    let (quality, warnings) = monitor.quality();
    let BoardReport { counters, clock } = monitor.board();
    Stat {
        board: counters,
        clock,
        quality,
        warnings,
        frames: monitor.frames(),
        labels_before_frame_end: latency.before_frame_end,
        edges: monitor.edges(),
        latency: latency.stages,
        queues: [("tiles".to_owned(), monitor.tiles_depth(tiles_limit))].into(),
    }
}
