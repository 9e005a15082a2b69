//! A line of the journal: a checksum, a space, and an entry as JSON.

use serde::{Deserialize, Serialize};

use super::unit::FileStamp;

/// The form of the lines.
pub(crate) const VERSION: u32 = 1;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The first line.
    SenescopeJournal { version: u32 },
    /// The first frames of a unit were used: so many, or none when the first is on its way.
    Begun {
        /// First file of the unit.
        file: String,
        /// [`Unit::id`](super::unit::Unit::id).
        unit: u32,
        frames: u64,
    },
    /// All frames of a unit were used.
    Done { files: Vec<FileStamp> },
    /// A unit does not fit the scan.
    Refused {
        files: Vec<FileStamp>,
        /// What was configured; another configuration looks at the files again.
        config: u32,
        reason: String,
    },
}

impl Entry {
    /// The line, with its end.
    pub(crate) fn line(&self) -> Result<String, serde_json::Error> {
        let json = serde_json::to_string(self)?;
        Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())))
    }

    /// Reads a line without its end; `None` when it is damaged.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let (sum, json) = text.split_once(' ')?;
        let is_sum = sum == format!("{:08x}", crc32fast::hash(json.as_bytes()));
        is_sum.then(|| serde_json::from_str(json).ok()).flatten()
    }
}
