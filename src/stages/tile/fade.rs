//! How much of each pixel is the cell's own.

use imageproc::{
    distance_transform::euclidean_squared_distance_transform,
    image::{GrayImage, Luma},
};
use ndarray::Array2;

use super::Region;
use crate::domain::Cell;

/// The share of each pixel of `region`, in [0, 1]: 1 up to `margin` pixels from the cell's mask, falling
/// linearly to 0 over `taper` pixels. Distances are Euclidean between the centres of pixels.
pub(super) fn fade(cell: &Cell, region: Region, margin: f64, taper: f64) -> Array2<f64> {
    let (width, height) = (region.width(), region.height());
    let inside = |x: usize, y: usize| {
        let column = (region.left + x).checked_sub(cell.bbox.x as usize)?;
        let row = (region.top + y).checked_sub(cell.bbox.y as usize)?;
        cell.mask.get((row, column)).copied()
    };
    // Lengths inside a frame fit into 32 bits.
    let mask = GrayImage::from_fn(width as u32, height as u32, |x, y| {
        Luma([u8::from(inside(x as usize, y as usize) == Some(true))])
    });
    let squares = euclidean_squared_distance_transform(&mask);
    let share = |square: f64| {
        let beyond = square.sqrt() - margin;
        if beyond <= 0.0 {
            1.0
        } else if beyond < taper {
            1.0 - beyond / taper
        } else {
            0.0
        }
    };
    Array2::from_shape_fn((height, width), |(y, x)| {
        share(squares.get_pixel(x as u32, y as u32)[0])
    })
}

#[cfg(test)]
mod tests {
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
            let found = fade(&cell, region, margin, taper);
            for ((y, x), share) in found.indexed_iter() {
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
