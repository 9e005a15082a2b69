//! Publishing: labels, maps and their bookkeeping over ZeroMQ.
//!
//! A message is assigned its number in the [`Outbox`], waits in a queue bounded in bytes, and goes to every
//! subscriber whose backlog has room. A subscriber that is slow or stopped loses messages and can tell from
//! the numbers; it never slows the pipeline nor another subscriber. The stream is not the record.
//!
//! Two PUB sockets, `labels` (run, label, stat, hb) and `maps` (cam), and a ROUTER socket whose requests
//! [`crate::control`] answers. [`message`] says what the messages hold.

pub mod endpoint;
mod error;
mod feed;
mod ipc;
pub mod message;
mod outbox;
mod publisher;
mod queue;
mod sequence;
mod snapshot;
pub mod socket;
pub mod subscriber;
pub mod topic;

pub use error::{PublishError, PublishErrorKind};
pub use feed::Published;
pub use message::{
    CLASSES, CamMessage, Depth, Finish, Header, Heartbeat, Kind, LabelMessage, Listeners, Message,
    MessageError, Run, RunEnd, RunReport, RunSettings, RunStart, RunState, Stat, Total, VERSION,
};
pub use outbox::{Outbox, RunIdentity};
pub use publisher::{PublishConfig, Publisher};
pub use sequence::Sequences;
pub use snapshot::{Snapshot, SnapshotLimits};
pub use socket::Frames;
