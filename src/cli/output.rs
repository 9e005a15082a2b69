//! Standard output and files: what cannot be written is an error with its own code, not a panic.

use std::{
    fmt::Display,
    io::{ErrorKind, Write, stderr, stdout},
    path::Path,
};

use super::{Exit, Failure};

/// Writes one line.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(failed)
}

/// Says one thing to people, on standard error.
pub(crate) fn note(text: &str) {
    // A complaint about standard error has no better place to go, and `eprintln!` would panic.
    let _ = writeln!(stderr(), "{text}");
}

/// What a failed write to standard output means.
pub(crate) fn failed(error: std::io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        // The reader has seen enough, as `head` does.
        Failure::message(Exit::Done, String::new())
    } else {
        Failure::message(
            Exit::Io,
            format!("standard output cannot be written: {error}"),
        )
    }
}

/// A file or folder cannot be written.
pub(crate) fn unwritable(path: &Path, reason: &dyn Display) -> Failure {
    Failure::message(
        Exit::Io,
        format!(
            "{} cannot be written: {reason}; is there space, and may you write there?",
            path.display()
        ),
    )
}
