//! Start and end of a run.

use std::collections::BTreeMap;

use senescope_hal::{ChannelInfo, GapCause, RunSummary, ScanActual};
use serde::{Deserialize, Serialize};

use crate::{stages::publish::message::Kind, telemetry::EdgeCounts};

/// What a subscriber must know to read a run's labels and maps. Published with `phase: "start"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStart {
    /// Names of the classes: the order of `p` and `p_raw` in labels.
    pub classes: Vec<String>,
    /// Names of the members: the order of the rows of `members` in labels.
    pub members: Vec<String>,
    /// The channels of the scan.
    pub channels: Vec<ChannelInfo>,
    /// Edge of a pixel in µm.
    pub pixel_size_um: f64,
    /// What the board delivers.
    pub scan: ScanActual,
    /// The ensemble's manifest.
    pub ensemble: serde_json::Value,
    /// Version of this program.
    pub software: String,
    /// Start of the run in UTC, RFC 3339, for people; null when unknown.
    pub started_utc: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// Everything that was asked for was scanned.
    Completed,
    /// Somebody stopped it.
    Cancelled,
    /// The source ended early.
    Incomplete,
    /// A device or a stage failed.
    Errored,
}

/// What the pipeline knows at the end of a run. The outbox adds the totals of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// How it ended.
    pub finish: Finish,
    /// A sentence for people; `None` when there is nothing to say.
    pub detail: Option<String>,
    /// What the board says that it delivered and lost.
    pub rows: RunSummary,
    /// Rows that did not arrive, by cause.
    pub gaps: BTreeMap<GapCause, u64>,
    /// The edges of the pipeline before the publisher.
    pub edges: Vec<EdgeCounts>,
}

/// How many messages of one kind a run had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Numbers that were assigned.
    pub assigned: u64,
    /// The last number that was assigned; 0 when none was. The first is `last_seq - assigned + 1`.
    pub last_seq: u64,
    /// Messages given to the socket: what a subscriber that was always there and fast enough has.
    pub sent: u64,
    /// Messages shed before the socket.
    pub shed: u64,
}

/// Totals of a run, from which a subscriber proves that it has everything. Published with `phase: "end"`,
/// after every label and map of the run was given to its socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// How the run ended.
    pub finish: Finish,
    /// A sentence for people.
    pub detail: Option<String>,
    /// `label`, `cam` and `stat`: how many there were.
    pub totals: BTreeMap<Kind, Total>,
    /// What the board says that it delivered and lost.
    pub rows: RunSummary,
    /// Rows that did not arrive, by cause.
    pub gaps: BTreeMap<GapCause, u64>,
    /// Every edge of the pipeline: `in = out + discarded`.
    pub edges: Vec<EdgeCounts>,
}

/// Settings were changed while the run goes on. Published with `phase: "settings"`, in front of the first label of the
/// first frame that they are in force for; the header's `config` is theirs from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSettings {
    /// The first frame that they are in force for.
    pub frame: u64,
    /// The keys that differ from those with which the run began, with their values; none when they are back.
    pub changed: BTreeMap<String, serde_json::Value>,
}

/// A message of kind `run`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Run {
    /// The run begins.
    Start(RunStart),
    /// Settings were changed.
    Settings(RunSettings),
    /// The run is over; nothing of it follows.
    End(RunEnd),
}
