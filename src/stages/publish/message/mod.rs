//! The messages of the stream as types, and their CBOR.
//!
//! A message is the frames `topic | header | payload…`. The header is one CBOR map (RFC 8949); a payload is
//! an array that the header describes by `dtype`, `shape` and `enc`. What was not measured is null.
//! Times are nanoseconds of the daemon's monotonic clock and can only be compared with one another.
//!
//! Field names and types are a contract: `tests/golden/messages` holds one example of each message.

mod cam;
mod header;
mod label;
mod run;
mod stat;

use serde::{Serialize, de::DeserializeOwned};

pub use cam::{CamMessage, DTYPE};
pub use header::{Header, Kind, Message, VERSION};
pub use label::{CLASSES, LabelMessage};
pub use run::{Finish, Run, RunEnd, RunReport, RunSettings, RunStart, Total};
pub use stat::{Depth, Heartbeat, Listeners, RunState, Stat};

/// A message could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A value has no CBOR form.
    #[error("a message of kind {kind} cannot be encoded: {reason}; please report this as a defect")]
    Encode {
        /// What kind of message.
        kind: String,
        /// What the encoder says.
        reason: String,
    },
    /// The bytes are not a message.
    #[error(
        "{bytes} bytes that should be a message are not: {reason}; is the sender a senescope daemon?"
    )]
    Decode {
        /// How many bytes.
        bytes: usize,
        /// What the decoder says.
        reason: String,
    },
    /// The message is of a version that this program does not know.
    #[error(
        "the sender speaks version {found} of the messages and this program version {VERSION}; use the same \
         release of both"
    )]
    Version {
        /// The version in the message.
        found: u32,
    },
}

/// The CBOR of a message's header.
///
/// # Errors
/// When a value has no CBOR form.
pub fn encode<Body: Serialize>(message: &Message<Body>) -> Result<Vec<u8>, MessageError> {
    to_cbor(message).map_err(|reason| MessageError::Encode {
        kind: message.header.kind.to_string(),
        reason,
    })
}

/// The common fields of a header, whatever its kind.
///
/// # Errors
/// When the bytes are no header, or one of another version.
pub fn decode_header(bytes: &[u8]) -> Result<Header, MessageError> {
    let header: Header = from_cbor(bytes)?;
    if header.v == VERSION {
        Ok(header)
    } else {
        Err(MessageError::Version { found: header.v })
    }
}

/// A whole header as the type of its kind.
///
/// # Errors
/// When the bytes are not such a message.
pub fn decode<Body: DeserializeOwned>(bytes: &[u8]) -> Result<Message<Body>, MessageError> {
    from_cbor(bytes)
}

/// The CBOR of any value.
pub(crate) fn to_cbor(value: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(1024);
    ciborium::into_writer(value, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Any value from CBOR. The bytes are at most a message long, which bounds the memory that is taken.
pub(crate) fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    ciborium::de::from_reader_with_recursion_limit(bytes, MAX_DEPTH).map_err(|error| {
        MessageError::Decode {
            bytes: bytes.len(),
            reason: error.to_string(),
        }
    })
}

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 32;
