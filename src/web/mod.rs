//! The live page and the HTTP interface.
//!
//! The page is a subscriber in this process: it gets the messages that are published, as JSON, and the rows of the
//! present frame. Nobody waits for it. Events are a ring that a slow page falls behind in and is told so; of pixels there
//! is only the present frame, so the freshest wins; what one page is sent is bounded in bytes a second.
//!
//! | path | |
//! |---|---|
//! | `/` | the page |
//! | `/healthz`, `/readyz` | for supervisors: alive; ready to classify |
//! | `/status` | where the daemon is, its counters and its last statistics |
//! | `/metrics` | OpenMetrics, or the older text format |
//! | `/api/labels` | the last labels as JSON, or as server-sent events for who accepts `text/event-stream` |
//! | `/api/maps/{seq}`, `/api/maps/{seq}/{member}` | the maps of a label: what there is, and each as PNG (8 bit) |
//! | `/api/live` | WebSocket of the page: events and rows |
//! | `/api/run/start`, `/api/run/stop`, `/api/settings`, `/api/reprocess`, `/api/marks` | for operators |
//! | `/openapi.json` | all of it, for machines |

mod access;
mod api;
mod assets;
mod board;
mod canvas;
mod error;
mod events;
mod exposition;
mod hub;
mod live;
mod metrics;
mod server;

pub use access::{Access, AccessError};
pub use canvas::Canvas;
pub use server::{Site, WebError, serve};
