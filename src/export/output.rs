//! The place of the output: written beside it under a temporary name and renamed, so that it is there whole or not at
//! all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{ExportError, Form, error::unwritable};

/// A claimed place, at which nothing changes until [`Output::publish`].
#[derive(Debug)]
pub(super) struct Output {
    place: PathBuf,
    partial: PathBuf,
    folder: bool,
}

impl Output {
    /// Claims `place` for a file, or for a folder of `folder`'s form. What is there already is replaced with `force`
    /// only, and only when it is what such an export writes. `recording` is never written.
    pub(super) fn claim(
        place: &Path,
        folder: Option<Form>,
        force: bool,
        recording: &Path,
    ) -> Result<Self, ExportError> {
        let Some(name) = place.file_name() else {
            return Err(ExportError::NoName(place.to_owned()));
        };
        let parent = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // The recording itself as output is told as existing.
        if is_within(parent, recording) {
            return Err(ExportError::InRecording(place.to_owned()));
        }
        match fs::symlink_metadata(place) {
            Err(_) => {}
            Ok(_) if folder.is_some() && is_empty_folder(place) => {}
            Ok(_) if !force => return Err(ExportError::Exists(place.to_owned())),
            Ok(there) => {
                let ours = match folder {
                    Some(form) => there.is_dir() && form.is_at(place),
                    None => there.is_file(),
                };
                if !ours {
                    return Err(ExportError::Foreign(place.to_owned()));
                }
            }
        }
        fs::create_dir_all(parent).map_err(|error| unwritable(parent, &error))?;
        let hidden = format!(".{}.{}.partial", name.to_string_lossy(), std::process::id());
        let output = Self {
            place: place.to_owned(),
            partial: place.with_file_name(hidden),
            folder: folder.is_some(),
        };
        if output.folder {
            fs::create_dir(&output.partial).map_err(|error| unwritable(&output.partial, &error))?;
        }
        Ok(output)
    }

    /// Where the output is until it is whole: a file that is to be created, or a folder that is there.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Puts the output to its place.
    pub(super) fn publish(self) -> Result<(), ExportError> {
        let failed = |error: std::io::Error| unwritable(&self.place, &error);
        if !self.folder {
            fs::File::open(&self.partial)
                .and_then(|file| file.sync_all())
                .map_err(failed)?;
        }
        let old = self.partial.with_extension("replaced");
        let replaces = self.folder && self.place.is_dir();
        if replaces {
            // A folder is not replaced by renaming another one over it.
            fs::rename(&self.place, &old).map_err(failed)?;
        }
        fs::rename(&self.partial, &self.place).map_err(failed)?;
        if replaces {
            fs::remove_dir_all(&old).map_err(|error| unwritable(&old, &error))?;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // What is left behind is hidden and named as partial; there is nothing better to do.
        let _ = match self.folder {
            true => fs::remove_dir_all(&self.partial),
            false => fs::remove_file(&self.partial),
        };
    }
}

/// Whether `folder`, or what there is of it, lies in `recording`.
fn is_within(folder: &Path, recording: &Path) -> bool {
    let known = folder
        .ancestors()
        .map(|ancestor| match ancestor.as_os_str().is_empty() {
            true => Path::new("."),
            false => ancestor,
        })
        .find_map(|ancestor| fs::canonicalize(ancestor).ok());
    match (known, fs::canonicalize(recording)) {
        (Some(known), Ok(recording)) => known.starts_with(recording),
        _ => false,
    }
}

fn is_empty_folder(place: &Path) -> bool {
    fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none())
}
