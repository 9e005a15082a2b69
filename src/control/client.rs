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

#[derive(Serialize)]
struct Request<'a> {
    cmd: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Outcome {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
}

/// Sends `cmd`, with a number for those that take one, to the command socket at `endpoint`, with keys when it has some, and reads the answer as `T`. Must be
/// called on a tokio runtime.
///
/// # Errors
/// When the endpoint cannot be understood, nobody answers within `patience`, the daemon does not let this program in,
/// or the answer is not one.
pub async fn request<T: DeserializeOwned>(
    endpoint: &str,
    cmd: &str,
    seq: Option<u64>,
    patience: Duration,
    keys: Option<&ClientKeys>,
) -> Result<Reply<T>, PublishError> {
    let request = to_cbor(&Request { cmd, seq }).map_err(|reason| MessageError::Encode {
        kind: cmd.to_owned(),
        reason,
    })?;
    let answer = socket::ask(endpoint, request, patience, keys).await?;
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
