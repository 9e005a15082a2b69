//! Opening a recording, and its lines one after the other.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{
    FORMAT, FRAMES_FILE, FrameLine, LABELS_FILE, LabelLine, RUN_FILE, RunFile,
    line::{self, LineError},
};
use crate::sentence::printable;

/// Largest `run.json` that is read, in bytes: a manifest and an end message have a few thousand.
const RUN_LIMIT: u64 = 16 << 20;
/// Most characters of what the parser says: it repeats what it was given.
const REASON: usize = 300;
/// Longest line that is read, in bytes: the outline of a cell that fills a field has less.
const LINE_LIMIT: usize = 16 << 20;

/// Why a recording was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// There is no such folder, or it has no `run.json`.
    #[error("{} has no {RUN_FILE}: give the folder of one recording", .0.display())]
    Missing(PathBuf),
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `run.json` is not one.
    #[error("{} is not the account of a recording: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another program wrote it.
    #[error(
        "{} has the form {found}, and this program reads form {FORMAT}; use the version of senescope that wrote it",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: u64,
    },
}

/// A recording that can be read.
#[derive(Clone, Debug)]
pub struct Recording {
    folder: PathBuf,
    run: RunFile,
}

impl Recording {
    /// Whether `folder` looks like a recording.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(RUN_FILE).is_file()
    }

    /// Opens the recording in `folder`. Its lines and frames are not looked at.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn open(folder: &Path) -> Result<Self, RecordingError> {
        let path = folder.join(RUN_FILE);
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                RecordingError::Missing(folder.to_owned())
            }
            _ => RecordingError::Read {
                path: path.clone(),
                source,
            },
        };
        let mut text = Vec::new();
        let file = File::open(&path).map_err(failed)?;
        file.take(RUN_LIMIT + 1)
            .read_to_end(&mut text)
            .map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            run: RunFile::parse(&text, &path)?,
        })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The account of the run.
    pub fn run(&self) -> &RunFile {
        &self.run
    }

    /// The lines of the frames, in order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn frames(&self) -> Result<Lines<FrameLine>, RecordingError> {
        Lines::open(self.folder.join(FRAMES_FILE))
    }

    /// The lines of the labels, in the order in which they were published.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn labels(&self) -> Result<Lines<LabelLine>, RecordingError> {
        Lines::open(self.folder.join(LABELS_FILE))
    }
}

impl RunFile {
    /// Reads the bytes of `run.json`. `path` is for the error's sentence.
    ///
    /// # Errors
    /// [`RecordingError`] when they are too many, of another form, or not the account of a run.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, RecordingError> {
        let malformed = |reason: String| RecordingError::Malformed {
            path: path.to_owned(),
            reason: printable(&reason, REASON),
        };
        if bytes.len() as u64 > RUN_LIMIT {
            return Err(malformed(format!("it has more than {RUN_LIMIT} bytes")));
        }
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if found == u64::from(FORMAT) => {}
            Some(found) => {
                return Err(RecordingError::Format {
                    path: path.to_owned(),
                    found,
                });
            }
            None => return Err(malformed("it does not say in which `format`".to_owned())),
        }
        serde_json::from_value(value).map_err(|error| malformed(error.to_string()))
    }
}

/// A line that was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {number} of {file}: {error}")]
pub struct Damage {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub number: u64,
    /// What is wrong.
    pub error: LineError,
}

/// The lines of a file, one at a time.
#[derive(Debug)]
pub struct Lines<T, R = BufReader<File>> {
    path: PathBuf,
    file: R,
    number: u64,
    offset: u64,
    line: Vec<u8>,
    what: PhantomData<T>,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(super) fn open(path: PathBuf) -> Result<Self, RecordingError> {
        match File::open(&path) {
            Ok(file) => Ok(Self::of(path, BufReader::new(file))),
            Err(source) => Err(RecordingError::Read { path, source }),
        }
    }
}

impl<T: DeserializeOwned, R: BufRead> Lines<T, R> {
    /// The lines of `file`. `path` is for what is said of them.
    pub fn of(path: PathBuf, file: R) -> Self {
        Self {
            path,
            file,
            number: 0,
            offset: 0,
            line: Vec::new(),
            what: PhantomData,
        }
    }

    /// The file's name.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Bytes that were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line; `None` behind the last. A damaged one is told, and the next call goes on behind it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self) -> Result<Option<Result<T, Damage>>, RecordingError> {
        self.line.clear();
        let mut limited = (&mut self.file).take(LINE_LIMIT as u64);
        let read = limited.read_until(b'\n', &mut self.line);
        let read = read.map_err(|source| RecordingError::Read {
            path: self.path.clone(),
            source,
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.offset += read as u64;
        let whole = self.line.strip_suffix(b"\n");
        let opened = whole.ok_or(LineError::Torn).and_then(line::open);
        Ok(Some(opened.map_err(|error| Damage {
            file: self.name(),
            number: self.number,
            error,
        })))
    }
}
