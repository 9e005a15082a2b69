//! Where the files are that are installed with the program.

use std::path::{Path, PathBuf};

/// The ensemble that the program comes with, as the repository has it.
pub(crate) const SHIPPED: &str = "models/ensemble";

/// Where it is beside an installed program: `bin/senescope` → `share/senescope/ensemble`.
const INSTALLED: &str = "../share/senescope/ensemble";

/// The folder of the ensemble `dir`. The shipped one is looked for beside the program when it is not in the present
/// folder, so that an installed program finds it from everywhere.
pub(crate) fn ensemble_dir(dir: &Path) -> PathBuf {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    found(dir, beside)
}

/// The same for a program in the folder `beside`.
fn found(dir: &Path, beside: Option<&Path>) -> PathBuf {
    if dir == Path::new(SHIPPED)
        && !dir.exists()
        && let Some(installed) = beside.map(|beside| beside.join(INSTALLED))
        && installed.is_dir()
    {
        return installed;
    }
    dir.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_named_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join("bin");
        let installed = home.path().join("share/senescope/ensemble");
        std::fs::create_dir(&bin).unwrap();
        std::fs::create_dir_all(&installed).unwrap();
        for named in ["mine", "/nowhere/ensemble"] {
            assert_eq!(found(Path::new(named), Some(&bin)), Path::new(named));
        }
        // Tests run in the repository, which has it.
        assert_eq!(found(Path::new(SHIPPED), Some(&bin)), Path::new(SHIPPED));
    }
}
