//! What was used, so that a restart neither repeats nor misses it.
//!
//! Text, append-only; each line has a checksum and is on the disk when [`Journal::write`] returns, if that was
//! asked for. A last line that a crash tore is cut off when the journal is opened: what it said is repeated.
//! The file is locked while the journal is open.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    entry::{Entry, VERSION},
    limits::{MAX_KNOWN, MAX_LINE_BYTES},
    unit::{FileStamp, Stamp, Unit},
};
use crate::{ErrorKind, HalError};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// All its frames were used.
    Done,
    /// It did not fit the scan under this configuration.
    Refused(u32),
}

/// An open journal, locked.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    known: HashMap<String, (Stamp, Fate)>,
    /// Units of which not all frames were used, by their first file: identity and frames.
    begun: HashMap<String, (u32, u64)>,
}

impl Journal {
    /// Opens the journal at `path`, or begins it.
    ///
    /// # Errors
    /// `Request` when another process has it open; `Malformed` when a line is damaged; `Io`.
    pub(crate) fn open(path: &Path) -> Result<Self, HalError> {
        let begins = !path.exists();
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path);
        let file = file.map_err(|error| unwritable(path, error))?;
        lock(path, &file)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            length: 0,
            known: HashMap::new(),
            begun: HashMap::new(),
        };
        journal.load()?;
        if journal.length == 0 {
            journal.write(&[Entry::SenescopeJournal { version: VERSION }], true)?;
        }
        if begins
            && let Some(folder) = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
        {
            // Its name must outlive a loss of power too. Shares that cannot do this keep names by themselves.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(journal)
    }

    /// What became of `file`; `None` when nothing did, or of another file of this name.
    fn fate(&self, name: &str, stamp: Stamp) -> Option<Fate> {
        let (known, fate) = self.known.get(name)?;
        (*known == stamp).then_some(*fate)
    }

    /// Whether a file needs no look under the configuration `config`: it was used, or refused under the same.
    pub(crate) fn is_closed(&self, name: &str, stamp: Stamp, config: u32) -> bool {
        match self.fate(name, stamp) {
            Some(Fate::Done) => true,
            Some(Fate::Refused(under)) => under == config,
            None => false,
        }
    }

    /// Whether a file of this name was used before.
    pub(crate) fn knows(&self, name: &str) -> bool {
        matches!(self.known.get(name), Some((_, Fate::Done)))
    }

    /// How many frames of `unit` were used, when it was begun and is not done.
    pub(crate) fn begun(&self, unit: &Unit) -> Option<u64> {
        let (id, frames) = self.begun.get(unit.name())?;
        (*id == unit.id()).then_some(*frames)
    }

    /// Appends `entries`; with `sync` they are on the disk when this returns.
    ///
    /// # Errors
    /// `Io`, and nothing is appended.
    pub(crate) fn write(&mut self, entries: &[Entry], sync: bool) -> Result<(), HalError> {
        let path = &self.path;
        let mut text = String::new();
        for entry in entries {
            let line = entry
                .line()
                .map_err(|error| unwritable(path, error.into()))?;
            text.push_str(&line);
        }
        let written = self.file.write_all(text.as_bytes());
        let written = written.and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // A part of a line in the middle would be damage. When this fails too, the next line will be seen as
            // damaged at the next start, which is told then.
            let _ = self.file.set_len(self.length);
            return Err(unwritable(path, error));
        }
        self.length += text.len() as u64;
        for entry in entries {
            self.take(entry.clone());
        }
        if self.is_full() {
            return Err(full(&self.path));
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.known.len() + self.begun.len() > MAX_KNOWN
    }

    fn take(&mut self, entry: Entry) {
        let mut all = |files: Vec<FileStamp>, fate| {
            // What was used of a file that is refused now counts when it is taken again.
            if let (Fate::Done, Some(first)) = (&fate, files.first()) {
                self.begun.remove(&first.name);
            }
            for file in files {
                self.known.insert(file.name, (file.stamp, fate));
            }
        };
        match entry {
            Entry::SenescopeJournal { .. } => {}
            Entry::Begun { file, unit, frames } => {
                self.begun.insert(file, (unit, frames));
            }
            Entry::Done { files } => all(files, Fate::Done),
            Entry::Refused { files, config, .. } => all(files, Fate::Refused(config)),
        }
    }

    fn load(&mut self) -> Result<(), HalError> {
        let read = self
            .file
            .try_clone()
            .map_err(|error| unwritable(&self.path, error))?;
        let mut reader = BufReader::new(read);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let most = MAX_LINE_BYTES + 1;
            let read = (&mut reader).take(most).read_until(b'\n', &mut line);
            let bytes = read.map_err(|error| unwritable(&self.path, error))? as u64;
            if bytes == 0 {
                return Ok(());
            }
            let Some(text) = line.strip_suffix(b"\n") else {
                return self.cut(number, &line, bytes == most);
            };
            let entry = Entry::parse(text);
            match (number, entry) {
                (1, Some(Entry::SenescopeJournal { version: VERSION })) => {}
                (1, Some(Entry::SenescopeJournal { version })) => {
                    return Err(self.malformed(format!(
                        "it is of version {version}, and this program knows version {VERSION}; install a newer version, \
                         or move the journal away, and all files of the folder are given again"
                    )));
                }
                (1, _) => return Err(self.not_a_journal()),
                (_, Some(entry)) => self.take(entry),
                (_, None) => {
                    return Err(self.malformed(format!(
                        "line {number} is damaged; delete that line, and its files are given again if they are still in \
                         the folder, or move the journal away, and all files of the folder are given again"
                    )));
                }
            }
            self.length += bytes;
            if self.is_full() {
                return Err(full(&self.path));
            }
        }
        Ok(())
    }

    /// Cuts off the last line, which has no end.
    fn cut(&mut self, number: u64, line: &[u8], too_long: bool) -> Result<(), HalError> {
        let header = Entry::SenescopeJournal { version: VERSION }.line();
        let header = header.map_err(|error| unwritable(&self.path, error.into()))?;
        // What is not a journal is not ours to cut.
        if number == 1 && !header.as_bytes().starts_with(line) {
            return Err(self.not_a_journal());
        }
        if too_long {
            return Err(self.malformed(format!(
                "line {number} has more than {MAX_LINE_BYTES} bytes; delete that line, and its files are given again if \
                 they are still in the folder"
            )));
        }
        tracing::warn!(
            "line {number} of {} was not written to its end, and is cut off; its files are given again",
            self.path.display()
        );
        let cut = self.file.set_len(self.length);
        cut.and_then(|()| self.file.sync_data())
            .map_err(|error| unwritable(&self.path, error))
    }

    fn not_a_journal(&self) -> HalError {
        let why = "it is not a journal of a watched folder; give another path for the journal, or move that file away";
        self.malformed(why.to_owned())
    }

    fn malformed(&self, why: String) -> HalError {
        let message = format!("{} cannot be used as journal: {why}", self.path.display());
        HalError::new(ErrorKind::Malformed, message)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child process that was forked and has not begun its program.
        let _ = self.file.unlock();
    }
}

fn lock(path: &Path, file: &File) -> Result<(), HalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(HalError::new(
            ErrorKind::Disconnected,
            format!(
                "{} is in use by another process that watches the same folder; stop that one, or give this one a \
                 journal of its own",
                path.display()
            ),
        )),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            let path = path.display();
            tracing::warn!(
                "{path} cannot be locked where it is; see that one process alone uses it"
            );
            Ok(())
        }
        Err(TryLockError::Error(error)) => Err(unwritable(path, error)),
    }
}

fn full(path: &Path) -> HalError {
    let message = format!(
        "{} tells of more than {MAX_KNOWN} files; move the files that are done out of the folder, and the journal with \
         them",
        path.display()
    );
    HalError::new(ErrorKind::Malformed, message)
}

fn unwritable(path: &Path, error: io::Error) -> HalError {
    let todo = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => "it is a folder; give the path of a file",
        _ => {
            "see that there is space and that this user may write there, or give another path for the journal"
        }
    };
    let message = format!(
        "the journal {} cannot be written ({error}): {todo}",
        path.display()
    );
    HalError::new(ErrorKind::Io, message).caused_by(error)
}

#[cfg(test)]
mod tests;
