//! What a client is trusted with.

use std::{fmt, str::FromStr};

/// What a client is trusted with. The greater may all that the lesser may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees everything and changes nothing.
    Viewer,
    /// Changes what the instrument does.
    Operator,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Viewer, Self::Operator]
            .into_iter()
            .find(|role| role.to_string() == text)
            .ok_or_else(|| "a role is `viewer` or `operator`".to_owned())
    }
}
