//! What is really in a frame.

use serde::{Deserialize, Serialize};

use super::{CellClass, HardCase, Phenotype};

/// Bits of [`Truth::structures`].
pub mod structure {
    /// Nucleus or micronucleus.
    pub const NUCLEUS: u8 = 1;
    /// Lipid droplet.
    pub const DROPLET: u8 = 2;
    /// Lipofuscin granule.
    pub const GRANULE: u8 = 4;
    /// Vacuole.
    pub const VACUOLE: u8 = 8;
    /// Debris, which is no cell.
    pub const DEBRIS: u8 = 16;
}

/// The truth of one frame, in the geometry of the delivered image: pixel (x, y) of the masks is what
/// sample x of row y shows, with odd rows turned into image order.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// Samples in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Row by row: 0 for background, i for the cell whose [`TruthCell::index`] is i. Where cells
    /// overlap, the upper one has the pixel.
    pub labels: Vec<u16>,
    /// Row by row: bits of [`structure`].
    pub structures: Vec<u8>,
    /// The cells of which at least one pixel is in the frame, by ascending index.
    pub cells: Vec<TruthCell>,
}

/// One cell of a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruthCell {
    /// Value of its pixels in [`Truth::labels`], from 1.
    pub index: u16,
    /// Class.
    pub class: CellClass,
    /// Latent severity, 0 to 1.
    pub severity: f64,
    /// True properties.
    pub phenotype: Phenotype,
    /// Why it is harder than others, if it is.
    pub hard_case: Option<HardCase>,
    /// Probability of senescence that the oracle gives to the phenotype.
    pub oracle_p_senescent: f64,
    /// Centre of its pixels in µm from the outer corner of the first pixel, x and y.
    pub centroid_um: (f64, f64),
    /// Area of its pixels in µm².
    pub area_um2: f64,
    /// First column, first row, columns and rows of its pixels.
    pub bounds_px: (u32, u32, u32, u32),
    /// Whether the edge of the frame cuts it.
    pub at_edge: bool,
}
