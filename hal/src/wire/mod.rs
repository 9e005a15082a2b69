//! What boards speak on the wire: SCPI strips, version 1. `hal/README.md` is the specification for whoever
//! writes a firmware.
//!
//! Everything here is pure: bytes in, values out, and the other way round. Lengths are bounded before memory is
//! taken for them.

mod block;
mod errors;
mod forms;
mod record;
mod scpi;

pub use block::{BlockError, BlockHeader, MAX_HEADER as MAX_BLOCK_HEADER};
pub(crate) use errors::{ErrorQueue, NO_ERROR};
pub(crate) use forms::MAX_NAME;
pub use forms::{
    ActualForm, CapabilityForm, ChannelForm, LinkForm, LinkKind, MAX_CHANNELS, MAX_FORM, RunPhase,
    StatusLine,
};
pub use record::{
    CHECKSUM, HEADER, MAGIC, MAX_PAYLOAD, MAX_RECORD, RecordError, RecordHeader, VERSION,
};
pub use scpi::{MAX_MESSAGE, MessageError, Unit, units};
