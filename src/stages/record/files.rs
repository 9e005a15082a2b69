//! The files of a recording on the disk: whole or not there, and synced when that is said.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::recording::LOCK_FILE;

/// Takes a little space while there is some, so that a full disk can be told of in `run.json`.
const RESERVE_FILE: &str = ".reserve";
const RESERVE_BYTES: usize = 1 << 18;

/// Bytes of the disk that are free for this user.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(folder)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Makes `folder`, which must not be there, and writes space in reserve. Gives its lock, which tells that somebody
/// writes.
pub(super) fn create(folder: &Path) -> io::Result<File> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(folder)?;
    let lock = File::create(folder.join(LOCK_FILE))?;
    lock.try_lock()?;
    let mut reserve = File::create(folder.join(RESERVE_FILE))?;
    reserve.write_all(&[0x5a; RESERVE_BYTES])?;
    reserve.sync_all()?;
    Ok(lock)
}

/// Gives the space in reserve back.
pub(super) fn release_reserve(folder: &Path) {
    // It is not there when it was given back before.
    let _ = fs::remove_file(folder.join(RESERVE_FILE));
}

/// A file that grows by lines.
#[derive(Debug)]
pub(super) struct Lines {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Lines {
    pub(super) fn create(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)?;
        Ok(Self {
            file: BufWriter::new(file),
            path,
        })
    }

    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(line)
    }

    /// Everything that was appended is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
