//! The local background of a channel: its level, its noise, and how much brighter cells are.
//!
//! Fitted to blocks in a window of rows. The level is a paraboloid around the middle of the frame with a
//! tilt, which is what an uneven illumination looks like; it follows the lower envelope of the blocks,
//! because cells are brighter. After that the background is the densest interval of what remains, because
//! the medium varies less than cells do.

use super::channel::Block;

/// Part of the blocks that lies below the first fit.
const ENVELOPE: f64 = 0.15;
const ENVELOPE_STEPS: usize = 12;
/// Smallest part of the blocks that is taken to be background.
const LEAST_BACKGROUND: f64 = 0.08;
/// Between two modes the blocks are this many times sparser than in the first.
const BETWEEN_MODES: f64 = 3.0;
/// Holds the tilt where the window is too flat to tell it.
const RIDGE: f64 = 1e-3;
/// A block is in a cell above this many deviations of the background.
const CELL_DEVIATIONS: f64 = 6.0;
/// Fewest blocks that a background or the contrast of cells is measured on.
const FEWEST_BLOCKS: usize = 4;

const TERMS: usize = 4;

/// A place in the frame, in half diagonals from its middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The working pixels of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    middle: [f64; 2],
    unit: f64,
}

impl Grid {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let middle = [width, height].map(|size| (size as f64 - 1.0) / 2.0);
        Self {
            middle,
            unit: middle[0].hypot(middle[1]).max(1.0),
        }
    }

    /// The place of a column and a row.
    pub(super) fn place(&self, column: f64, row: f64) -> Place {
        Place {
            x: (column - self.middle[0]) / self.unit,
            y: (row - self.middle[1]) / self.unit,
        }
    }
}

impl Place {
    fn terms(self) -> [f64; TERMS] {
        [1.0, self.x, self.y, self.x * self.x + self.y * self.y]
    }
}

/// A block at its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    terms: [f64; TERMS],
    value: f64,
    deviation: f64,
}

impl Sample {
    pub(super) fn new(place: Place, block: Block) -> Self {
        Self {
            terms: place.terms(),
            value: f64::from(block.mean),
            deviation: f64::from(block.deviation),
        }
    }
}

/// A level that varies over the field.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Surface([f64; TERMS]);

impl Surface {
    /// The level at a place.
    pub(super) fn level(&self, place: Place) -> f32 {
        dot(&self.0, &place.terms()) as f32
    }
}

/// The background of a channel around some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Background {
    /// The level.
    pub(super) level: Surface,
    /// Standard deviation of a smoothed pixel of the background.
    pub(super) noise: f32,
    /// Typical difference of cells to the background; 0 when nothing stands out.
    pub(super) contrast: f32,
}

impl Background {
    /// The background of a channel in which cells are as often darker as brighter: the surface through the
    /// middle of `samples` without the outlying ones. Says nothing of contrast. `None` with too few.
    pub(super) fn through_middle(samples: &[Sample], rest: &mut Vec<f64>) -> Option<Self> {
        if samples.len() < FEWEST_BLOCKS {
            return None;
        }
        let mut coefficients = least_squares(samples, |_| 1.0)?;
        let mut limit = 0.0;
        for _ in 0..3 {
            let residual =
                |sample: &Sample| (sample.value - dot(&coefficients, &sample.terms)).abs();
            rest.clear();
            rest.extend(samples.iter().map(residual));
            limit = (2.0 * 1.4826 * quantile(rest, 0.5)).max(1e-6);
            let near = |sample: &Sample| f64::from(u8::from(residual(sample) <= limit));
            coefficients = least_squares(samples, near).unwrap_or(coefficients);
        }
        Some(Self {
            level: Surface(coefficients),
            noise: limit as f32,
            contrast: 0.0,
        })
    }

