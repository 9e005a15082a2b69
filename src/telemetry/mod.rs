//! Every event and metric as a type, in one place.

mod edge;

pub use edge::{Discard, Edge, EdgeCounts};
