//! A unit: the files that are read as one.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// What tells a file from another one that takes its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Bytes.
    pub(crate) size: u64,
    /// Time of the last change in nanoseconds since 1970, by the clock of the file's server.
    pub(crate) modified_ns: i64,
}

impl Stamp {
    /// The stamp of a file.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let seconds = metadata.mtime().saturating_mul(1_000_000_000);
        Self {
            size: metadata.len(),
            modified_ns: seconds.saturating_add(metadata.mtime_nsec()),
        }
    }
}

/// A file by name and stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileStamp {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
}

/// One file, the files of a set, or one file a channel; never empty. The first file stands for the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) files: Arc<[FileStamp]>,
}

impl Unit {
    /// The name of the first file.
    pub(crate) fn name(&self) -> &str {
        self.files.first().map_or("", |file| file.name.as_str())
    }

    /// The stamp of the first file.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.files.first().map(|file| file.stamp)
    }

    /// The paths of the files in `directory`.
    pub(crate) fn paths(&self, directory: &Path) -> Vec<PathBuf> {
        let path = |file: &FileStamp| directory.join(&file.name);
        self.files.iter().map(path).collect()
    }

    /// When its last file was changed, and its name: units are given in this order.
    pub(crate) fn order(&self) -> (i64, &str) {
        let times = self.files.iter().map(|file| file.stamp.modified_ns);
        (times.max().unwrap_or(i64::MIN), self.name())
    }

    /// A number that differs when any file does.
    pub(crate) fn id(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for file in self.files.iter() {
            hasher.update(file.name.as_bytes());
            hasher.update(&[0]);
            hasher.update(&file.stamp.size.to_le_bytes());
            hasher.update(&file.stamp.modified_ns.to_le_bytes());
        }
        hasher.finalize()
    }
}
