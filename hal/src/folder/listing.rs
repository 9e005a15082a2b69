//! The watched directory as it is at one instant.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{limits::MAX_LISTED, unit::Stamp};
use crate::{ErrorKind, HalError};

/// A directory, known by more than its path: when what is mounted there goes away, the path often stays.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Device and number of the directory.
    identity: (u64, u64),
}

impl Directory {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// `NotFound` or `Io`, when it cannot be listed.
    pub(crate) fn open(path: &Path) -> Result<Self, HalError> {
        let named = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
                _ => ErrorKind::Io,
            };
            let message = format!(
                "{} cannot be watched ({error}); give the folder into which the microscope's software writes",
                path.display()
            );
            HalError::new(kind, message).caused_by(error)
        };
        fs::read_dir(path).map_err(named)?;
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path).map_err(named)?,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the names of all entries to `visit`, and says how many are not UTF-8 and were passed over.
    ///
    /// # Errors
    /// `Disconnected` when the directory is gone; `Request` when it has too many entries; that of `visit`.
    pub(crate) fn list(
        &self,
        mut visit: impl FnMut(&str) -> Result<(), HalError>,
    ) -> Result<u64, HalError> {
        let gone = |error: io::Error| {
            let message = format!(
                "the folder {} is gone ({error}); see that its disk or share is there and start again",
                self.path.display()
            );
            HalError::new(ErrorKind::Disconnected, message).caused_by(error)
        };
        if identity(&self.path).map_err(gone)? != self.identity {
            let message = format!(
                "another folder has taken the place of {}; see that its disk or share is there and start again",
                self.path.display()
            );
            return Err(HalError::new(ErrorKind::Disconnected, message));
        }
        let mut unreadable = 0;
        for (number, entry) in fs::read_dir(&self.path).map_err(gone)?.enumerate() {
            if number >= MAX_LISTED {
                let message = format!(
                    "{} has more than {MAX_LISTED} entries; move files that are done out of it",
                    self.path.display()
                );
                return Err(HalError::new(ErrorKind::Request, message));
            }
            let Ok(name) = entry.map_err(gone)?.file_name().into_string() else {
                unreadable += 1;
                continue;
            };
            visit(&name)?;
        }
        Ok(unreadable)
    }

    /// The stamp of the file called `name`; `None` when there is no file, or none that may be looked at.
    pub(crate) fn stamp(&self, name: &str) -> Option<Stamp> {
        let metadata = fs::metadata(self.path.join(name)).ok()?;
        metadata.is_file().then(|| Stamp::of(&metadata))
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
