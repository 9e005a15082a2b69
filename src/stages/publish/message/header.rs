//! What every message begins with.

use std::fmt;

use senescope_hal::HostInstant;
use serde::{Deserialize, Serialize};

/// Major version of the messages. A subscriber rejects a version that it does not know.
pub const VERSION: u32 = 1;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(usize)]
pub enum Kind {
    /// Start or end of a run.
    Run,
    /// The verdict on one cell.
    Label,
    /// The Grad-CAM map of one cell.
    Cam,
    /// Counters and latencies.
    Stat,
    /// Sign of life.
    Hb,
}

impl Kind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Run, Self::Label, Self::Cam, Self::Stat, Self::Hb];

    /// The name in topics and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Label => "label",
            Self::Cam => "cam",
            Self::Stat => "stat",
            Self::Hb => "hb",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The fields that every message has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Major version of the message.
    pub v: u32,
    /// What the message is about.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// This start of the daemon: 32 hexadecimal digits.
    pub epoch: String,
    /// Number of the message among those of its kind and epoch, from 1.
    pub seq: u64,
    /// The run: 32 hexadecimal digits; null outside runs.
    pub run: Option<String>,
    /// When the last row that the message depends on reached this host, in nanoseconds of the daemon's
    /// monotonic clock; null where that has no meaning.
    pub t_acq_ns: Option<HostInstant>,
    /// When the message was made, in nanoseconds of the daemon's monotonic clock.
    pub t_pub_ns: HostInstant,
    /// Digest of the ensemble; null outside runs.
    pub model: Option<String>,
    /// Digest of the effective configuration; null outside runs.
    pub config: Option<String>,
}

/// A header with what follows it in the same map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message<Body> {
    /// The fields that every message has.
    #[serde(flatten)]
    pub header: Header,
    /// The fields of this kind.
    #[serde(flatten)]
    pub body: Body,
}
