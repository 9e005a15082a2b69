//! One run from the request to the run's end message: configure, refuse or arm, run, drain, report.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, bounded, select, tick};
use senescope_hal::{Clock, HalError, ScanActual, ScanRequest, Session};

use super::{
    BoardReport, Cause, InForce, Monitor, PublishSink, RecordSink, Run, Sink, SinkError, Skips,
    Unfit, Viewer, acquire, analyse::Stages, machine, mebibytes, watchdog::Watchdog,
};
use crate::{
    config::Effective,
    control::{Lifecycle, machine::Event},
    recording::Context,
    stages::{
        infer::{Ensemble, EnsembleError},
        publish::{CLASSES, MessageError, Outbox, RunEnd, RunIdentity, RunStart, Stat},
        record::{OnFailure, Plan, Prepared, RecordError, Recorder, Watch},
    },
};

/// Time between two `stat` messages, and two looks at the stages.
const STAT_SPAN: Duration = Duration::from_secs(1);

/// Who is shown a run, and told which stage is stuck.
pub type Looked<'a> = dyn Fn(&Monitor, Option<&str>) + Sync + 'a;

/// Everything that a run needs.
pub struct Execution<'a> {
    /// An open session.
    pub session: &'a mut Session,
    /// What is asked of the board.
    pub request: &'a ScanRequest,
    /// What classifies.
    pub ensemble: &'a Ensemble,
    /// The settings with which the run begins.
    pub settings: Arc<Effective>,
    /// The settings in force for a frame, asked when its first row comes.
    pub in_force: InForce<'a>,
    /// Those who look on while rows come.
    pub viewers: &'a [&'a dyn Viewer],
    /// Where messages go.
    pub outbox: &'a Outbox,
    /// Is told how far the run is, and stops it.
    pub lifecycle: &'a Lifecycle,
    /// Host time.
    pub clock: &'a dyn Clock,
    /// When the run starts, for people: UTC, RFC 3339.
    pub started_utc: Option<String>,
    /// Whether the run is recorded when the settings say so: a replay is not.
    pub recorded: bool,
    /// Is shown the run every second, and told which stage, if any, has made no progress for longer than
    /// `control.watchdog_s`.
    pub looked: &'a Looked<'a>,
    /// Cells that are not given to the networks, because they were not when the frames were acquired.
    pub skips: &'a Skips,
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
    /// It cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
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
        let arming = Arming(Some(self.lifecycle));
        let stop = &self.lifecycle.run_stop();
        // Also setting up may take long: a watched folder waits for its first file.
        if let Ok(interrupter) = self.session.interrupter() {
            stop.wakes(interrupter);
        }
        let scan = self.session.configure(self.request)?;
        let stages = Stages::new(&scan, self.ensemble.manifest(), &self.settings)?;
        let mut sinks = sinks(&scan)?;
        let start = self.start_message(&scan);
        let prepared = if self.recorded && self.settings.record.enabled {
            let plan = plan(self.ensemble, &self.settings, &scan, start.clone());
            Some(Prepared::new(plan)?)
        } else {
            None
        };
        let publisher = PublishSink {
            outbox: self.outbox.clone(),
            pixel_size_um: scan.pixel_size_um,
        };
        let workers = (0..self.settings.engine.workers())
            .map(|_| self.ensemble.worker())
            .collect::<Result<_, _>>()?;
        let run = self.session.arm()?;
        let recorder = match prepared.map(|prepared| prepared.begin(run)).transpose() {
            Ok(recorder) => recorder,
            Err(error) => {
                // Nothing was scanned: how the board ends the run does not matter any more.
                let _ = self.session.disarm();
                return Err(error.into());
            }
        };
        let folder = recorder
            .as_ref()
            .map(|recorder| recorder.folder().to_owned());
        self.lifecycle.set_recording(folder);
        if let Some(recorder) = &recorder {
            sinks.push(Box::new(RecordSink {
                tap: recorder.labels(),
                pixel_size_um: scan.pixel_size_um,
                began: Arc::clone(&self.settings),
                lifecycle: self.lifecycle.clone(),
                told: false,
            }));
        }
        arming.done();
        self.outbox.run_start(
            RunIdentity {
                run,
                model: self.ensemble.digest().to_owned(),
                config: self.settings.digest().to_owned(),
            },
            start,
        )?;
        let monitor = Monitor {
            recording: recorder.as_ref().map(Recorder::watch),
            ..Monitor::default()
        };
        let tiles_limit = mebibytes(self.settings.limits.tiles_mib);
        let (done, ended) = bounded::<()>(0);
        let tap = recorder.as_ref().map(Recorder::frames);
        let (mut report, mut cause, mut recorded) = std::thread::scope(|scope| {
            let outbox = self.outbox;
            let watched = &monitor;
            let (clock, looked) = (self.clock, self.looked);
            let mut dog = Watchdog::new(Duration::from_secs(self.settings.control.watchdog_s));
            scope.spawn(move || {
                every_second(&ended, || {
                    looked(watched, dog.look(clock.now(), &watched.stages()));
                    if let Err(error) = outbox.stat(stat(watched, tiles_limit)) {
                        tracing::error!(%error, "a stat message is lost");
                    }
                });
            });
            let (report, cause) = Run {
                session: self.session,
                scan: &scan,
                ensemble: self.ensemble,
                stages,
                workers,
                settings: Arc::clone(&self.settings),
                in_force: self.in_force,
                viewers: self.viewers,
                publisher,
                tap,
                skips: self.skips,
                sinks: &mut sinks,
                stop,
                lifecycle: self.lifecycle,
                monitor: &monitor,
                clock: self.clock,
            }
            .run();
            // Its taps among them: the recorder waits for the last to be gone.
            drop(sinks);
            let recorded = recorder.map(Recorder::close);
            // Until here a disk that stands still is noticed.
            drop(done);
            (report, cause, recorded)
        });
        if let Some(recorded) = &recorded {
            report.edges = monitor.edges();
            if let Some(failure) = recorded.failure() {
                cause = cause.or(Some(Cause::Recording));
                let stops = match self.settings.record.on_failure {
                    OnFailure::Continue => "",
                    OnFailure::Stop => ", and the run with it (`record.on_failure`)",
                };
                let detail = format!("the recording has ended early{stops}: {}", failure.detail);
                report.detail.get_or_insert(detail);
            }
        }
        // What was classified while the run drained.
        acquire::acknowledge(self.session, monitor.frames_done());
        self.outbox.stat(stat(&monitor, tiles_limit))?;
        let end = self.outbox.run_end(report)?;
        if let Some(recorded) = &mut recorded {
            recorded.conclude(&end);
            if recorded.failure().is_some() {
                cause = cause.or(Some(Cause::Recording));
            }
        }
        self.lifecycle.tell(Event::Drained);
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
}

