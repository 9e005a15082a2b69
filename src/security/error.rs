//! What can be wrong with files of keys.

use std::path::PathBuf;

/// Whose fault it is, and so what the exit code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityErrorKind {
    /// A file or folder is missing.
    Missing,
    /// A file is not a certificate, or a folder lists nobody.
    Malformed,
    /// Others can read a secret.
    Exposed,
    /// The name cannot be used.
    Usage,
    /// The operating system failed.
    Io,
}

/// An error of files of keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// A file or folder is missing.
    #[error("{path} is not there; `senescope keys new` makes keys")]
    Missing {
        /// What is missing.
        path: PathBuf,
    },
    /// A file cannot be read as a certificate.
    #[error("{path} is not a CURVE certificate: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// Others can read a secret.
    #[error(
        "others can read the secret key in {path}; type `chmod 600 {path}`, and make a new key when others may have \
         read it"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// Nobody could connect.
    #[error(
        "{folder} lists no clients, so that nobody could connect; type `senescope keys new NAME --role viewer` or \
         put the public certificates of clients (NAME.key) there"
    )]
    Nobody {
        /// The folder.
        folder: PathBuf,
    },
    /// Two clients with one key.
    #[error("{first} and {second} in {folder} have the same key; remove one of them")]
    Twice {
        /// The folder.
        folder: PathBuf,
        /// A name.
        first: String,
        /// The other.
        second: String,
    },
    /// The name cannot be that of a client.
    #[error("`{name}` cannot be a name: {reason}")]
    Name {
        /// As given.
        name: String,
        /// What a name is.
        reason: &'static str,
    },
    /// There is such a key already.
    #[error("{path} is there already; remove it, or choose another name")]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The operating system failed.
    #[error("{path} cannot be {what}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl SecurityError {
    /// Whose fault it is.
    pub fn kind(&self) -> SecurityErrorKind {
        match self {
            Self::Missing { .. } => SecurityErrorKind::Missing,
            Self::Malformed { .. } | Self::Nobody { .. } | Self::Twice { .. } => {
                SecurityErrorKind::Malformed
            }
            Self::Exposed { .. } => SecurityErrorKind::Exposed,
            Self::Name { .. } | Self::Taken { .. } => SecurityErrorKind::Usage,
            Self::Io { .. } => SecurityErrorKind::Io,
        }
    }
}
