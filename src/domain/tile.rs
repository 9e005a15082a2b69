//! The image of one cell as the networks see it.

use std::sync::Arc;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::domain::{Cell, Pooled};

/// Where a tile was cut: a square of the frame, in full-resolution pixels. May reach beyond the frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TileWindow {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Length of an edge.
    pub size: f64,
}

/// A normalised tile with its provenance.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The cell that it shows.
    pub cell: Arc<Cell>,
    /// Where it was cut.
    pub window: TileWindow,
    /// Shape channels × rows × columns, channels in the manifest's order, values as the manifest's
    /// normalisation says.
    pub values: Pooled<Array3<f32>>,
}
