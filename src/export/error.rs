//! What can go wrong, split by whose fault it is.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use crate::recording::RecordingError;

/// Why a recording was not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// There is something at the place of the output.
    #[error("{} is there already; give --force to replace it, or --out another place", .0.display())]
    Exists(PathBuf),
    /// What is at the place of the output is not what an export of this form writes.
    #[error(
        "{} is not an export of this form, and --force replaces nothing else; give --out another place",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The output would be in the recording.
    #[error("{} is in the recording, which is never written; give --out another place", .0.display())]
    InRecording(PathBuf),
    /// The place of the output is no name.
    #[error("{} is no name for a new file or folder; give --out one", .0.display())]
    NoName(PathBuf),
    /// The output cannot be written.
    #[error("{} cannot be written: {reason}; is there space, and may you write there?", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The recording does not have the frame that is asked for.
    #[error("{} has no frame {frame}; leave --frame out for all frames", folder.display())]
    NoFrame {
        /// The recording.
        folder: PathBuf,
        /// The frame.
        frame: u64,
    },
    /// There is no image to be exported.
    #[error(
        "{} has no frame with a file: `record.frames` said which are kept, and there is no image to export",
        .0.display()
    )]
    NoImage(PathBuf),
    /// Nothing that is there can be read.
    #[error("nothing in {} can be read, and nothing was written; the first problem: {first}", folder.display())]
    NothingRead {
        /// The recording.
        folder: PathBuf,
        /// The first problem.
        first: String,
    },
    /// Something cannot be read, and that was to be an error.
    #[error(
        "{problems} line(s) or frame(s) cannot be read, and with --strict nothing is written: {first}"
    )]
    Strict {
        /// How many.
        problems: u64,
        /// The first of them.
        first: String,
    },
    /// Two columns would have the same name.
    #[error(
        "run.json names a member so that two columns would be called `{0}`; a table cannot be made of it"
    )]
    Column(String),
    /// What is written has no such form.
    #[error("the export of this recording is a defect of senescope, please report it: {0}")]
    Defect(String),
}

/// `path` cannot be written.
pub(super) fn unwritable(path: &Path, reason: &dyn Display) -> ExportError {
    ExportError::Write {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
