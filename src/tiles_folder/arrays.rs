//! An `.npy` file of equal arrays, one of which is read at a time.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{TileFolderError, unread};
use crate::npy::{self, Sample};

/// Longest header, in bytes; those that are written have 118.
const HEADER_LIMIT: u64 = 1 << 16;

/// An opened file.
#[derive(Debug)]
pub(super) struct Arrays {
    path: PathBuf,
    file: File,
    /// Where the first array begins, in bytes.
    start: u64,
    /// Bytes of an array.
    each: u64,
    count: usize,
}

impl Arrays {
    /// Opens a file of arrays of `shape`.
    ///
    /// # Errors
    /// When it is missing or cut off, or has another shape or type.
    pub(super) fn open(
        path: PathBuf,
        sample: Sample,
        shape: &[usize],
    ) -> Result<Self, TileFolderError> {
        let mut file = File::open(&path).map_err(|error| unread(&path, error))?;
        let length = file.metadata().map_err(|error| unread(&path, error))?.len();
        let mut text = Vec::new();
        (&mut file)
            .take(HEADER_LIMIT)
            .read_to_end(&mut text)
            .map_err(|error| unread(&path, error))?;
        let header = npy::header(&text, sample).map_err(|reason| form(&path, reason))?;
        let expected: Vec<u64> = shape.iter().map(|edge| *edge as u64).collect();
        let count = match header.shape.as_slice() {
            [count, rest @ ..] if *rest == expected => *count,
            found => {
                let reason =
                    format!("its shape is {found:?} and the ensemble needs tiles × {expected:?}");
                return Err(form(&path, reason));
            }
        };
        let each = expected.iter().product::<u64>() * sample.bytes();
        let whole = count
            .checked_mul(each)
            .and_then(|bytes| bytes.checked_add(header.length));
        if whole != Some(length) {
            let reason = format!(
                "it has {length} bytes, which is not what its {count} tile(s) take: it is cut off or damaged"
            );
            return Err(form(&path, reason));
        }
        Ok(Self {
            path,
            file,
            start: header.length,
            each,
            count: count as usize,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of arrays.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The bytes of one array.
    ///
    /// # Errors
    /// When there is none of this index or it cannot be read.
    pub(super) fn read(&mut self, index: usize) -> Result<Vec<u8>, TileFolderError> {
        if index >= self.count {
            return Err(self.form(format!("it has no tile {index}")));
        }
        let mut bytes = vec![0; self.each as usize];
        self.file
            .seek(SeekFrom::Start(self.start + index as u64 * self.each))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| unread(&self.path, error))?;
        Ok(bytes)
    }

    /// What is wrong with the file.
    pub(super) fn form(&self, reason: String) -> TileFolderError {
        form(&self.path, reason)
    }
}

fn form(path: &Path, reason: String) -> TileFolderError {
    TileFolderError::Form {
        path: path.to_owned(),
        reason,
    }
}
