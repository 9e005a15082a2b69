//! Every event and metric as a type, in one place.

mod edge;
mod latency;
mod quality;
mod spent;

pub use edge::{Discard, Edge, EdgeCounts};
pub use latency::{Latencies, LatencyReport, Percentiles};
pub use quality::FrameQuality;
pub use spent::Cost;
pub(crate) use spent::{Spent, Work};
