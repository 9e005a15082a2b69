//! What can be watched of a run while it runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use senescope_hal::{Session, serial::ClockFit};

use super::{queue::Fill, watchdog::Seen};
use crate::{
    stages::{publish::Depth, record::Watch},
    telemetry::{Cost, Edge, EdgeCounts, FrameQuality, Latencies, LatencyReport, Spent},
};

/// What a board says of itself while it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoardReport {
    /// What it counts, by name.
    pub counters: BTreeMap<String, u64>,
    /// How its clock runs against the host's; `None` when they were not compared.
    pub clock: Option<ClockFit>,
}

impl BoardReport {
    /// What the board of `session` says now.
    pub(crate) fn of(session: &Session) -> Self {
        let counters = session.counters().into_iter();
        Self {
            counters: counters
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            clock: session.clock_fit(),
        }
    }
}

/// Counters and latencies of one run, shared between its threads and whoever watches.
#[derive(Debug)]
pub struct Monitor {
    /// Rows of strips, from the board to the frame.
    pub(crate) rows: Edge,
    /// Rows of strips that were sent to the analysis.
    pub(crate) rows_sent: AtomicU64,
    pub(crate) tiles: Arc<Edge>,
    pub(crate) tiles_fill: Arc<Fill>,
    pub(crate) verdicts: Edge,
    /// Cells with a label of an ensemble that can explain, to their maps.
    pub(crate) maps: Edge,
    /// What each stage has cost.
    pub(crate) spent: Spent,
    pub(crate) latencies: Mutex<Latencies>,
    /// Frames whose last row has been received.
    pub(crate) frames_received: AtomicU64,
    /// Frames whose results have been handed on, all of them.
    pub(crate) frames_done: AtomicU64,
    /// The recording, when there is one.
    pub(crate) recording: Option<Watch>,
    /// What the board counts, and how its clock runs.
    pub(crate) board: Mutex<BoardReport>,
    /// The last frame that ended, and what is wrong with it in words.
    pub(crate) quality: Mutex<(FrameQuality, Vec<String>)>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            rows: Edge::new("rows"),
            rows_sent: AtomicU64::new(0),
            tiles: Arc::new(Edge::new("tiles")),
            tiles_fill: Arc::default(),
            verdicts: Edge::new("verdicts"),
            maps: Edge::new("maps"),
            spent: Spent::default(),
            latencies: Mutex::default(),
            frames_received: AtomicU64::new(0),
            frames_done: AtomicU64::new(0),
            recording: None,
            board: Mutex::default(),
            quality: Mutex::default(),
        }
    }
}

impl Monitor {
    /// The counters of the pipeline's edges at this instant.
    pub fn edges(&self) -> Vec<EdgeCounts> {
        let recorded = self.recording.as_ref().map(Watch::edges);
        [&self.rows, &*self.tiles, &self.verdicts, &self.maps]
            .into_iter()
            .map(Edge::counts)
            .chain(recorded.into_iter().flatten())
            .collect()
    }

    /// The stages as a watchdog sees them, in the order of the journey.
    pub(crate) fn stages(&self) -> Vec<Seen> {
        let rows = self.rows.counts();
        // A label is published before its cell is handed to the sinks, with its maps: until then its memory is held.
        let held = self.tiles_fill.bytes.load(Ordering::Relaxed);
        let released = self.tiles_fill.released.load(Ordering::Relaxed);
        let recorded = self.recording.as_ref().map(Watch::progress);
        let (given, written) = recorded.unwrap_or_default();
        let seen = |stage, busy, done| Seen { stage, busy, done };
        vec![
            seen(
                "the analysis",
                self.rows_sent.load(Ordering::Relaxed) > rows.entered,
                rows.entered,
            ),
            seen(
                "the networks, or what takes their results",
                held > 0,
                self.verdicts.counts().entered + released,
            ),
            seen("the recorder", given > written, written),
        ]
    }

    /// How full the queue of tiles is.
    pub(crate) fn tiles_depth(&self, limit_bytes: usize) -> Depth {
        Depth {
            items: self.tiles_fill.waiting.load(Ordering::Relaxed),
            bytes: self.tiles_fill.bytes.load(Ordering::Relaxed),
            limit_bytes: limit_bytes as u64,
        }
    }

    /// The latencies so far.
    pub fn latency(&self) -> LatencyReport {
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .report()
    }

    /// How many of the first frames are done with: results handed on and, where runs are recorded, on the disk.
    pub(crate) fn frames_done(&self) -> u64 {
        let handed_on = self.frames_done.load(Ordering::Acquire);
        let durable = self.recording.as_ref().map_or(u64::MAX, Watch::durable);
        handed_on.min(durable)
    }

    /// The last frame that ended, and what is wrong with it in words.
    pub fn quality(&self) -> (FrameQuality, Vec<String>) {
        self.quality
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the board says of itself.
    pub fn board(&self) -> BoardReport {
        self.board
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What each part of the work has cost so far, by its name.
    pub fn spent(&self) -> BTreeMap<String, Cost> {
        self.spent.report()
    }

    /// Frames whose last row has been received.
    pub fn frames(&self) -> u64 {
        self.frames_received.load(Ordering::Relaxed)
    }
}