    /// Fits the background to `samples`; `rest` is working memory. `None` with too few samples.
    pub(super) fn fit(samples: &[Sample], rest: &mut Vec<f64>) -> Option<Self> {
        if samples.len() < FEWEST_BLOCKS {
            return None;
        }
        let mut coefficients = envelope(samples, rest);
        let (mut centre, mut spread) = densest(samples, &coefficients, rest);
        coefficients[0] += centre;
        for _ in 0..2 {
            let near = |sample: &Sample| {
                let residual = sample.value - dot(&coefficients, &sample.terms);
                f64::from(u8::from(residual.abs() <= 3.0 * spread))
            };
            if samples.iter().map(near).sum::<f64>() < FEWEST_BLOCKS as f64 {
                break;
            }
            coefficients = least_squares(samples, near).unwrap_or(coefficients);
            (centre, spread) = densest(samples, &coefficients, rest);
            coefficients[0] += centre;
        }
        let residual = |sample: &Sample| sample.value - dot(&coefficients, &sample.terms);
        rest.clear();
        rest.extend(
            samples
                .iter()
                .filter(|sample| residual(sample).abs() <= 3.0 * spread)
                .map(|sample| sample.deviation),
        );
        let within = quantile(rest, 0.5);
        let noise = (within * within + spread * spread).sqrt().max(1e-6);
        rest.clear();
        rest.extend(
            samples
                .iter()
                .map(residual)
                .filter(|residual| *residual > CELL_DEVIATIONS * noise),
        );
        let contrast = if rest.len() < FEWEST_BLOCKS {
            0.0
        } else {
            quantile(rest, 0.5)
        };
        Some(Self {
            level: Surface(coefficients),
            noise: noise as f32,
            contrast: contrast as f32,
        })
    }
}

