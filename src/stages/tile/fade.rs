//! How much of each pixel is the cell's own.

use super::Region;
use crate::{domain::Cell, stages::distance::Distances};

/// Most squared distances whose shares are kept.
const KEPT: usize = 1 << 16;

/// Computes shares: 1 up to `margin` pixels from a cell's mask, falling linearly to 0 over `taper` pixels. Distances
/// are Euclidean between the centres of pixels.
#[derive(Clone, Debug)]
pub(super) struct Fade {
    margin: f64,
    taper: f64,
    /// Beyond it nothing is the cell's.
    reach: usize,
    /// By squared distance.
    shares: Vec<f64>,
    mask: Vec<bool>,
    distances: Distances,
    values: Vec<f64>,
}

impl Fade {
    pub(super) fn new(margin: f64, taper: f64) -> Self {
        let reach = margin + taper + 1.0;
        let kept = reach.powi(2).min(KEPT as f64) as u32;
        Self {
            margin,
            taper,
            reach: reach as usize,
            shares: (0..kept)
                .map(|square| share(f64::from(square), margin, taper))
                .collect(),
            mask: Vec::new(),
            distances: Distances::default(),
            values: Vec::new(),
        }
    }

    /// The share of each pixel of `region`, in [0, 1], row by row.
    pub(super) fn of(&mut self, cell: &Cell, region: Region) -> &[f64] {
        let (width, height) = (region.width(), region.height());
        self.mask.clear();
        self.mask.resize(width * height, false);
        let (x, y) = (cell.bbox.x as usize, cell.bbox.y as usize);
        let (columns, rows) = (cell.mask.ncols(), cell.mask.nrows());
        // What of the mask lies in the region.
        let left = x.max(region.left)..(x + columns).min(region.right);
        let top = y.max(region.top)..(y + rows).min(region.bottom);
        if !left.is_empty() && !top.is_empty() {
            let lines = cell.mask.outer_iter().skip(top.start - y);
            for (row, line) in top.zip(lines) {
                let to = &mut self.mask[(row - region.top) * width..];
                let to = &mut to[left.start - region.left..left.end - region.left];
                for (to, inside) in to.iter_mut().zip(line.iter().skip(left.start - x)) {
                    *to = *inside;
                }
            }
        }
        let squares = self.distances.squares(&self.mask, width, self.reach).iter();
        let (shares, margin, taper) = (&self.shares, self.margin, self.taper);
        self.values.clear();
        self.values.extend(squares.map(|square| {
            let kept = shares.get(*square as usize).copied();
            kept.unwrap_or_else(|| share(f64::from(*square), margin, taper))
        }));
        &self.values
    }
}

fn share(square: f64, margin: f64, taper: f64) -> f64 {
    let beyond = square.sqrt() - margin;
    if beyond <= 0.0 {
        1.0
    } else if beyond < taper {
        1.0 - beyond / taper
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::stages::tile::tests::cell;

    proptest! {
        #[test]
        fn the_share_is_that_of_the_nearest_pixel_of_the_mask(
            bits in proptest::collection::vec(proptest::bool::weighted(0.2), 5 * 7),
            margin in 0.0_f64..3.0,
            taper in 0.0_f64..3.0,
        ) {
            let mask = Array2::from_shape_vec((5, 7), bits).unwrap();
            let cell = cell(4, 6, mask.clone());
            let region = Region { left: 1, top: 2, right: 15, bottom: 16 };
            let mut fade = Fade::new(margin, taper);
            for (at, share) in fade.of(&cell, region).iter().enumerate() {
                let (y, x) = (at / region.width(), at % region.width());
                let nearest = mask
                    .indexed_iter()
                    .filter(|(_, inside)| **inside)
                    .map(|((row, column), _)| {
                        let dy = (row + 6) as f64 - (y + 2) as f64;
                        let dx = (column + 4) as f64 - (x + 1) as f64;
                        dx.hypot(dy)
                    })
                    .fold(f64::INFINITY, f64::min);
                let expected = if nearest <= margin {
                    1.0
                } else {
                    (1.0 - (nearest - margin) / taper).max(0.0)
                };
                prop_assert!((share - expected).abs() < 1e-9, "{y} {x}: {share} {expected}");
            }
        }
    }
}
