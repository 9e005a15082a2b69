//! Counters and signs of life.

use std::{collections::BTreeMap, fmt};

use senescope_hal::serial::ClockFit;
use serde::{Deserialize, Serialize};

use crate::{
    stages::{publish::message::Kind, record::RecordingReport},
    telemetry::{Cost, EdgeCounts, FrameQuality, Percentiles},
};

/// How full a queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Items waiting.
    pub items: u64,
    /// Bytes waiting.
    pub bytes: u64,
    /// Most bytes that may wait.
    pub limit_bytes: u64,
}

/// Counters of the pipeline: every second, and at the end of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    /// Frames whose last row has been received in this run.
    pub frames: u64,
    /// Labels of this run that left before the last row of their frame had been received.
    pub labels_before_frame_end: u64,
    /// Every edge of the pipeline.
    pub edges: Vec<EdgeCounts>,
    /// Latency of the run's labels by stage.
    pub latency: BTreeMap<String, Percentiles>,
    /// What each part of the work of the run has cost.
    #[serde(default)]
    pub spent: BTreeMap<String, Cost>,
    /// Queues.
    pub queues: BTreeMap<String, Depth>,
    /// The cells of the last frame that ended; empty before there is one.
    pub quality: FrameQuality,
    /// What is wrong with that frame, in words.
    pub warnings: Vec<String>,
    /// What the board counts since it was opened, by name: repairs of its link, files that were taken, and so on.
    pub board: BTreeMap<String, u64>,
    /// How the recording of the run goes; null when it is not recorded.
    pub recording: Option<RecordingReport>,
    /// How the board's clock runs against this host's; null when they were not compared.
    pub clock: Option<ClockFit>,
}

/// Where the daemon is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Nothing runs.
    #[default]
    Idle,
    /// A run is prepared.
    Armed,
    /// Scanning.
    Running,
    /// The scan is over; what was scanned is being classified.
    Draining,
    /// The run failed.
    Fault,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Idle,
        Self::Armed,
        Self::Running,
        Self::Draining,
        Self::Fault,
    ];

    /// The name that is published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Armed => "armed",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Fault => "fault",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Connected subscribers, as the sockets see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listeners {
    /// Of labels.
    pub labels: u64,
    /// Of maps.
    pub maps: u64,
}

/// Sign of life, every second. The first one that arrives proves that a subscription is live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The last number of each kind that was assigned before this message; 0 for none.
    pub last_seq: BTreeMap<Kind, u64>,
    /// Messages shed before the sockets since the daemon started.
    pub shed: u64,
    /// Where the daemon is.
    pub state: RunState,
    /// Connected subscribers.
    pub listeners: Listeners,
}
