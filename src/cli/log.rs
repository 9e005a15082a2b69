//! Where the log goes: lines of text on standard error, or the journal with a field for each value.
//!
//! `SENESCOPE_LOG` filters it, for example `debug` or `senescope::pipeline=trace`. The only owner of
//! `tracing-journald`.

use std::{ffi::OsStr, io::IsTerminal, os::fd::AsFd};

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Before the name of each value in the journal: `frames` becomes `SENESCOPE_FRAMES`.
const FIELDS: &str = "SENESCOPE";

/// Starts it. Called once.
pub(super) fn start() {
    // ONNX Runtime tells of each allocation as information.
    let filter = EnvFilter::try_from_env("SENESCOPE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,ort=warn"));
    if let Some(journal) = journal() {
        tracing_subscriber::registry()
            .with(filter)
            .with(journal)
            .init();
        return;
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // They would go to standard error, which is what failed.
        .log_internal_errors(false)
        .init();
}

/// The journal, when standard error goes there anyway.
fn journal() -> Option<tracing_journald::Layer> {
    let stream = std::env::var_os("JOURNAL_STREAM")?;
    if !is(&stream, std::io::stderr()) {
        return None;
    }
    let journal = tracing_journald::layer().ok()?;
    Some(journal.with_field_prefix(Some(FIELDS.to_owned())))
}

/// Whether `file` is the one that is named by its `device:inode`, as systemd has it.
fn is(name: &OsStr, file: impl AsFd) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| {
        let own = format!("{}:{}", stat.st_dev, stat.st_ino);
        name == own.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `JOURNAL_STREAM` is inherited by programs whose standard error was turned elsewhere.
    #[test]
    fn a_stream_is_known_by_its_device_and_inode() {
        let one = tempfile::tempfile().unwrap();
        let other = tempfile::tempfile().unwrap();
        let stat = rustix::fs::fstat(&one).unwrap();
        let name = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert!(is(OsStr::new(&name), &one));
        assert!(!is(OsStr::new(&name), &other));
        for wrong in ["", ":", "8:", "nonsense"] {
            assert!(!is(OsStr::new(wrong), &one), "{wrong}");
        }
    }
}