fn dot(a: &[f64; TERMS], b: &[f64; TERMS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The surface with [`ENVELOPE`] of the samples below it: quantile regression by reweighting.
fn envelope(samples: &[Sample], values: &mut Vec<f64>) -> [f64; TERMS] {
    values.clear();
    values.extend(samples.iter().map(|sample| sample.value));
    let low = quantile(values, ENVELOPE);
    let range = quantile(values, 0.9) - low;
    let smallest = (1e-3 * range).max(1e-6);
    let mut coefficients = [low, 0.0, 0.0, 0.0];
    for _ in 0..ENVELOPE_STEPS {
        let weight = |sample: &Sample| {
            let residual = sample.value - dot(&coefficients, &sample.terms);
            let side = if residual > 0.0 {
                ENVELOPE
            } else {
                1.0 - ENVELOPE
            };
            side / residual.abs().max(smallest)
        };
        match least_squares(samples, weight) {
            Some(better) => coefficients = better,
            None => break,
        }
    }
    coefficients
}

/// Centre and standard deviation of the background in what `coefficients` leave.
fn densest(samples: &[Sample], coefficients: &[f64; TERMS], rest: &mut Vec<f64>) -> (f64, f64) {
    rest.clear();
    rest.extend(
        samples
            .iter()
            .map(|sample| sample.value - dot(coefficients, &sample.terms)),
    );
    rest.sort_unstable_by(f64::total_cmp);
    let count = ((rest.len() as f64 * LEAST_BACKGROUND) as usize)
        .max(FEWEST_BLOCKS)
        .min(rest.len());
    // The upper part is not searched: that much of a field is never medium and brighter than its cells.
    let starts = (rest.len() * 6 / 10).saturating_sub(count) + 1;
    let width = |start: usize| rest[start + count - 1] - rest[start];
    // The lowest mode: a later, denser one is cells that are all alike.
    let mut start = 0;
    for candidate in 0..starts {
        if width(candidate) < width(start) {
            start = candidate;
        } else if width(candidate) > BETWEEN_MODES * width(start) {
            break;
        }
    }
    let centre = rest[start + count / 2];
    // Only what lies below: cells lie above.
    let below = rest.partition_point(|value| *value < centre);
    let median = if below == 0 {
        0.0
    } else {
        centre - rest[below / 2]
    };
    let inside = width(start) / 2.0;
    (centre, (1.4826 * median).max(inside).max(1e-6))
}

/// The value with a part of `fraction` below it. Reorders the values; 0 for none.
fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    let last = values.len().saturating_sub(1);
    let at = (last as f64 * fraction).round() as usize;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

fn least_squares(samples: &[Sample], weight: impl Fn(&Sample) -> f64) -> Option<[f64; TERMS]> {
    let mut matrix = [[0.0; TERMS + 1]; TERMS];
    for sample in samples {
        let weight = weight(sample);
        for (row, a) in matrix.iter_mut().zip(&sample.terms) {
            let scaled = weight * a;
            for (cell, b) in row.iter_mut().zip(&sample.terms) {
                *cell += scaled * b;
            }
            row[TERMS] += scaled * sample.value;
        }
    }
    let total = matrix[0][0];
    for (index, row) in matrix.iter_mut().enumerate().skip(1) {
        row[index] += RIDGE * total;
    }
    solve(matrix)
}

/// Gaussian elimination with pivots; `None` when singular.
fn solve(mut matrix: [[f64; TERMS + 1]; TERMS]) -> Option<[f64; TERMS]> {
    for column in 0..TERMS {
        let pivot = (column..TERMS).max_by(|a, b| {
            matrix[*a][column]
                .abs()
                .total_cmp(&matrix[*b][column].abs())
        })?;
        if !matrix[pivot][column].is_normal() {
            return None;
        }
        matrix.swap(column, pivot);
        let pivot_row = matrix[column];
        for (index, row) in matrix.iter_mut().enumerate() {
            if index == column {
                continue;
            }
            let factor = row[column] / pivot_row[column];
            for (cell, pivot) in row.iter_mut().zip(&pivot_row) {
                *cell -= factor * pivot;
            }
        }
    }
    let mut solution = [0.0; TERMS];
    for (index, (out, row)) in solution.iter_mut().zip(&matrix).enumerate() {
        *out = row[TERMS] / row[index];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grid of blocks over the whole frame; `value` from place and running number.
    fn grid(value: impl Fn(Place, usize) -> f64) -> Vec<Sample> {
        (0..900)
            .map(|index| {
                let place = Place {
                    x: (index % 30) as f64 / 20.0 - 0.7,
                    y: (index / 30) as f64 / 20.0 - 0.7,
                };
                let block = Block {
                    mean: value(place, index) as f32,
                    deviation: 1.0,
                    valid: true,
                };
                Sample::new(place, block)
            })
            .collect()
    }

    /// A number in [−1, 1] that looks random.
    fn noise(index: usize) -> f64 {
        ((index * 2_654_435_761) % 1000) as f64 / 500.0 - 1.0
    }

    fn vignette(place: Place) -> f64 {
        100.0 * (1.0 - 0.4 * (place.x * place.x + place.y * place.y))
    }

    #[test]
    fn an_empty_vignetted_field_has_no_cells() {
        let samples = grid(|place, index| vignette(place) + noise(index));
        let fit = Background::fit(&samples, &mut Vec::new()).unwrap();
        assert_eq!(fit.contrast, 0.0);
        for place in [Place { x: 0.0, y: 0.0 }, Place { x: 0.7, y: -0.7 }] {
            assert!((f64::from(fit.level.level(place)) - vignette(place)).abs() < 1.0);
        }
    }

    #[test]
    fn cells_over_most_of_the_field_do_not_lift_the_background() {
        let samples = grid(|place, index| {
            let cell = if index % 10 < 7 {
                40.0 + 20.0 * noise(index / 7)
            } else {
                0.0
            };
            vignette(place) + noise(index) + cell
        });
        let fit = Background::fit(&samples, &mut Vec::new()).unwrap();
        assert!((fit.contrast - 40.0).abs() < 8.0, "{fit:?}");
        for place in [Place { x: 0.0, y: 0.0 }, Place { x: 0.7, y: -0.7 }] {
            let error = f64::from(fit.level.level(place)) - vignette(place);
            assert!(error.abs() < 2.0, "{error}");
        }
    }

    #[test]
    fn a_field_without_noise_or_blocks_is_no_trouble() {
        let flat = grid(|_, _| 7.0);
        let fit = Background::fit(&flat, &mut Vec::new()).unwrap();
        assert_eq!(fit.contrast, 0.0);
        assert!((fit.level.level(Place { x: 0.1, y: 0.2 }) - 7.0).abs() < 1e-3);
        assert_eq!(Background::fit(&flat[..3], &mut Vec::new()), None);
    }
}
