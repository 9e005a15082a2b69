//! Metrics, as OpenMetrics has them. What a run counts is added up over the runs of this process.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use senescope_hal::GapCause;
use serde::Serialize;

use crate::{
    domain::Label,
    recording::RecordingFailure,
    stages::publish::{
        Depth, Finish, Kind, LabelMessage, Published, Run, RunState, Stat, message::decode,
    },
    telemetry::{Discard, EdgeCounts},
};

/// Upper bounds of the buckets of latencies, in seconds: from a millisecond to a minute.
const BUCKETS: [f64; 15] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0,
];

type One = [(&'static str, String); 1];
type Two = [(&'static str, String); 2];

/// What is counted, and how it is told.
pub(super) struct Metrics {
    registry: Registry,
    labels: Family<One, Counter>,
    edges: Family<Two, Counter>,
    discarded: Family<Two, Counter>,
    rows_lost: Family<One, Counter>,
    frames: Counter,
    runs: Family<One, Counter>,
    board: Family<One, Counter>,
    latency: Family<One, Histogram, fn() -> Histogram>,
    stage_cpu: Family<One, Counter<f64, AtomicU64>>,
    stage_wall: Family<One, Counter<f64, AtomicU64>>,
    stage_items: Family<One, Counter>,
    queue_bytes: Family<One, Gauge>,
    queue_limit_bytes: Family<One, Gauge>,
    state: Family<One, Gauge>,
    model: Family<One, Gauge>,
    shed: Gauge,
    warnings: Gauge,
    recording_failed: Family<One, Gauge>,
    pages: Gauge,
    missed: Counter,
    /// What the present run has counted so far, and the board since it was opened.
    so_far: Mutex<BTreeMap<String, u64>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn latencies() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// Nothing is counted yet.
    pub(super) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            labels: Family::default(),
            edges: Family::default(),
            discarded: Family::default(),
            rows_lost: Family::default(),
            frames: Counter::default(),
            runs: Family::default(),
            board: Family::default(),
            latency: Family::new_with_constructor(latencies),
            stage_cpu: Family::default(),
            stage_wall: Family::default(),
            stage_items: Family::default(),
            queue_bytes: Family::default(),
            queue_limit_bytes: Family::default(),
            state: Family::default(),
            model: Family::default(),
            shed: Gauge::default(),
            warnings: Gauge::default(),
            recording_failed: Family::default(),
            pages: Gauge::default(),
            missed: Counter::default(),
            so_far: Mutex::default(),
        };
        let mut registry = Registry::with_prefix("senescope");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        registry.register(
            "labels",
            "Cells with a label, by label",
            metrics.labels.clone(),
        );
        registry.register(
            "edge_items",
            "Items that went in and came out of an edge of the pipeline",
            metrics.edges.clone(),
        );
        registry.register(
            "edge_discarded",
            "Items that were discarded on an edge of the pipeline, by reason",
            metrics.discarded.clone(),
        );
        registry.register(
            "rows_lost",
            "Rows that did not come, by cause; told at the end of a run",
            metrics.rows_lost.clone(),
        );
        registry.register(
            "frames",
            "Frames whose last row came",
            metrics.frames.clone(),
        );
        registry.register("runs", "Runs that ended, by how", metrics.runs.clone());
        registry.register(
            "board_events",
            "What the board counts, by name: repairs of its link, files that were taken, and so on",
            metrics.board.clone(),
        );
        registry.register_with_unit(
            "label_latency",
            "From the scan of the row that decided a cell to the end of each stage",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        registry.register_with_unit(
            "stage_cpu",
            "Processor time of a part of the work",
            Unit::Seconds,
            metrics.stage_cpu.clone(),
        );
        registry.register_with_unit(
            "stage_wall",
            "Time by the clock of a part of the work",
            Unit::Seconds,
            metrics.stage_wall.clone(),
        );
        registry.register(
            "stage_items",
            "How often a part of the work was done: strips, rows, cells, members on cells",
            metrics.stage_items.clone(),
        );
        registry.register_with_unit(
            "queue",
            "Waiting in a queue",
            Unit::Bytes,
            metrics.queue_bytes.clone(),
        );
        registry.register_with_unit(
            "queue_limit",
            "Most that may wait in a queue",
            Unit::Bytes,
            metrics.queue_limit_bytes.clone(),
        );
        registry.register(
            "run_state",
            "1 for where the daemon is",
            metrics.state.clone(),
        );
        registry.register(
            "model",
            "1 for the ensemble of the present or the last run, by the digest of its manifest",
            metrics.model.clone(),
        );
        registry.register(
            "messages_shed",
            "Messages that were shed before the sockets since the daemon started",
            metrics.shed.clone(),
        );
        registry.register(
            "warnings",
            "Warnings of the last frame, which the live page has in words",
            metrics.warnings.clone(),
        );
        registry.register(
            "recording_failed",
            "1 for why the recording of the present or the last run ended before it",
            metrics.recording_failed.clone(),
        );
        registry.register("pages", "Live pages that are open", metrics.pages.clone());
        registry.register(
            "page_messages_missed",
            "Messages that were not counted here because this task was too slow",
            metrics.missed.clone(),
        );
        metrics.registry = registry;
        metrics.begin_at_zero();
        metrics
    }

    /// What has not happened yet is zero: an alert sees the first time as an increase.
    fn begin_at_zero(&self) {
        for label in Label::ALL {
            let of = [("label", label.as_str().to_owned())];
            self.labels.get_or_create(&of).inc_by(0);
        }
        use Finish::{Cancelled, Completed, Errored, Incomplete};
        for finish in [Completed, Cancelled, Incomplete, Errored] {
            let of = [("finish", word(&finish))];
            self.runs.get_or_create(&of).inc_by(0);
        }
        use GapCause::{BoardOverrun, DeviceReset, HostBackPressure, Link, SourceIncomplete};
        for cause in [
            BoardOverrun,
            HostBackPressure,
            Link,
            DeviceReset,
            SourceIncomplete,
        ] {
            let of = [("cause", word(&cause))];
            self.rows_lost.get_or_create(&of).inc_by(0);
        }
        use RecordingFailure::{Defect, Disk, DiskFull, DiskTooSlow};
        for failure in [DiskFull, DiskTooSlow, Disk, Defect] {
            let of = [("failure", word(&failure))];
            self.recording_failed.get_or_create(&of).set(0);
        }
    }

    /// Messages went by uncounted.
    pub(super) fn missed(&self, messages: u64) {
        self.missed.inc_by(messages);
    }

    /// A page was opened, or closed.
    pub(super) fn pages(&self, change: i64) {
        self.pages.inc_by(change);
    }

    /// Counts what a published message tells.
    pub(super) fn take(&self, message: &Published) {
        match message.kind {
            Kind::Label => {
                if let Ok(label) = decode::<LabelMessage>(&message.header) {
                    self.label(&label.body);
                }
            }
            Kind::Stat => {
                if let Ok(stat) = decode::<Stat>(&message.header) {
                    self.stat(&stat.body);
                }
            }
            Kind::Run => {
                if let Ok(run) = decode::<Run>(&message.header) {
                    self.run(&run.body, run.header.model.as_deref());
                }
            }
            Kind::Cam | Kind::Hb => {}
        }
    }

    fn label(&self, label: &LabelMessage) {
        let of = [("label", label.label.as_str().to_owned())];
        self.labels.get_or_create(&of).inc();
        for (stage, ns) in &label.latency_ns {
            let of = [("stage", stage.clone())];
            self.latency.get_or_create(&of).observe(*ns as f64 / 1e9);
        }
    }

    fn stat(&self, stat: &Stat) {
        self.edges(&stat.edges);
        self.warnings.set(signed(stat.warnings.len() as u64));
        if let Some(failure) = stat.recording.as_ref().and_then(|each| each.failure) {
            let of = [("failure", word(&failure))];
            self.recording_failed.get_or_create(&of).set(1);
        }
        let more = self.more("frames", stat.frames);
        self.frames.inc_by(more);
        for (name, count) in &stat.board {
            let more = self.more(&format!("board {name}"), *count);
            let of = [("event", name.clone())];
            self.board.get_or_create(&of).inc_by(more);
        }
        for (stage, cost) in &stat.spent {
            let of = [("stage", stage.clone())];
            let more = |what: &str, count| self.more(&format!("{stage} {what}"), count);
            let seconds = |what, ns| more(what, ns) as f64 / 1e9;
            self.stage_cpu
                .get_or_create(&of)
                .inc_by(seconds("cpu", cost.cpu_ns));
            self.stage_wall
                .get_or_create(&of)
                .inc_by(seconds("wall", cost.wall_ns));
            self.stage_items
                .get_or_create(&of)
                .inc_by(more("items", cost.count));
        }
        for (
            name,
            Depth {
                bytes, limit_bytes, ..
            },
        ) in &stat.queues
        {
            let of = [("queue", name.clone())];
            self.queue_bytes.get_or_create(&of).set(signed(*bytes));
            self.queue_limit_bytes
                .get_or_create(&of)
                .set(signed(*limit_bytes));
        }
    }

    fn run(&self, run: &Run, model: Option<&str>) {
        match run {
            Run::Start(_) => {
                let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
                // The board counts on.
                so_far.retain(|name, _| name.starts_with("board "));
                self.model.clear();
                self.warnings.set(0);
                self.begin_at_zero();
                let of = [("digest", model.unwrap_or_default().to_owned())];
                self.model.get_or_create(&of).set(1);
            }
            Run::Settings(_) => {}
            Run::End(end) => {
                self.edges(&end.edges);
                for (cause, rows) in &end.gaps {
                    let of = [("cause", word(cause))];
                    self.rows_lost.get_or_create(&of).inc_by(*rows);
                }
                let of = [("finish", word(&end.finish))];
                self.runs.get_or_create(&of).inc();
            }
        }
    }

    fn edges(&self, edges: &[EdgeCounts]) {
        for edge in edges {
            for (way, count) in [("in", edge.entered), ("out", edge.left)] {
                let more = self.more(&format!("{} {way}", edge.name), count);
                let of = [("edge", edge.name.clone()), ("way", way.to_owned())];
                self.edges.get_or_create(&of).inc_by(more);
            }
            for reason in Discard::ALL {
                let count = edge.discarded.get(&reason).copied().unwrap_or_default();
                let reason = reason.as_str();
                let more = self.more(&format!("{} {reason}", edge.name), count);
                let of = [("edge", edge.name.clone()), ("reason", reason.to_owned())];
                self.discarded.get_or_create(&of).inc_by(more);
            }
        }
    }

    /// How many were added to what is counted under `name`.
    fn more(&self, name: &str, count: u64) -> u64 {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        match so_far.insert(name.to_owned(), count) {
            // A count that went back began anew.
            Some(before) if before <= count => count - before,
            _ => count,
        }
    }

    /// All of it as text.
    pub(super) fn text(&self, state: RunState, shed: u64) -> Result<String, fmt::Error> {
        for each in RunState::ALL {
            let of = [("state", each.as_str().to_owned())];
            self.state.get_or_create(&of).set((each == state).into());
        }
        self.shed.set(signed(shed));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The name under which a value is published.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