/// Does something every second until `ended` is closed.
fn every_second(ended: &Receiver<()>, mut what: impl FnMut()) {
    let ticks = tick(STAT_SPAN);
    loop {
        select! {
            recv(ended) -> _ => return,
            recv(ticks) -> _ => what(),
        }
    }
}

/// Until it is done, a way out means that the board is not armed.
struct Arming<'a>(Option<&'a Lifecycle>);

impl Arming<'_> {
    fn done(mut self) {
        if let Some(lifecycle) = self.0.take() {
            lifecycle.tell(Event::Armed);
        }
    }
}

impl Drop for Arming<'_> {
    fn drop(&mut self) {
        if let Some(lifecycle) = self.0 {
            lifecycle.tell(Event::NotArmed);
        }
    }
}

fn plan<'a>(
    ensemble: &Ensemble,
    settings: &'a Effective,
    scan: &'a ScanActual,
    start: RunStart,
) -> Plan<'a> {
    Plan {
        settings: &settings.record,
        limit_bytes: mebibytes(settings.limits.record_mib),
        scan,
        context: context(ensemble, settings),
        // Settings were read from text, so they have a JSON form.
        effective: serde_json::to_value(&**settings).unwrap_or_default(),
        start,
    }
}

/// What decides what is said about a frame.
pub fn context(ensemble: &Ensemble, settings: &Effective) -> Context {
    Context {
        model: ensemble.digest().to_owned(),
        config: settings.digest().to_owned(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        engine: ensemble.engine().to_string(),
        machine: machine::name(),
    }
}

fn stat(monitor: &Monitor, tiles_limit: usize) -> Stat {
    let latency = monitor.latency();
    let (quality, warnings) = monitor.quality();
    let BoardReport { counters, clock } = monitor.board();
    Stat {
        board: counters,
        recording: monitor.recording.as_ref().map(Watch::report),
        clock,
        quality,
        warnings,
        frames: monitor.frames(),
        labels_before_frame_end: latency.before_frame_end,
        edges: monitor.edges(),
        latency: latency.stages,
        spent: monitor.spent(),
        queues: [("tiles".to_owned(), monitor.tiles_depth(tiles_limit))].into(),
    }
}
