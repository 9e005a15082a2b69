//! The files of a source: found from the paths that a person gave, each opened once.
//!
//! A folder stands for its TIFF files in the order of their names. Files named `truth-*` are masks that
//! the simulator writes beside its frames, and `maps-*` are maps of a recording; they are left out.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    file,
    limits::MAX_FILES,
    ome_stack, set,
    stack::{self, SourceFile, Stack},
};
use crate::{
    ErrorKind, HalError,
    ome::{FrameRecord, OmeDocument},
};

/// Folders that are named to a person who gave the one above them.
const FOLDERS_NAMED: usize = 3;

/// All files of a source.
#[derive(Default)]
pub(crate) struct Files {
    files: Vec<SourceFile>,
    numbers: HashMap<PathBuf, u32>,
    stacks: Vec<Stack>,
    stack_of: HashMap<PathBuf, usize>,
}

impl Files {
    /// The file of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&SourceFile> {
        self.files.get(number as usize)
    }

    /// All files.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }

    /// The paths of all files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Number of pages of a file.
    pub(crate) fn pages(&self, number: u32) -> usize {
        self.get(number).map_or(0, SourceFile::len)
    }

    /// The number of a file of an OME set, opened when it was not yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load(&mut self, path: &Path) -> Result<u32, HalError> {
        if let Some(number) = self.numbers.get(&key(path)) {
            return Ok(*number);
        }
        let pages = file::directories(path)?.pages;
        self.add(SourceFile {
            path: path.to_owned(),
            pages,
            raw: None,
            record: None,
        })
    }

    fn add(&mut self, file: SourceFile) -> Result<u32, HalError> {
        let number = self.files.len() as u32;
        if self.files.len() >= MAX_FILES {
            return Err(HalError::new(
                ErrorKind::Request,
                format!("the paths have more than {MAX_FILES} files; replay fewer at once"),
            ));
        }
        self.numbers.insert(key(&file.path), number);
        self.files.push(file);
        Ok(number)
    }

    /// Opens `paths` (folders, files, companions) and gives the numbers of their stacks. A set counts
    /// once, however many of its files are among the paths; so does a file that is given twice.
    ///
    /// # Errors
    /// `NotFound`, `Io` or `Malformed`, naming the file.
    pub(crate) fn open(&mut self, paths: &[PathBuf]) -> Result<Vec<usize>, HalError> {
        let mut numbers = Vec::new();
        let mut listed = HashSet::new();
        for path in paths {
            for path in expand(path)? {
                let number = match self.stack_of.get(&key(&path)) {
                    Some(number) => *number,
                    None => self.open_new(&path)?,
                };
                if listed.insert(number) {
                    numbers.push(number);
                }
            }
        }
        Ok(numbers)
    }

    fn open_new(&mut self, path: &Path) -> Result<usize, HalError> {
        let before = self.files.len();
        let stack = self.open_one(path)?;
        let number = self.stacks.len();
        self.stacks.push(stack);
        self.stack_of.insert(key(path), number);
        for file in self.files.get(before..).unwrap_or_default() {
            self.stack_of.insert(key(&file.path), number);
        }
        Ok(number)
    }

    /// The stack of a number.
    pub(crate) fn stack(&self, number: usize) -> Option<&Stack> {
        self.stacks.get(number)
    }

    fn open_one(&mut self, path: &Path) -> Result<Stack, HalError> {
        let name = path.to_string_lossy().to_lowercase();
        if name.ends_with(".ome") || name.ends_with(".ome.xml") {
            let document = set::companion(path)?;
            return self.set(&document, path, None);
        }
        let directories = file::directories(path)?;
        let description = directories.description.as_deref().unwrap_or_default();
        let Some(home) = set::home(path, description)? else {
            let number = self.files.len() as u32;
            let (file, stack) = stack::single(path, directories, number)?;
            self.add(file)?;
            return Ok(stack);
        };
        if home.path != path {
            return self.set(&home.document, &home.path, None);
        }
        let number = self.add(SourceFile {
            path: path.to_owned(),
            pages: directories.pages,
            raw: None,
            record: FrameRecord::of(&home.document),
        })?;
        self.set(&home.document, path, Some(number))
    }

    fn set(
        &mut self,
        document: &OmeDocument,
        home: &Path,
        own: Option<u32>,
    ) -> Result<Stack, HalError> {
        if document.images.is_empty() {
            return Err(file::malformed(home, "its OME-XML tells of no image"));
        }
        ome_stack::arrange(document, home, own, self)
    }
}

/// What is the same for all names of one file.
fn key(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn expand(path: &Path) -> Result<Vec<PathBuf>, HalError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error| file::file_error(path, "read", error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let found = entry.map_err(failed)?.path();
        if is_tiff(&found) {
            paths.push(found);
        }
        if paths.len() > MAX_FILES {
            let message = format!(
                "{} has more than {MAX_FILES} files; replay fewer at once",
                path.display()
            );
            return Err(HalError::new(ErrorKind::Request, message));
        }
    }
    if paths.is_empty() {
        let message = match folders_with_tiffs(path).as_slice() {
            [] => format!(
                "{} has no TIFF files; give a folder of .tif files or a file",
                path.display()
            ),
            folders => format!(
                "{} has no TIFF files, but these folders in it have: {}; give one of them",
                path.display(),
                folders.join(", ")
            ),
        };
        return Err(HalError::new(ErrorKind::NotFound, message));
    }
    paths.sort();
    Ok(paths)
}

/// A file that a folder stands for.
fn is_tiff(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let tiff = [".tif", ".tiff", ".btf", ".tf8"]
        .iter()
        .any(|end| name.ends_with(end));
    let beside = name.starts_with("truth-") || name.starts_with("maps-");
    tiff && !beside && !name.starts_with('.') && path.is_file()
}

/// The first few folders in `path` that have TIFF files, as they would be typed.
fn folders_with_tiffs(path: &Path) -> Vec<String> {
    let entries = |path: &Path| {
        let listed = fs::read_dir(path).into_iter().flatten().take(MAX_FILES);
        listed.filter_map(|entry| entry.ok().map(|entry| entry.path()))
    };
    let mut folders: Vec<_> = entries(path)
        .filter(|folder| folder.is_dir() && entries(folder).any(|found| is_tiff(&found)))
        .collect();
    folders.sort();
    let more = folders.len() > FOLDERS_NAMED;
    folders.truncate(FOLDERS_NAMED);
    let names = folders.iter().map(|folder| folder.display().to_string());
    names.chain(more.then(|| "…".to_owned())).collect()
}
