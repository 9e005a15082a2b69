//! Plain values without I/O: what the stages hand to each other.

mod cell;
mod engine;
mod heatmap;
mod pool;
mod rect;
mod stamps;
mod tile;
mod verdict;

pub use cell::{Cell, CellFlags};
pub use engine::{EngineId, Precision};
pub use heatmap::{Heatmap, HeatmapSource};
pub use pool::{Buffer, Pool, Pooled};
pub use rect::Rect;
pub use stamps::{Latency, Stamps};
pub use tile::{Tile, TileWindow};
pub use verdict::{Label, MemberVerdict, Verdict};
