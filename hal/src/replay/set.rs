//! Which files belong together: those that the OME-XML of one of them tells of.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use super::{file, limits::MAX_TEXT_BYTES, ome_stack};
use crate::{HalError, ome::OmeDocument};

/// An OME-XML document and the file that it was found in.
pub(crate) struct Home {
    pub(crate) document: OmeDocument,
    pub(crate) path: PathBuf,
}

/// The document that stands for the file at `path`, whose ImageDescription is `description`: its own, or the
/// one that it points to. `None` when it is not OME-TIFF.
///
/// # Errors
/// `Malformed`, or `NotFound` when the file that it points to is not there.
pub(crate) fn home(path: &Path, description: &str) -> Result<Option<Home>, HalError> {
    if !OmeDocument::is_in(description) {
        return Ok(None);
    }
    let document = OmeDocument::parse(description).map_err(|why| file::malformed(path, why))?;
    let Some(name) = &document.metadata_file else {
        return Ok(Some(Home {
            document,
            path: path.to_owned(),
        }));
    };
    let companion_path = ome_stack::sibling(path, name).ok_or_else(|| {
        file::malformed(
            path,
            format!("it says that its metadata are in {name:?}, which is not a plain name"),
        )
    })?;
    let document = companion(&companion_path)?;
    Ok(Some(Home {
        document,
        path: companion_path,
    }))
}

/// Reads a companion: a file of OME-XML alone.
///
/// # Errors
/// `NotFound`, `Io`, or `Malformed` naming the file.
pub(crate) fn companion(path: &Path) -> Result<OmeDocument, HalError> {
    let open = |error| file::file_error(path, "read", error);
    let mut text = String::new();
    let file = fs::File::open(path).map_err(open)?;
    file.take(MAX_TEXT_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|_| file::malformed(path, "it is not text in UTF-8"))?;
    OmeDocument::parse(&text).map_err(|reason| file::malformed(path, reason))
}

/// The files of the set that the file at `path` belongs to, in the order of their names, whether they are there
/// or not. A file that stands for itself is its own set.
///
/// # Errors
/// `NotFound`, `Io`, or `Malformed` naming the file.
pub(crate) fn members(path: &Path) -> Result<Vec<PathBuf>, HalError> {
    let mut members = vec![path.to_owned()];
    if let Some(home) = home(path, &file::description(path)?)? {
        let own = home.document.uuid.as_deref();
        let data = home.document.images.iter().flat_map(|image| &image.data);
        for data in data {
            // A file that was renamed is still the one that its identity names.
            let is_home = data.uuid.is_some() && data.uuid.as_deref() == own;
            let name = data.file.as_deref().filter(|_| !is_home);
            members.extend(name.and_then(|name| ome_stack::sibling(path, name)));
        }
        members.push(home.path);
    }
    members.sort();
    members.dedup();
    Ok(members)
}
