//! Labels that somebody has marked as wrong: what the cell is, for retraining.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    line,
    reader::{Lines, RecordingError},
};

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

impl MarkedClass {
    /// The name in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Senescent => "senescent",
            Self::Proliferating => "proliferating",
            Self::Neither => "neither",
            Self::Unmarked => "unmarked",
        }
    }
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

/// What is marked in a recording.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// By frame and cell.
    pub classes: BTreeMap<(u64, u32), MarkedClass>,
    /// Lines that are damaged, and left out.
    pub damaged: usize,
}

/// Reads the marks of the recording in `folder`; none when there are none.
///
/// # Errors
/// When there is a file and it cannot be read.
pub fn read_marks(folder: &Path) -> Result<Marked, RecordingError> {
    let path = folder.join(MARKS_FILE);
    let mut marked = Marked::default();
    if !path.exists() {
        return Ok(marked);
    }
    let mut lines = Lines::<MarkLine>::open(path)?;
    while let Some(line) = lines.read()? {
        match line {
            Ok(mark) => {
                marked.classes.insert((mark.frame, mark.cell), mark.class);
            }
            Err(_) => marked.damaged += 1,
        }
    }
    let taken_back = MarkedClass::Unmarked;
    marked.classes.retain(|_, class| *class != taken_back);
    Ok(marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_lines_of_which_the_last_counts_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_marks(folder.path()).unwrap(), Marked::default());
        let say = |frame, cell, class| {
            let line = MarkLine {
                frame,
                cell,
                class,
                marked_utc: "2026-03-01T10:00:00Z".to_owned(),
            };
            mark(folder.path(), &line).unwrap();
        };
        use MarkedClass::{Neither, Proliferating, Senescent, Unmarked};
        say(7, 3, Senescent);
        say(7, 3, Proliferating);
        say(7, 4, Neither);
        say(8, 4, Senescent);
        say(8, 4, Unmarked);
        say(9, 1, Senescent);
        let path = folder.path().join(MARKS_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"frame\":9", "\"frame\":6")).unwrap();
        let marked = Marked {
            classes: [((7, 3), Proliferating), ((7, 4), Neither)].into(),
            damaged: 1,
        };
        assert_eq!(read_marks(folder.path()).unwrap(), marked);
    }
}
