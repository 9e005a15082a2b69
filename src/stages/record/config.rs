//! What is recorded, and what happens when it cannot be.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which frames are kept. Labels always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Every frame.
    #[default]
    All,
    /// Frames with a senescent or atypical cell, and some before and after.
    Events,
}

/// What happens to the run when its recording cannot go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Cells are classified and published on, and everybody is told that they are not recorded.
    #[default]
    Continue,
    /// The run is stopped.
    Stop,
}

/// The recording of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// Runs are recorded.
    pub enabled: bool,
    /// Each run gets a folder here.
    pub dir: PathBuf,
    /// Which frames are kept.
    pub frames: Keep,
    /// Frames that are kept before one with an event.
    pub before: u32,
    /// Frames that are kept after one with an event.
    pub after: u32,
    /// The maps of the cells of kept frames are kept too: 64 KiB a map of 128 × 128.
    pub maps: bool,
    /// What happens when the disk is full or too slow.
    pub on_failure: OnFailure,
    /// Space on the disk that is left free, in MiB.
    pub reserve_mib: u32,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            enabled: false,
            dir: PathBuf::from("recordings"),
            frames: Keep::All,
            before: 2,
            after: 2,
            maps: false,
            on_failure: OnFailure::Continue,
            reserve_mib: 64,
        }
    }
}
