//! A Python for the tests that need one.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A Python with NumPy: that of the peers, or that of this machine.
pub(crate) fn python() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")));
    let peers = cache.map(|cache| cache.join("senescope/peers/bin/python"));
    let works = |python: &PathBuf| {
        let wants = "import sys, numpy; assert sys.version_info >= (3, 10)";
        let mut command = Command::new(python);
        command.args(["-c", wants]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = peers
        .into_iter()
        .chain([PathBuf::from("python3")])
        .find(works);
    if found.is_none() {
        println!("skipped: no Python of at least 3.10 with NumPy; tests/peers/setup.sh makes one");
    }
    found
}
