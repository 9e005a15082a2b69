//! Whether the files of a recording are as they were written.

use std::{collections::BTreeSet, fs, io};

use super::{FrameLine, NotKept, Recording, RecordingError, RecordingState};
use crate::digest::{hex, sha256_of_file};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// Frames whose line and file are as they were written, in order.
    pub frames: Vec<FrameLine>,
    /// What is not as it was written, a sentence each.
    pub problems: Vec<String>,
}

/// Reads the line and the file of every frame of `recording`.
///
/// # Errors
/// When a file is there and cannot be read, or `frames.ndjson` is not there.
pub fn inspect(recording: &Recording) -> Result<Inspection, RecordingError> {
    let mut found = Inspection::default();
    let mut lines = recording.frames()?;
    let (mut recorded, mut next, mut jumps) = (0_u64, 0_u64, Vec::new());
    let mut listed = BTreeSet::new();
    while let Some(line) = lines.read()? {
        let line: FrameLine = match line {
            Ok(line) => line,
            Err(damage) => {
                found.problems.push(damage.to_string());
                continue;
            }
        };
        if line.frame < next {
            let told = format!("frame {} has a second line", line.frame);
            found.problems.push(told);
            continue;
        }
        if line.frame > next {
            jumps.push(numbers(next, line.frame - 1));
        }
        next = line.frame + 1;
        recorded += u64::from(line.not_kept != Some(NotKept::NotAnEvent));
        let Some(name) = &line.file else { continue };
        listed.insert(name.clone());
        match judge(recording, &line, name)? {
            None => {
                found.problems.extend(judge_maps(recording, &line)?);
                found.frames.push(line);
            }
            Some(problem) => found.problems.push(problem),
        }
    }
    let told = recording.run().recording.as_ref().map(|end| end.frames);
    if let Some(told) = told.filter(|told| *told != recorded) {
        let jumps = match jumps.as_slice() {
            [] => String::new(),
            jumps => format!("; there is none of {}", jumps.join(", ")),
        };
        found.problems.push(format!(
            "run.json tells of {told} frame(s), and {recorded} have a line{jumps}"
        ));
    }
    if recording.run().state == RecordingState::Complete {
        let unlisted = unlisted(recording, &listed)?;
        let told = unlisted
            .iter()
            .map(|name| format!("{name} is there and has no line"));
        found.problems.extend(told);
    }
    Ok(found)
}

/// What is wrong with the file of `line`'s frame, which is called `name`, as a sentence; `None` when its digest is the
/// line's.
pub(crate) fn judge(
    recording: &Recording,
    line: &FrameLine,
    name: &str,
) -> Result<Option<String>, RecordingError> {
    judge_file(recording, line.frame, name, line.sha256.as_deref())
}

/// The same of the file with the maps of its cells, when there is one.
pub(crate) fn judge_maps(
    recording: &Recording,
    line: &FrameLine,
) -> Result<Option<String>, RecordingError> {
    match &line.maps {
        Some(name) => judge_file(recording, line.frame, name, line.maps_sha256.as_deref()),
        None => Ok(None),
    }
}

fn judge_file(
    recording: &Recording,
    frame: u64,
    name: &str,
    sha256: Option<&str>,
) -> Result<Option<String>, RecordingError> {
    // A name that leads elsewhere is not one that a recorder wrote.
    if name.contains(['/', '\\']) {
        return Ok(Some(format!("frame {frame}: {name:?} is no file name")));
    }
    let path = recording.folder().join(name);
    match sha256_of_file(&path) {
        Ok(digest) if Some(hex(&digest).as_str()) == sha256 => Ok(None),
        Ok(_) => Ok(Some(format!(
            "frame {frame}: {name} is not the file that was recorded: its digest differs"
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Some(format!("frame {frame}: {name} is missing")))
        }
        Err(source) => Err(RecordingError::Read { path, source }),
    }
}

fn unlisted(
    recording: &Recording,
    listed: &BTreeSet<String>,
) -> Result<Vec<String>, RecordingError> {
    let folder = recording.folder();
    let failed = |source| RecordingError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry
            .map_err(failed)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        let frame = name.starts_with("frame-") && name.ends_with(".ome.tif");
        if frame && !listed.contains(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn numbers(first: u64, last: u64) -> String {
    if first == last {
        format!("frame {first}")
    } else {
        format!("frames {first} to {last}")
    }
}
