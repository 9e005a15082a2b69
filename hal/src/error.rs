//! Errors by kind, and what each kind allows the caller to do about it.

use crate::State;

/// What went wrong, as a class. The class decides the [`Recovery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call is not allowed in the present state. The backend never saw it.
    State,
    /// The request cannot be met by this board or source.
    Unsupported,
    /// What the request says is contradictory or incomplete.
    Request,
    /// A file, folder or port does not exist.
    NotFound,
    /// The data are malformed, or larger than the limits.
    Malformed,
    /// One exchange failed; the next may work.
    Exchange,
    /// The device is gone.
    Disconnected,
    /// Reading or writing failed below us.
    Io,
}

/// What the caller may do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Repeat the exchange.
    Retry,
    /// Close and open the device again.
    Reopen,
    /// Ask for something else.
    Reconfigure,
    /// Nothing helps without a person.
    GiveUp,
}

impl ErrorKind {
    /// The recovery that this kind allows.
    pub fn recovery(self) -> Recovery {
        match self {
            Self::Exchange => Recovery::Retry,
            Self::Disconnected | Self::Io => Recovery::Reopen,
            Self::Unsupported | Self::Request => Recovery::Reconfigure,
            Self::State | Self::NotFound | Self::Malformed => Recovery::GiveUp,
        }
    }
}

/// An error of a board. Its message is a sentence to the person at the instrument: what is wrong with
/// which thing, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct HalError {
    kind: ErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl HalError {
    /// An error of `kind` with a sentence for the user.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same with the error that caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    pub(crate) fn wrong_state(call: &'static str, state: State) -> Self {
        Self::new(
            ErrorKind::State,
            format!("the board cannot {call} while it is {state}"),
        )
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What may be done about it.
    pub fn recovery(&self) -> Recovery {
        self.kind.recovery()
    }
}
