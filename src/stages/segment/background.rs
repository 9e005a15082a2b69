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
/// Samples that are weighed at a time.
const AT_ONCE: usize = 64;

/// The places of the working pixels of a frame, in half diagonals from its middle.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    middle: [f64; 2],
    unit: f64,
    /// Of each working column.
    columns: Vec<f64>,
    /// Of the middle of each column of blocks.
    block_columns: Vec<f64>,
    block: usize,
}

impl Grid {
    /// The places of `width` × `height` working pixels in blocks with edges of `block`.
    pub(super) fn new(width: usize, height: usize, block: usize) -> Self {
        let middle = [width, height].map(|size| (size as f64 - 1.0) / 2.0);
        let unit = middle[0].hypot(middle[1]).max(1.0);
        let mut grid = Self {
            middle,
            unit,
            columns: Vec::new(),
            block_columns: Vec::new(),
            block,
        };
        grid.columns = (0..width).map(|column| grid.x(column as f64)).collect();
        grid.block_columns = (0..width.div_ceil(block))
            .map(|column| grid.x(grid.centre(column)))
            .collect();
        grid
    }

    /// Each working column.
    pub(super) fn columns(&self) -> &[f64] {
        &self.columns
    }

    /// A column.
    pub(super) fn x(&self, column: f64) -> f64 {
        (column - self.middle[0]) / self.unit
    }

    /// A row.
    pub(super) fn y(&self, row: f64) -> f64 {
        (row - self.middle[1]) / self.unit
    }

    fn centre(&self, block: usize) -> f64 {
        (block as f64 + 0.5) * self.block as f64 - 0.5
    }
}

/// The blocks of a window of rows at their places, and working memory to fit a background to them.
#[derive(Debug, Default)]
pub(super) struct Samples {
    x: Vec<f64>,
    y: Vec<f64>,
    /// x² + y².
    squares: Vec<f64>,
    values: Vec<f64>,
    deviations: Vec<f64>,
    rest: Vec<f64>,
}

impl Samples {
    pub(super) fn clear(&mut self) {
        self.x.clear();
        self.y.clear();
        self.squares.clear();
        self.values.clear();
        self.deviations.clear();
    }

    /// Adds the valid ones of a row of blocks.
    pub(super) fn add_row(&mut self, grid: &Grid, row: usize, blocks: &[Block]) {
        let y = grid.y(grid.centre(row));
        let blocks = grid.block_columns.iter().zip(blocks);
        for (x, block) in blocks.filter(|(_, block)| block.valid) {
            self.add(*x, y, *block);
        }
    }

    fn add(&mut self, x: f64, y: f64, block: Block) {
        self.x.push(x);
        self.y.push(y);
        self.squares.push(x * x + y * y);
        self.values.push(f64::from(block.mean));
        self.deviations.push(f64::from(block.deviation));
    }

    /// What each value lies above a surface.
    fn residuals(&self, surface: Surface) -> impl Iterator<Item = f64> {
        let places = self.x.iter().zip(&self.y).zip(&self.squares);
        let places = places.map(move |((x, y), squares)| surface.at(*x, *y, *squares));
        self.values.iter().zip(places).map(|(value, at)| value - at)
    }

    /// The surface with the least squares to the samples, each weighed by its residual from another surface.
    fn least_squares(&self, from: Surface, weight: impl Fn(f64) -> f64) -> Option<Surface> {
        // Sums of weights, of weighted terms, and of products of weighted terms with x, y, squares and values.
        let mut total = 0.0;
        let mut sums = [[0.0; TERMS]; TERMS];
        let mut weights = [0.0; AT_ONCE];
        let parts = self.x.chunks(AT_ONCE).zip(self.y.chunks(AT_ONCE));
        let parts = parts.zip(
            self.squares
                .chunks(AT_ONCE)
                .zip(self.values.chunks(AT_ONCE)),
        );
        for ((x, y), (squares, values)) in parts {
            let places = x.iter().zip(y).zip(squares.iter().zip(values));
            for (out, ((x, y), (squares, value))) in weights.iter_mut().zip(places.clone()) {
                *out = weight(value - from.at(*x, *y, *squares));
            }
            for (weight, ((x, y), (squares, value))) in weights.iter().zip(places) {
                let terms = [*x, *y, *squares, *value];
                let scaled = [*weight, weight * x, weight * y, weight * squares];
                total += weight;
                for (sums, scaled) in sums.iter_mut().zip(scaled) {
                    for (sum, term) in sums.iter_mut().zip(terms) {
                        *sum += scaled * term;
                    }
                }
            }
        }
        let mut matrix = [[0.0; TERMS + 1]; TERMS];
        let [of_x, of_y, of_squares, _] = sums[0];
        let firsts = [total, of_x, of_y, of_squares];
        for ((row, first), sums) in matrix.iter_mut().zip(firsts).zip(sums) {
            row[0] = first;
            row[1..].copy_from_slice(&sums);
        }
        for (index, row) in matrix.iter_mut().enumerate().skip(1) {
            row[index] += RIDGE * total;
        }
        solve(matrix).map(Surface)
    }
}

