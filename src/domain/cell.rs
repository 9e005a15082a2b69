//! A cell that was found in a frame.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::domain::{Pooled, Rect};

/// What is unusual about the image of a cell. Each flag is a reason for caution, not for discarding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellFlags {
    /// The cell reaches the edge of the field: part of it was not seen.
    pub touches_border: bool,
    /// Rows of the cell are missing.
    pub incomplete: bool,
    /// At least 1 % of its samples in one channel are at the digitiser's limit.
    pub saturated: bool,
    /// Wider or higher than the tile: only its middle was classified.
    pub larger_than_tile: bool,
    /// SRS is noise: the pulses do not overlap, or the lock-in is off.
    pub srs_lost: bool,
    /// TPEF is noise: the photomultiplier is off.
    pub tpef_lost: bool,
    /// Transmission is noise: the photodiode is off.
    pub trans_lost: bool,
    /// All channels are noise: there is no cell, or no light.
    pub empty: bool,
    /// Transmission looks like SRS or TPEF: cables or channel names are exchanged.
    pub channels_exchanged: bool,
    /// Transmission is not sharp.
    pub out_of_focus: bool,
    /// Its image lies outside the training set of the ensemble.
    pub outside_training_set: bool,
}

impl CellFlags {
    /// The names of the flags that are set, as they are published.
    pub fn names(&self) -> Vec<&'static str> {
        [
            (self.touches_border, "touches_border"),
            (self.incomplete, "incomplete"),
            (self.saturated, "saturated"),
            (self.larger_than_tile, "larger_than_tile"),
            (self.srs_lost, "srs_lost"),
            (self.tpef_lost, "tpef_lost"),
            (self.trans_lost, "trans_lost"),
            (self.empty, "empty"),
            (self.channels_exchanged, "channels_exchanged"),
            (self.out_of_focus, "out_of_focus"),
            (self.outside_training_set, "outside_training_set"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect()
    }
}

/// A segmented cell. Positions are full-resolution pixels, origin top left.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Number of the cell in its frame, from 0, in the order in which cells were decided.
    pub id: u32,
    /// Bounding box of the mask.
    pub bbox: Rect,
    /// The pixels of the cell: shape `bbox.height` × `bbox.width`.
    pub mask: Pooled<Array2<bool>>,
    /// Centre of mass of the mask: x, y in pixels; the centre of the top left pixel is (0, 0).
    pub centroid_px: [f64; 2],
    /// Pixels in the mask.
    pub area_px: u32,
    /// Outer boundary of the mask: x, y of the boundary pixels' centres, closed implicitly.
    pub outline: Pooled<Vec<[u32; 2]>>,
    /// Local background of each channel in counts, in the scan's channel order.
    pub background: Pooled<Vec<f32>>,
    /// The row whose arrival decided the cell: at most the look-ahead below its last row, and at most the last
    /// of the frame.
    pub decided_row: u32,
    /// What is unusual.
    pub flags: CellFlags,
}
