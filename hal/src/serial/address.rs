//! Where a board is to be found.

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

/// A serial port, or `tcp://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The path of a serial port, for example `/dev/ttyACM0`.
    Serial(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl FromStr for Address {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix("tcp://") {
            Some(host) => Self::Tcp(host.to_owned()),
            None => Self::Serial(PathBuf::from(text)),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => path.display().fmt(f),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}
