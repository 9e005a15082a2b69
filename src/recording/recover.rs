//! What a killed program left is made whole: a recording that says `incomplete`, with every frame and label that had
//! reached the disk.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{
    FRAMES_FILE, FrameLine, LABELS_FILE, LOCK_FILE, LabelLine, Lines, RUN_FILE, Recording,
    RecordingEnd, RecordingError, RecordingState, write_run,
};

/// A recording that was made whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Its folder.
    pub folder: PathBuf,
    /// Frames with a line.
    pub frames: u64,
    /// Labels.
    pub labels: u64,
    /// Bytes of lines that had not reached the disk whole, which were cut off.
    pub cut_bytes: u64,
}

/// Makes every recording in `dir` whole that no program writes any more. A recording that cannot be is left as it is,
/// and told.
///
/// # Errors
/// When `dir` is there and cannot be read.
pub fn recover(dir: &Path) -> io::Result<Vec<(PathBuf, Result<Recovered, RecordingError>)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        if folder.is_dir() && !folder.is_symlink() {
            folders.push(folder);
        }
    }
    folders.sort();
    let recovered = folders.into_iter().filter_map(|folder| {
        let recovered = recover_one(&folder).transpose()?;
        Some((folder, recovered))
    });
    Ok(recovered.collect())
}

/// `None` when there is nothing to do.
fn recover_one(folder: &Path) -> Result<Option<Recovered>, RecordingError> {
    let read = |source| RecordingError::Read {
        path: folder.to_owned(),
        source,
    };
    let Some(_lock) = lock(folder).map_err(read)? else {
        return Ok(None);
    };
    if !Recording::is_at(folder) {
        // Killed before anything was recorded: there is nothing but what begins with a dot.
        return abandon(folder).map(|()| None).map_err(read);
    }
    let recording = Recording::open(folder)?;
    if recording.run().state != RecordingState::Recording {
        return Ok(None);
    }
    let (frames, cut_frames) = cut::<FrameLine>(folder, FRAMES_FILE)?;
    let (labels, cut_labels) = cut::<LabelLine>(folder, LABELS_FILE)?;
    clean(folder).map_err(read)?;
    let mut run = recording.run().clone();
    run.state = RecordingState::Incomplete;
    run.recording = Some(RecordingEnd {
        frames,
        labels,
        failure: None,
        detail: Some("the program that wrote it was killed".to_owned()),
    });
    write_run(folder, &run).map_err(read)?;
    Ok(Some(Recovered {
        folder: folder.to_owned(),
        frames,
        labels,
        cut_bytes: cut_frames + cut_labels,
    }))
}

/// The lock of a recording; `None` when its program is alive, or it was never one.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new()
        .read(true)
        .write(true)
        .open(folder.join(LOCK_FILE))
    {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Counts the good lines of a file, and cuts off what is behind the last of them. Damage before it stays, and is told
/// by whoever reads the recording.
fn cut<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<(u64, u64), RecordingError> {
    let path = folder.join(name);
    let failed = |source| RecordingError::Read {
        path: path.clone(),
        source,
    };
    if !path.exists() {
        // Killed before it was made.
        File::create(&path).map_err(failed)?;
        return Ok((0, 0));
    }
    let mut lines = Lines::<T>::open(path.clone())?;
    let (mut good, mut end) = (0, 0);
    while let Some(line) = lines.read()? {
        if line.is_ok() {
            good += 1;
            end = lines.offset();
        }
    }
    let length = lines.offset();
    if end < length {
        let file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
        file.set_len(end)
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
    }
    Ok((good, length - end))
}

/// Takes away what was being written, and the space in reserve.
fn clean(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        if hidden && name != LOCK_FILE && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Takes away a folder in which nothing was recorded.
fn abandon(folder: &Path) -> io::Result<()> {
    clean(folder)?;
    let rest: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    if rest.iter().all(|entry| entry.file_name() == LOCK_FILE) {
        tracing::info!(
            "{} has no {RUN_FILE} and nothing else, and is removed",
            folder.display()
        );
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}
