//! Asking a daemon.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::stages::publish::{
    PublishError,
    message::{MessageError, from_cbor, to_cbor},
    socket::{self, ClientKeys},
};

/// What a daemon says to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply<T> {
    /// It was done.
    Granted(T),
    /// It was not done; the sentence says why.
    Refused(String),
}

/// What is asked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Request {
    /// The command's name.
    pub cmd: String,
    /// For `since`: the number of the last label that is not wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// For `set` and `reprocess`: settings, `section.key=value` each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
}

impl Request {
    /// A command without anything.
    pub fn of(cmd: &str) -> Self {
        Self {
            cmd: cmd.to_owned(),
            ..Self::default()
        }
    }
}

#[derive(Deserialize)]
struct Outcome {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
}

/// Sends a request to the command socket at `endpoint`, with keys when it has some, and reads the answer as `T`. Must be
/// called on a tokio runtime.
///
/// # Errors
/// When the endpoint cannot be understood, nobody answers within `patience`, the daemon does not let this program in,
/// or the answer is not one.
pub async fn request<T: DeserializeOwned>(
    endpoint: &str,
    request: &Request,
    patience: Duration,
    keys: Option<&ClientKeys>,
) -> Result<Reply<T>, PublishError> {
    let bytes = to_cbor(request).map_err(|reason| MessageError::Encode {
        kind: request.cmd.clone(),
        reason,
    })?;
    let answer = socket::ask(endpoint, bytes, patience, keys).await?;
    let outcome: Outcome = from_cbor(&answer)?;
    Ok(if outcome.ok {
        Reply::Granted(from_cbor(&answer)?)
    } else {
        Reply::Refused(
            outcome
                .error
                .unwrap_or_else(|| "no reason was given".to_owned()),
        )
    })
}
