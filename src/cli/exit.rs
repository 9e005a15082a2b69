//! Exit codes, after sysexits(3), and whose fault a failure was.

use std::process::ExitCode;

use senescope_hal::{ErrorKind, HalError};

use crate::pipeline::SinkError;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done = 0,
    /// It was done and the result is negative: a check failed.
    Negative = 1,
    /// The command line is wrong.
    Usage = 64,
    /// The data are malformed.
    Data = 65,
    /// An input is missing.
    NoInput = 66,
    /// A device or port is unavailable.
    Unavailable = 69,
    /// A defect of this program.
    Software = 70,
    /// Reading or writing failed, for example because the disk is full.
    Io = 74,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// What a failure of a board ends the program with.
    pub(crate) fn of_board(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NoInput,
            ErrorKind::Malformed => Self::Data,
            ErrorKind::Io => Self::Io,
            ErrorKind::Disconnected | ErrorKind::Exchange => Self::Unavailable,
            ErrorKind::Unsupported | ErrorKind::Request => Self::Usage,
            _ => Self::Software,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with the code that it ends the program with.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    pub(crate) fn message(exit: Exit, message: String) -> Self {
        Self::new(exit, anyhow::Error::msg(message))
    }
}

/// Gives an error its exit code.
pub(crate) trait Blame<T> {
    fn blame(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Blame<T> for Result<T, E> {
    fn blame(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }
}

impl From<HalError> for Failure {
    fn from(error: HalError) -> Self {
        let exit = Exit::of_board(error.kind());
        Self::new(exit, error)
    }
}

impl From<Failure> for SinkError {
    fn from(failure: Failure) -> Self {
        Self(format!("{:#}", failure.error))
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::new(Exit::Config, error)
    }
}
