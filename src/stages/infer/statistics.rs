//! Image statistics of a tile, by which it is compared with the training set.
//!
//! They are of the tile and not of a network's last map: after fine-tuning that map holds little but the
//! two classes, and strange tiles fall into the middle (the model card has the figures). The recipe's
//! `ood.py` is the second implementation; `golden.npz` holds both to each other.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};

/// Fewer pixels than this are no cell; the whole tile is described then.
const FEWEST_PIXELS: usize = 30;
/// Fewer blocks than this have no structure of their own.
const FEWEST_BLOCKS: usize = 10;
/// Smallest standard deviation that is told apart.
const SMALLEST_SPREAD: f64 = 1e-3;
/// Skewness is cut off beyond ± this.
const LARGEST_SKEW: f64 = 5.0;
/// Statistics of each channel.
const OF_CHANNEL: usize = 5;

/// The statistics of one tile.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    values: Vec<f64>,
    channels: usize,
}

impl Statistics {
    /// All of them, in the order of [`describe`].
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Correlation of two channels inside the cell.
    pub fn correlation(&self, one: usize, other: usize) -> f64 {
        let (low, high) = (one.min(other), one.max(other));
        if low == high {
            return 1.0;
        }
        // The pairs before those of `low`, then those of `low` before `high`.
        let before = low * self.channels - low * (low + 1) / 2;
        self.values[OF_CHANNEL * self.channels + before + high - low - 1]
    }
}

/// How many statistics a tile of `channels` channels has.
pub(crate) fn count(channels: usize) -> usize {
    OF_CHANNEL * channels + channels * channels.saturating_sub(1) / 2
}

/// The statistics of a tile (channels × rows × columns), inside its cell: for each channel mean, ln of the
/// standard deviation, ln of that of the Laplacian at one and at two pixels, and skewness; then the
/// correlation of each pair of channels.
pub fn describe(tile: ArrayView3<'_, f32>) -> Statistics {
    let tile = tile.mapv(f64::from);
    let (channels, rows, columns) = tile.dim();
    let mut inside = Array2::from_shape_fn((rows, columns), |(y, x)| {
        (0..channels).any(|channel| tile[[channel, y, x]] != 0.0)
    });
    if inside.iter().filter(|inside| **inside).count() < FEWEST_PIXELS {
        inside.fill(true);
    }
    let coarse = blocks(inside.mapv(|inside| f64::from(u8::from(inside))).view())
        .mapv(|covered| covered == 1.0);
    let mut row = Vec::with_capacity(count(channels));
    let mut centred = Vec::with_capacity(channels);
    for plane in tile.axis_iter(Axis(0)) {
        let values = chosen(plane, inside.view());
        let mean = mean(&values);
        let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let scale = spread(&values);
        let cubes: Vec<f64> = deviations.iter().map(|value| value.powi(3)).collect();
        let skew = self::mean(&cubes) / scale.powi(3);
        let detail = spread(&inner_laplacian(plane, inside.view()));
        let averaged = blocks(plane);
        let structure = match inner_laplacian(averaged.view(), coarse.view()) {
            values if values.len() >= FEWEST_BLOCKS => spread(&values),
            _ => detail,
        };
        row.extend([
            mean,
            scale.ln(),
            detail.ln(),
            structure.ln(),
            skew.clamp(-LARGEST_SKEW, LARGEST_SKEW),
        ]);
        centred.push((deviations, scale));
    }
    for (first, (a, scale_a)) in centred.iter().enumerate() {
        for (b, scale_b) in centred.iter().skip(first + 1) {
            let products: Vec<f64> = a.iter().zip(b).map(|(a, b)| a * b).collect();
            row.push(mean(&products) / (scale_a * scale_b));
        }
    }
    Statistics {
        values: row,
        channels,
    }
}

/// The pixels of `plane` that are `inside`, row by row.
fn chosen(plane: ArrayView2<'_, f64>, inside: ArrayView2<'_, bool>) -> Vec<f64> {
    plane
        .iter()
        .zip(inside)
        .filter_map(|(value, inside)| inside.then_some(*value))
        .collect()
}

