//! The folder of the result: written beside its place and renamed, so that it is there whole or not at all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::TrainError;

/// A place for a folder, which is empty until [`Output::publish`].
pub(super) struct Output {
    place: PathBuf,
    partial: PathBuf,
    files: Vec<String>,
}

impl Output {
    /// Claims `place`, which must not be there or be an empty folder; shows that it can be written.
    pub(super) fn claim(place: &Path) -> Result<Self, TrainError> {
        let occupied = match fs::read_dir(place) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => place.exists(),
        };
        if occupied {
            return Err(TrainError::Setting(format!(
                "{} is there already; give --out a new folder, nothing is overwritten",
                place.display()
            )));
        }
        let Some(name) = place.file_name() else {
            return Err(TrainError::Setting(format!(
                "{} is no name for a new folder; give --out one",
                place.display()
            )));
        };
        let hidden = format!(".{}.{}.partial", name.to_string_lossy(), std::process::id());
        let output = Self {
            partial: place.with_file_name(hidden),
            place: place.to_owned(),
            files: Vec::new(),
        };
        output.begin()?;
        output.discard();
        Ok(output)
    }

    fn begin(&self) -> Result<(), TrainError> {
        fs::create_dir_all(&self.partial).map_err(|error| unwritable(&self.partial, &error))
    }

    fn discard(&self) {
        // What is left behind is hidden and named as partial; there is nothing better to do.
        let _ = fs::remove_dir_all(&self.partial);
    }

    /// Where the files are until they are published.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Writes one file.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        self.begin()?;
        let path = self.partial.join(name);
        fs::write(&path, bytes).map_err(|error| unwritable(&path, &error))?;
        self.files.push(name.to_owned());
        Ok(())
    }

    /// Puts the folder with all files to its place.
    pub(super) fn publish(self) -> Result<(), TrainError> {
        let failed = |error: std::io::Error| unwritable(&self.place, &error);
        for name in &self.files {
            fs::File::open(self.partial.join(name))
                .and_then(|file| file.sync_all())
                .map_err(failed)?;
        }
        if self.place.is_dir() {
            // Fails when something has come into it.
            fs::remove_dir(&self.place).map_err(failed)?;
        }
        fs::rename(&self.partial, &self.place).map_err(failed)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.discard();
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> TrainError {
    TrainError::Output {
        path: path.to_owned(),
        reason: format!("{error}; is there space, and may you write there?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_there_whole_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("new");
        let entries = || fs::read_dir(home.path()).unwrap().count();
        let mut output = Output::claim(&place).unwrap();
        assert_eq!(entries(), 0);
        output.write("a", b"1").unwrap();
        assert!(!place.exists());
        drop(output);
        assert_eq!(entries(), 0);
        fs::create_dir(&place).unwrap();
        let mut output = Output::claim(&place).unwrap();
        output.write("a", b"1").unwrap();
        output.publish().unwrap();
        assert_eq!(fs::read(place.join("a")).unwrap(), b"1");
        assert_eq!(entries(), 1);
        let Err(error) = Output::claim(&place) else {
            panic!("an occupied folder was claimed");
        };
        assert!(error.to_string().contains("there already"));
        assert!(Output::claim(&place.join("a")).is_err());
        assert!(Output::claim(&place.join("a/b")).is_err());
    }
}
