//! Views of a tile: what a microscope may change without changing the class.
//!
//! View 0 is the tile. Every other one is flipped and turned by quarter turns (exact), turned by at most 15°
//! and scaled by at most 10 % (bilinear), and each channel by itself is blurred a little, amplified, shifted
//! and disturbed. Outside the cell a tile is exactly 0 and stays so; values stay in [−1, 1]. The recipe's
//! `augment.py` is the model.

use ndarray::{Array2, Array3, ArrayView2, Axis};

use crate::random::{Purpose, Stream};

/// tan(θ/2) of the largest turn θ, 15°: sine and cosine follow from it without a rounding of the system's.
const LARGEST_HALF_TURN: f64 = 0.131_652_497_587_395_85;
const LARGEST_SCALE: f64 = 0.1;
/// A gain is in [1/(1 + this), 1 + this].
const LARGEST_GAIN: f64 = 0.25;
const LARGEST_OFFSET: f64 = 0.03;
/// Standard deviation.
const LARGEST_NOISE: f64 = 0.05;
/// Share of the views that are blurred.
const BLURRED: f64 = 0.5;
/// Two passes of [a, 1 − 2a, a] with a up to this have a standard deviation of up to 1 pixel.
const LARGEST_BLUR: f64 = 0.25;

/// View `view` of tile number `index`, whose planes are square.
pub(super) fn view(tile: &Array3<f32>, seed: u64, index: usize, view: usize) -> Array3<f32> {
    if view == 0 {
        return tile.clone();
    }
    let mut stream = Stream::new(seed, Purpose::View, index as u64, view as u64);
    let turned = turned(tile, stream.index(8));
    let half = stream.range(-LARGEST_HALF_TURN, LARGEST_HALF_TURN);
    let zoom = stream.range(1.0 - LARGEST_SCALE, 1.0 + LARGEST_SCALE);
    let mut moved = resampled(&turned, half, zoom);
    let inside = moved.map_axis(Axis(0), |values| values.iter().any(|value| *value != 0.0));
    let blurred = stream.unit() < BLURRED;
    for mut plane in moved.outer_iter_mut() {
        let blur = stream.range(0.0, LARGEST_BLUR) as f32;
        let gain = stream.range(-LARGEST_GAIN, LARGEST_GAIN);
        let gain = if gain < 0.0 {
            1.0 / (1.0 - gain)
        } else {
            1.0 + gain
        } as f32;
        let offset = stream.range(-LARGEST_OFFSET, LARGEST_OFFSET) as f32;
        let noise = stream.range(0.0, LARGEST_NOISE) as f32;
        if blurred {
            let smooth = smoothed(plane.view(), blur);
            plane.assign(&smooth);
        }
        plane.zip_mut_with(&inside, |value, inside| {
            let changed = *value * gain + offset + noise * stream.bell();
            *value = if *inside {
                changed.clamp(-1.0, 1.0)
            } else {
                0.0
            };
        });
    }
    moved
}

/// One of the eight symmetries of the square: bits 0 and 1 reverse rows and columns, bit 2 exchanges them.
fn turned(tile: &Array3<f32>, symmetry: usize) -> Array3<f32> {
    let mut view = tile.view();
    if symmetry & 1 != 0 {
        view.invert_axis(Axis(1));
    }
    if symmetry & 2 != 0 {
        view.invert_axis(Axis(2));
    }
    if symmetry & 4 != 0 {
        view.swap_axes(1, 2);
    }
    view.as_standard_layout().into_owned()
}

/// Turned about its centre by the angle whose half has the tangent `half`, and magnified by `zoom`.
/// What comes in from outside is background.
fn resampled(tile: &Array3<f32>, half: f64, zoom: f64) -> Array3<f32> {
    let (channels, rows, columns) = tile.dim();
    let norm = 1.0 + half * half;
    let (cos, sin) = ((1.0 - half * half) / norm / zoom, 2.0 * half / norm / zoom);
    let (centre_y, centre_x) = ((rows as f64 - 1.0) / 2.0, (columns as f64 - 1.0) / 2.0);
    let mut result = Array3::zeros((channels, rows, columns));
    for y in 0..rows {
        for x in 0..columns {
            let (dy, dx) = (y as f64 - centre_y, x as f64 - centre_x);
            let from_y = centre_y + cos * dy - sin * dx;
            let from_x = centre_x + sin * dy + cos * dx;
            let (top, left) = (from_y.floor(), from_x.floor());
            let (down, right) = ((from_y - top) as f32, (from_x - left) as f32);
            let corners = [
                (top, left, (1.0 - down) * (1.0 - right)),
                (top, left + 1.0, (1.0 - down) * right),
                (top + 1.0, left, down * (1.0 - right)),
                (top + 1.0, left + 1.0, down * right),
            ];
            for (row, column, share) in corners {
                let within = row >= 0.0 && column >= 0.0 && share > 0.0;
                let (row, column) = (row as usize, column as usize);
                if !within || row >= rows || column >= columns {
                    continue;
                }
                for channel in 0..channels {
                    result[(channel, y, x)] += share * tile[(channel, row, column)];
                }
            }
        }
    }
    result
}

