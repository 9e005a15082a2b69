//! Labels that somebody has marked as wrong: what the cell is, for retraining.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::line;

/// Name of the file in the folder of a recording.
pub const MARKS_FILE: &str = "marks.ndjson";

/// What somebody says that a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkedClass {
    /// It is senescent.
    Senescent,
    /// It is proliferating.
    Proliferating,
    /// It is no single cell, or nothing that should be learnt from.
    Neither,
    /// An earlier mark is taken back.
    Unmarked,
}

/// A line of `marks.ndjson`. Of several lines on a cell the last counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkLine {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Number of the cell in its frame.
    pub cell: u32,
    /// What it is.
    pub class: MarkedClass,
    /// When it was said: UTC, RFC 3339.
    pub marked_utc: String,
}

/// Appends a mark to the recording in `folder`, and waits until it is on the disk.
///
/// # Errors
/// When it cannot be written.
pub fn mark(folder: &Path, mark: &MarkLine) -> io::Result<()> {
    let line = line::seal(mark).map_err(io::Error::other)?;
    let path = folder.join(MARKS_FILE);
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    // In one piece: another mark must not come between.
    file.write_all(&line)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_lines_that_tell_of_damage() {
        let folder = tempfile::tempdir().unwrap();
        let marks = [MarkedClass::Senescent, MarkedClass::Unmarked].map(|class| MarkLine {
            frame: 7,
            cell: 3,
            class,
            marked_utc: "2026-03-01T10:00:00Z".to_owned(),
        });
        for each in &marks {
            mark(folder.path(), each).unwrap();
        }
        let text = std::fs::read(folder.path().join(MARKS_FILE)).unwrap();
        let read: Vec<MarkLine> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| line::open(line).unwrap())
            .collect();
        assert_eq!(read, marks);
    }
}
