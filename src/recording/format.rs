//! What is in the files of a recording, as types.
//!
//! Field names and types are a contract: other programs read them.

use std::collections::BTreeMap;

use senescope_hal::{FrameSource, GapCause, HostInstant};
use serde::{Deserialize, Serialize};

use crate::{
    stages::publish::{LabelMessage, RunEnd, RunStart},
    telemetry::Discard,
};

/// Form of the folder that this program writes and reads.
pub const FORMAT: u32 = 1;

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// It is being written, or the program that wrote it was killed and nobody has looked since.
    Recording,
    /// Everything that the run gave is there.
    Complete,
    /// It ended before the run did; `failure` says why.
    Ended,
    /// The program that wrote it was killed; what had reached the disk is there.
    Incomplete,
}

/// Why a recording ended before its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordingFailure {
    /// The disk is full, but for the space that is left free.
    DiskFull,
    /// The disk takes less than the board gives.
    DiskTooSlow,
    /// The disk failed.
    Disk,
    /// A part of this program failed.
    Defect,
}

/// How a recording ended, in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingEnd {
    /// Frames with a file.
    pub frames: u64,
    /// Labels.
    pub labels: u64,
    /// Why it ended before the run; null when it did not.
    pub failure: Option<RecordingFailure>,
    /// The same as a sentence.
    pub detail: Option<String>,
}

/// What decides what is said about a frame. A replay with another one may differ, and says which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Digest of the ensemble.
    pub model: String,
    /// Digest of the effective settings.
    pub config: String,
    /// Version of this program.
    pub software: String,
    /// What computed the networks.
    pub engine: String,
    /// The kind of processor: results are equal to the last bit on one kind only.
    pub machine: String,
}

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// Form of the folder: [`FORMAT`].
    pub format: u32,
    /// The run.
    pub run: String,
    /// How far the recording is.
    pub state: RecordingState,
    /// What decided what was said.
    pub context: Context,
    /// The effective settings.
    pub settings: serde_json::Value,
    /// The run's start message.
    pub start: RunStart,
    /// The run's end message; null when the program was killed.
    pub end: Option<RunEnd>,
    /// How the recording ended; null while it is written.
    pub recording: Option<RecordingEnd>,
}

/// Rows of a frame that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingRows {
    /// The first of them.
    pub first_row: u32,
    /// How many.
    pub rows: u32,
    /// Why; null when nobody said.
    pub cause: Option<GapCause>,
}

/// A cell that was found and has no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Number of the cell in its frame.
    pub cell: u32,
    /// Why.
    pub reason: Discard,
}

/// Why a frame has no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotKept {
    /// No cell in it or near it was senescent or atypical, and only such frames are kept.
    NotAnEvent,
    /// None of its rows came.
    NoRows,
}

/// Settings that were changed while the run went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameSettings {
    /// Digest of all that were in force.
    pub config: String,
    /// The keys that differ from the settings in `run.json`, with their values.
    pub changed: BTreeMap<String, serde_json::Value>,
}

/// A line of `frames.ndjson`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameLine {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Name of its file; null when it has none.
    pub file: Option<String>,
    /// SHA-256 of that file.
    pub sha256: Option<String>,
    /// Name of the file with the maps of its cells; null when they are not recorded, or there are none.
    #[serde(default)]
    pub maps: Option<String>,
    /// SHA-256 of that file.
    #[serde(default)]
    pub maps_sha256: Option<String>,
    /// Why it has no file.
    pub not_kept: Option<NotKept>,
    /// Device time at its first sample in ticks; null when the first row is missing.
    pub ticks_first_row: Option<u64>,
    /// Cells that were found.
    pub cells: u32,
    /// Cells with a label.
    pub labels: u32,
    /// Cells without one.
    pub skipped: Vec<Skipped>,
    /// Rows that did not come.
    pub missing: Vec<MissingRows>,
    /// The file that it was read from, when a board reads files.
    pub source: Option<FrameSource>,
    /// The settings in force for it; null when they are those in `run.json`.
    #[serde(default)]
    pub settings: Option<FrameSettings>,
}

/// A map, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapDigest {
    /// Whose it is: `mean`, `spread`, or a member's name.
    pub member: String,
    /// The class that it explains.
    pub class: String,
    /// SHA-256 of its samples: float32, little-endian, row by row.
    pub sha256: String,
}

/// A page of a file of maps, in the page's description: what its samples are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapPage {
    /// Number of the cell in its frame.
    pub cell: u32,
    /// Whose it is: `mean`, `spread`, or a member's name.
    pub member: String,
    /// The class that it explains.
    pub class: String,
    /// x, y, width, height of the map in full-resolution pixels; may reach beyond the frame.
    pub bbox: [f64; 4],
    /// Minimum and maximum of the map before it was scaled to [0, 1]; of a spread, those of its samples.
    pub range: [f32; 2],
}

/// A line of `labels.ndjson`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelLine {
    /// Number of the label in the stream.
    pub seq: u64,
    /// When the row that decided it reached the host, in nanoseconds of the daemon's clock.
    pub t_acq_ns: Option<HostInstant>,
    /// The label as it was published.
    #[serde(flatten)]
    pub label: LabelMessage,
    /// Its maps.
    pub maps: Vec<MapDigest>,
    /// There was no time for its maps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maps_shed: bool,
}