/// Two passes of [a, 1 − 2a, a] along rows and columns; beyond the edge is background.
fn smoothed(plane: ArrayView2<'_, f32>, a: f32) -> Array2<f32> {
    let mut plane = plane.to_owned();
    for _ in 0..2 {
        for axis in [0, 1] {
            for mut lane in plane.lanes_mut(Axis(axis)) {
                let mut before = 0.0;
                for at in 0..lane.len() {
                    let here = lane[at];
                    let after = lane.get(at + 1).copied().unwrap_or(0.0);
                    lane[at] = a * (before + after) + (1.0 - 2.0 * a) * here;
                    before = here;
                }
            }
        }
    }
    plane
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disc whose value tells its place, on a background of 0.
    fn tile() -> Array3<f32> {
        Array3::from_shape_fn((3, 32, 32), |(c, y, x)| {
            let (dy, dx) = (y as f32 - 15.5, x as f32 - 15.5);
            if dy * dy + dx * dx > 80.0 {
                return 0.0;
            }
            0.3 + 0.1 * c as f32 + 0.01 * dx + 0.02 * dy
        })
    }

    #[test]
    fn the_first_view_is_the_tile_and_others_follow_from_their_key() {
        let tile = tile();
        assert_eq!(view(&tile, 1, 5, 0), tile);
        let one = view(&tile, 1, 5, 1);
        assert_eq!(view(&tile, 1, 5, 1), one);
        for other in [
            view(&tile, 2, 5, 1),
            view(&tile, 1, 6, 1),
            view(&tile, 1, 5, 2),
        ] {
            assert_ne!(other, one);
        }
    }

    #[test]
    fn the_background_stays_exactly_zero_and_the_cell_stays_a_cell() {
        let tile = tile();
        let area = |tile: &Array3<f32>| tile.iter().filter(|value| **value != 0.0).count() as f32;
        for number in 1..40 {
            let view = view(&tile, 3, 0, number);
            assert!(view.iter().all(|value| (-1.0..=1.0).contains(value)));
            for corner in [(0, 0, 0), (1, 0, 31), (2, 31, 0), (0, 31, 31)] {
                assert_eq!(view[corner], 0.0);
            }
            // 0.9² to 1.1², and a rim of a pixel that bilinear resampling adds.
            let ratio = area(&view) / area(&tile);
            assert!((0.8..1.55).contains(&ratio), "{ratio}");
        }
    }

    #[test]
    fn the_eight_symmetries_are_exact_and_differ() {
        let tile = tile();
        let sum = |tile: &Array3<f32>| {
            let mut values: Vec<u32> = tile.iter().map(|value| value.to_bits()).collect();
            values.sort_unstable();
            values
        };
        let all: Vec<_> = (0..8).map(|symmetry| turned(&tile, symmetry)).collect();
        for (number, one) in all.iter().enumerate() {
            assert_eq!(sum(one), sum(&tile));
            assert!(all[..number].iter().all(|other| other != one));
        }
        assert_eq!(all[0], tile);
        assert_eq!(turned(&all[3], 3), tile);
        assert_eq!(turned(&all[4], 4), tile);
    }

    #[test]
    fn a_turn_moves_what_is_there_by_the_angle() {
        let tile = tile();
        assert_eq!(resampled(&tile, 0.0, 1.0), tile);
        // The value is linear in place, so bilinear resampling is exact inside the disc.
        let (half, zoom) = (0.1_f64, 1.05);
        let angle = 2.0 * half.atan();
        let moved = resampled(&tile, half, zoom);
        for (y, x) in [(12, 15), (18, 13), (15, 20)] {
            let (dy, dx) = (y as f64 - 15.5, x as f64 - 15.5);
            let from_y = (angle.cos() * dy - angle.sin() * dx) / zoom;
            let from_x = (angle.sin() * dy + angle.cos() * dx) / zoom;
            let expected = 0.3 + 0.01 * from_x + 0.02 * from_y;
            assert!((f64::from(moved[(0, y, x)]) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_blur_keeps_the_sum_and_lowers_the_peak() {
        let mut plane = Array2::zeros((9, 9));
        plane[(4, 4)] = 1.0;
        let smooth = smoothed(plane.view(), 0.25);
        assert!((smooth.sum() - 1.0).abs() < 1e-6);
        // [1, 4, 6, 4, 1] / 16 in both directions.
        assert!((smooth[(4, 4)] - 36.0 / 256.0).abs() < 1e-6);
        assert_eq!(smoothed(plane.view(), 0.0), plane);
    }
}
