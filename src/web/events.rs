//! What the page and the event streams are sent: the published messages as JSON.

use std::sync::Arc;

use serde_json::Value;

use crate::stages::publish::{Kind, MessageError, Published, message::from_cbor};

/// A published message as JSON.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) kind: Kind,
    /// Its number among those of its kind.
    pub(super) seq: u64,
    pub(super) value: Arc<Value>,
    /// The same as text.
    pub(super) json: Arc<str>,
}

impl Event {
    /// The header of a published message.
    pub(super) fn of(published: &Published) -> Result<Self, MessageError> {
        let value: Value = from_cbor(&published.header)?;
        Ok(Self {
            kind: published.kind,
            seq: value.get("seq").and_then(Value::as_u64).unwrap_or_default(),
            json: value.to_string().into(),
            value: Arc::new(value),
        })
    }

    /// A text of its value.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.value.get(field)?.as_str()
    }
}