/// Four times each inner pixel that is `inside`, minus its four neighbours.
fn inner_laplacian(plane: ArrayView2<'_, f64>, inside: ArrayView2<'_, bool>) -> Vec<f64> {
    let (rows, columns) = plane.dim();
    let mut values = Vec::with_capacity(rows * columns);
    for y in 1..rows.saturating_sub(1) {
        for x in 1..columns.saturating_sub(1) {
            if inside[[y, x]] {
                let around =
                    plane[[y - 1, x]] + plane[[y + 1, x]] + plane[[y, x - 1]] + plane[[y, x + 1]];
                values.push(4.0 * plane[[y, x]] - around);
            }
        }
    }
    values
}

/// Means of blocks of 2 × 2 pixels; an odd last row or column is left out.
fn blocks(plane: ArrayView2<'_, f64>) -> Array2<f64> {
    let (rows, columns) = plane.dim();
    Array2::from_shape_fn((rows / 2, columns / 2), |(y, x)| {
        (plane[[2 * y, 2 * x]]
            + plane[[2 * y, 2 * x + 1]]
            + plane[[2 * y + 1, 2 * x]]
            + plane[[2 * y + 1, 2 * x + 1]])
            / 4.0
    })
}

fn mean(values: &[f64]) -> f64 {
    match values.len() {
        0 => 0.0,
        count => values.iter().sum::<f64>() / count as f64,
    }
}

/// Standard deviation, but not less than [`SMALLEST_SPREAD`].
fn spread(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: Vec<f64> = values.iter().map(|value| (value - mean).powi(2)).collect();
    self::mean(&squares).sqrt().max(SMALLEST_SPREAD)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// A square cell: constant 0.1, 0.2 and 0.3, and every second column of the second channel 0.2 higher.
    fn square() -> Array3<f32> {
        Array3::from_shape_fn((3, 128, 128), |(channel, y, x)| {
            if !(32..96).contains(&y) || !(32..96).contains(&x) {
                return 0.0;
            }
            let stripe = if channel == 1 && x % 2 == 0 { 0.2 } else { 0.0 };
            0.1 * (channel + 1) as f32 + stripe
        })
    }

    #[test]
    fn statistics_are_those_of_their_definition() {
        let row = describe(square().view()).values;
        assert_eq!(row.len(), count(3));
        let near = |found: f64, expected: f64, within: f64| {
            assert!((found - expected).abs() < within, "{found} {expected}");
        };
        near(row[0], 0.1, 1e-6);
        near(row[5], 0.3, 1e-6);
        near(row[6].exp(), 0.1, 1e-6);
        near(row[7].exp(), 0.4, 0.02);
        near(row[9], 0.0, 1e-6);
        row[15..]
            .iter()
            .for_each(|correlation| near(*correlation, 0.0, 1e-6));
    }

    #[test]
    fn correlations_are_found_by_their_channels() {
        let statistics = Statistics {
            values: (0..OF_CHANNEL * 4)
                .map(|_| 0.0)
                .chain((1..=6).map(f64::from))
                .collect(),
            channels: 4,
        };
        let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
        for (expected, (one, other)) in (1..).zip(pairs) {
            assert_eq!(statistics.correlation(one, other), f64::from(expected));
            assert_eq!(statistics.correlation(other, one), f64::from(expected));
        }
        assert_eq!(statistics.correlation(2, 2), 1.0);
    }

    #[test]
    fn statistics_are_finite_whatever_the_tile() {
        for (rows, columns) in [(1, 1), (2, 7), (5, 5), (64, 64)] {
            for value in [0.0, 1.0, -1.0] {
                let row = describe(Array3::from_elem((3, rows, columns), value).view()).values;
                assert!(row.iter().all(|statistic| statistic.is_finite()), "{row:?}");
            }
        }
    }
}
