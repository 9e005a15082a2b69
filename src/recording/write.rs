//! Writing `run.json`: as a whole, and on the disk when it is said to be there.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use super::{RUN_FILE, RunFile};

/// Writes `run.json`.
pub(crate) fn write_run(folder: &Path, run: &RunFile) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(run)?;
    let temporary = folder.join(format!(".{RUN_FILE}.part"));
    let mut file = File::create(&temporary)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(RUN_FILE))?;
    sync_folder(folder)
}

/// What was renamed or made in `folder` is there after a loss of power.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