/// A level that varies over the field.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Surface([f64; TERMS]);

impl Surface {
    /// The level at a place.
    pub(super) fn level(self, x: f64, y: f64) -> f32 {
        self.at(x, y, x * x + y * y) as f32
    }

    /// The level at a place with these squares of its coordinates.
    fn at(self, x: f64, y: f64, squares: f64) -> f64 {
        let [level, along, down, bowl] = self.0;
        level + along * x + down * y + bowl * squares
    }

    fn lifted(mut self, by: f64) -> Self {
        self.0[0] += by;
        self
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
    pub(super) fn through_middle(samples: &mut Samples) -> Option<Self> {
        if samples.values.len() < FEWEST_BLOCKS {
            return None;
        }
        let mut level = samples.least_squares(Surface::default(), |_| 1.0)?;
        let mut rest = std::mem::take(&mut samples.rest);
        let mut limit = 0.0;
        for _ in 0..3 {
            rest.clear();
            rest.extend(samples.residuals(level).map(f64::abs));
            limit = (2.0 * 1.4826 * quantile(&mut rest, 0.5)).max(1e-6);
            let near = |residual: f64| f64::from(u8::from(residual.abs() <= limit));
            level = samples.least_squares(level, near).unwrap_or(level);
        }
        samples.rest = rest;
        Some(Self {
            level,
            noise: limit as f32,
            contrast: 0.0,
        })
    }

    /// Fits the background to `samples`. `None` with too few of them.
    pub(super) fn fit(samples: &mut Samples) -> Option<Self> {
        if samples.values.len() < FEWEST_BLOCKS {
            return None;
        }
        let mut rest = std::mem::take(&mut samples.rest);
        let fitted = Self::fit_with(samples, &mut rest);
        samples.rest = rest;
        Some(fitted)
    }

    fn fit_with(samples: &Samples, rest: &mut Vec<f64>) -> Self {
        let mut level = envelope(samples, rest);
        let (mut centre, mut spread) = densest(samples, level, rest);
        level = level.lifted(centre);
        for _ in 0..2 {
            let limit = 3.0 * spread;
            let is_near = |residual: f64| residual.abs() <= limit;
            let near = samples.residuals(level).filter(|rest| is_near(*rest));
            if near.count() < FEWEST_BLOCKS {
                break;
            }
            let weight = |residual: f64| f64::from(u8::from(is_near(residual)));
            level = samples.least_squares(level, weight).unwrap_or(level);
            (centre, spread) = densest(samples, level, rest);
            level = level.lifted(centre);
        }
        rest.clear();
        rest.extend(
            samples
                .residuals(level)
                .zip(&samples.deviations)
                .filter(|(residual, _)| residual.abs() <= 3.0 * spread)
                .map(|(_, deviation)| *deviation),
        );
        let within = quantile(rest, 0.5);
        let noise = (within * within + spread * spread).sqrt().max(1e-6);
        rest.clear();
        let above = |residual: &f64| *residual > CELL_DEVIATIONS * noise;
        rest.extend(samples.residuals(level).filter(above));
        let contrast = if rest.len() < FEWEST_BLOCKS {
            0.0
        } else {
            quantile(rest, 0.5)
        };
        Self {
            level,
            noise: noise as f32,
            contrast: contrast as f32,
        }
    }
}

/// The surface with [`ENVELOPE`] of the samples below it: quantile regression by reweighting.
fn envelope(samples: &Samples, values: &mut Vec<f64>) -> Surface {
    values.clear();
    values.extend(&samples.values);
    let low = quantile(values, ENVELOPE);
    let range = quantile(values, 0.9) - low;
    let smallest = (1e-3 * range).max(1e-6);
    let mut surface = Surface([low, 0.0, 0.0, 0.0]);
    for _ in 0..ENVELOPE_STEPS {
        let weight = |residual: f64| {
            let side = if residual > 0.0 {
                ENVELOPE
            } else {
                1.0 - ENVELOPE
            };
            side / residual.abs().max(smallest)
        };
        match samples.least_squares(surface, weight) {
            Some(better) => surface = better,
            None => break,
        }
    }
    surface
}

/// Centre and standard deviation of the background in what a surface leaves.
fn densest(samples: &Samples, surface: Surface, rest: &mut Vec<f64>) -> (f64, f64) {
    rest.clear();
    rest.extend(samples.residuals(surface));
    let count = ((rest.len() as f64 * LEAST_BACKGROUND) as usize)
        .max(FEWEST_BLOCKS)
        .min(rest.len());
    // The upper part is not searched: that much of a field is never medium and brighter than its cells.
    let starts = (rest.len() * 6 / 10).saturating_sub(count) + 1;
    // What is searched is at the beginning, and only that is put in order.
    let searched = (starts + count - 1).min(rest.len());
    if searched < rest.len() {
        rest.select_nth_unstable_by(searched, f64::total_cmp);
    }
    let rest = &mut rest[..searched];
    rest.sort_unstable_by(f64::total_cmp);
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

    /// A place in the frame, in half diagonals from its middle.
    #[derive(Clone, Copy)]
    struct Place {
        x: f64,
        y: f64,
    }

    impl Surface {
        fn there(self, place: Place) -> f64 {
            f64::from(self.level(place.x, place.y))
        }
    }

    /// A grid of blocks over the whole frame; `value` from place and running number.
    fn grid(value: impl Fn(Place, usize) -> f64) -> Samples {
        let mut samples = Samples::default();
        for index in 0..900 {
            let place = Place {
                x: (index % 30) as f64 / 20.0 - 0.7,
                y: (index / 30) as f64 / 20.0 - 0.7,
            };
            let block = Block {
                mean: value(place, index) as f32,
                deviation: 1.0,
                valid: true,
            };
            samples.add(place.x, place.y, block);
        }
        samples
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
        let mut samples = grid(|place, index| vignette(place) + noise(index));
        let fit = Background::fit(&mut samples).unwrap();
        assert_eq!(fit.contrast, 0.0);
        for place in [Place { x: 0.0, y: 0.0 }, Place { x: 0.7, y: -0.7 }] {
            assert!((fit.level.there(place) - vignette(place)).abs() < 1.0);
        }
    }

    #[test]
    fn cells_over_most_of_the_field_do_not_lift_the_background() {
        let mut samples = grid(|place, index| {
            let cell = if index % 10 < 7 {
                40.0 + 20.0 * noise(index / 7)
            } else {
                0.0
            };
            vignette(place) + noise(index) + cell
        });
        let fit = Background::fit(&mut samples).unwrap();
        assert!((fit.contrast - 40.0).abs() < 8.0, "{fit:?}");
        for place in [Place { x: 0.0, y: 0.0 }, Place { x: 0.7, y: -0.7 }] {
            let error = fit.level.there(place) - vignette(place);
            assert!(error.abs() < 2.0, "{error}");
        }
    }

    #[test]
    fn a_field_without_noise_or_blocks_is_no_trouble() {
        let mut flat = grid(|_, _| 7.0);
        let fit = Background::fit(&mut flat).unwrap();
        assert_eq!(fit.contrast, 0.0);
        assert!((fit.level.level(0.1, 0.2) - 7.0).abs() < 1e-3);
        flat.values.truncate(3);
        assert_eq!(Background::fit(&mut flat), None);
    }
}
