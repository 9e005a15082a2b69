//! Image statistics of a tile, by which it is compared with the training set.
//!
//! They are of the tile and not of a network's last map: after fine-tuning that map holds little but the
//! two classes, and strange tiles fall into the middle (the model card has the figures). The recipe's
//! `ood.py` is the second implementation; `golden.npz` holds both to each other.

use std::{ops::Range, sync::LazyLock};

use ndarray::ArrayView3;

use crate::domain::{Pool, Pooled};

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

/// Runs of pixels, row by row: row, first column and the one after the last.
type Runs = Vec<(usize, Range<usize>)>;

/// Lists of runs for the tiles to come: more than there are threads, of as many runs as a tile has.
static RUNS: LazyLock<Pool<(usize, Range<usize>)>> = LazyLock::new(|| Pool::new(64, 1 << 14));

/// Which pixels of tiles lie in their cells, likewise.
static MARKS: LazyLock<Pool<bool>> = LazyLock::new(|| Pool::new(64, 1 << 16));

/// The statistics of a tile (channels × rows × columns), inside its cell: for each channel mean, ln of the
/// standard deviation, ln of that of the Laplacian at one and at two pixels, and skewness; then the
/// correlation of each pair of channels.
pub fn describe(tile: ArrayView3<'_, f32>) -> Statistics {
    let (channels, rows, columns) = tile.dim();
    let tile = tile.as_standard_layout();
    let image = Image {
        samples: tile.as_slice().unwrap_or_default(),
        rows,
        columns,
    };
    let mut fine = RUNS.lend(RUNS.take());
    let mut coarse = RUNS.lend(RUNS.take());
    let inside = inside(image.samples, rows * columns);
    find_runs(&inside, columns, &mut fine);
    if fine.iter().map(|(_, run)| run.len()).sum::<usize>() < FEWEST_PIXELS {
        fine.clear();
        fine.extend((0..rows).map(|y| (y, 0..columns)));
        coarse.extend((0..rows / 2).map(|y| (y, 0..columns / 2)));
    } else {
        let mut covered = MARKS.lend(MARKS.take());
        for rows in inside.chunks_exact(2 * columns) {
            let (upper, lower) = rows.split_at(columns);
            let blocks = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks().0);
            covered.extend(blocks.map(|([a, b], [c, d])| *a && *b && *c && *d));
        }
        find_runs(&covered, columns / 2, &mut coarse);
    }
    let mut values = Vec::with_capacity(count(channels));
    // Some at a time: sums do not wait for each other then.
    let mut channel = 0;
    while channel < channels {
        match channels - channel {
            1 => image.describe_channels::<1>(channel, &fine, &coarse, &mut values),
            2 => image.describe_channels::<2>(channel, &fine, &coarse, &mut values),
            _ => image.describe_channels::<3>(channel, &fine, &coarse, &mut values),
        }
        channel += 3;
    }
    for one in 0..channels {
        for other in one + 1..channels {
            let correlation = image.correlation(&fine, [one, other], &values);
            values.push(correlation);
        }
    }
    for of_channel in values.chunks_exact_mut(OF_CHANNEL).take(channels) {
        of_channel[1] = of_channel[1].ln();
    }
    Statistics { values, channels }
}

/// Which pixels of a tile lie in its cell: one of the channels is not zero there.
pub(crate) fn inside(samples: &[f32], pixels: usize) -> Pooled<Vec<bool>> {
    let mut inside = MARKS.take();
    inside.resize(pixels, false);
    for plane in samples.chunks_exact(pixels.max(1)) {
        for (inside, value) in inside.iter_mut().zip(plane) {
            *inside |= *value != 0.0;
        }
    }
    MARKS.lend(inside)
}

/// The runs of pixels of an image with rows of `columns` pixels that are `inside`.
fn find_runs(inside: &[bool], columns: usize, runs: &mut Runs) {
    for (y, line) in inside.chunks_exact(columns.max(1)).enumerate() {
        let mut end = 0;
        while let Some(skipped) = line[end..].iter().position(|inside| *inside) {
            let start = end + skipped;
            let length = line[start..].iter().position(|inside| !inside);
            end = length.map_or(columns, |length| start + length);
            runs.push((y, start..end));
        }
    }
}

/// The pixels of runs that have four neighbours in an image of this size.
fn inner(
    runs: &Runs,
    rows: usize,
    columns: usize,
) -> impl Iterator<Item = (usize, Range<usize>)> + Clone {
    let inner = move |y: usize| y > 0 && y + 1 < rows;
    runs.iter()
        .filter(move |(y, _)| inner(*y))
        .map(move |(y, run)| (*y, run.start.max(1)..run.end.min(columns.saturating_sub(1))))
        .filter(|(_, run)| !run.is_empty())
}

/// A tile, channel by channel.
#[derive(Clone, Copy)]
struct Image<'a> {
    samples: &'a [f32],
    rows: usize,
    columns: usize,
}

impl<'a> Image<'a> {
    fn plane(&self, channel: usize) -> &'a [f32] {
        let pixels = self.rows * self.columns;
        &self.samples[channel * pixels..(channel + 1) * pixels]
    }

    /// The correlation of two channels, of which the mean and the deviation are known.
    fn correlation(&self, runs: &Runs, pair: [usize; 2], statistics: &[f64]) -> f64 {
        let [a, b] = pair.map(|channel| self.plane(channel));
        let [of_a, of_b] = pair.map(|channel| &statistics[OF_CHANNEL * channel..][..2]);
        let (mut sum, mut pixels) = (0.0, 0);
        for (y, run) in runs {
            pixels += run.len();
            let run = y * self.columns + run.start..y * self.columns + run.end;
            for (a, b) in a[run.clone()].iter().zip(&b[run]) {
                sum += (f64::from(*a) - of_a[0]) * (f64::from(*b) - of_b[0]);
            }
        }
        mean(sum, pixels) / (of_a[1] * of_b[1])
    }

    /// Appends the statistics of `N` channels from the first on.
    fn describe_channels<const N: usize>(
        &self,
        first: usize,
        fine: &Runs,
        coarse: &Runs,
        statistics: &mut Vec<f64>,
    ) {
        let planes = std::array::from_fn::<_, N, _>(|channel| self.plane(first + channel));
        let columns = self.columns;
        let runs = fine.iter().cloned();
        let value = |plane, y, run| {
            let line = Line::new(plane, columns, y, run);
            move |at| line.at(at)
        };
        let (means, pixels) = means(planes, runs.clone(), value);
        let mut squares = [0.0; N];
        let mut cubes = [0.0; N];
        for (y, run) in runs {
            let lines = planes.map(|plane| Line::new(plane, columns, y, run.clone()));
            for at in 0..run.len() {
                for (channel, line) in lines.iter().enumerate() {
                    let deviation = line.at(at) - means[channel];
                    squares[channel] += deviation.powi(2);
                    cubes[channel] += deviation.powi(3);
                }
            }
        }
        let inner_fine = inner(fine, self.rows, columns);
        let (details, _) = spreads(planes, inner_fine, |plane, y, run| {
            let row = |y, run| Line::new(plane, columns, y, run);
            let beside = row(y, run.start - 1..run.end + 1);
            let (above, below) = (row(y - 1, run.clone()), row(y + 1, run));
            move |at| {
                let across = [beside.at(at), beside.at(at + 1), beside.at(at + 2)];
                laplacian(above.at(at), below.at(at), across)
            }
        });
        let inner_coarse = inner(coarse, self.rows / 2, columns / 2);
        let (structures, blocks) = spreads(planes, inner_coarse, |plane, y, run| {
            let row = |y, run| Blocks::new(plane, columns, y, run);
            let beside = row(y, run.start - 1..run.end + 1);
            let (above, below) = (row(y - 1, run.clone()), row(y + 1, run));
            move |at| {
                let across = [beside.at(at), beside.at(at + 1), beside.at(at + 2)];
                laplacian(above.at(at), below.at(at), across)
            }
        });
        for channel in 0..N {
            let scale = spread(squares[channel], pixels);
            let skew = mean(cubes[channel], pixels) / scale.powi(3);
            let structure = if blocks >= FEWEST_BLOCKS {
                structures[channel]
            } else {
                details[channel]
            };
            statistics.extend([
                means[channel],
                // Its logarithm is taken when the correlations are known.
                scale,
                details[channel].ln(),
                structure.ln(),
                skew.clamp(-LARGEST_SKEW, LARGEST_SKEW),
            ]);
        }
    }
}

/// A run of pixels of one row.
#[derive(Clone, Copy)]
struct Line<'a>(&'a [f32]);

impl<'a> Line<'a> {
    fn new(plane: &'a [f32], columns: usize, y: usize, run: Range<usize>) -> Self {
        Self(&plane[y * columns..][run])
    }

    fn at(self, at: usize) -> f64 {
        f64::from(self.0[at])
    }
}

/// A run of blocks of 2 × 2 pixels; an odd last row or column is in none.
#[derive(Clone, Copy)]
struct Blocks<'a>([&'a [[f32; 2]]; 2]);

impl<'a> Blocks<'a> {
    fn new(plane: &'a [f32], columns: usize, y: usize, run: Range<usize>) -> Self {
        let pixels = 2 * run.start..2 * run.end;
        Self(
            [2 * y, 2 * y + 1]
                .map(|y| Line::new(plane, columns, y, pixels.clone()).0.as_chunks().0),
        )
    }

    /// The mean of a block.
    fn at(self, at: usize) -> f64 {
        let [[a, b], [c, d]] = self.0.map(|row| row[at].map(f64::from));
        (a + b + c + d) / 4.0
    }
}

/// The mean over runs in each of some planes, and the number of pixels. `line` gives the samples of a run.
fn means<'a, const N: usize, L: Fn(usize) -> f64>(
    planes: [&'a [f32]; N],
    runs: impl Iterator<Item = (usize, Range<usize>)>,
    line: impl Fn(&'a [f32], usize, Range<usize>) -> L,
) -> ([f64; N], usize) {
    let mut sums = [0.0; N];
    let mut pixels = 0;
    for (y, run) in runs {
        pixels += run.len();
        let lines = planes.map(|plane| line(plane, y, run.clone()));
        for at in 0..run.len() {
            for (sum, line) in sums.iter_mut().zip(&lines) {
                *sum += line(at);
            }
        }
    }
    (sums.map(|sum| mean(sum, pixels)), pixels)
}

/// The standard deviation over runs in each of some planes, and the number of pixels. `line` gives the samples of a
/// run.
fn spreads<'a, const N: usize, L: Fn(usize) -> f64>(
    planes: [&'a [f32]; N],
    runs: impl Iterator<Item = (usize, Range<usize>)> + Clone,
    line: impl Fn(&'a [f32], usize, Range<usize>) -> L,
) -> ([f64; N], usize) {
    let (means, pixels) = means(planes, runs.clone(), &line);
    let mut squares = [0.0; N];
    for (y, run) in runs {
        let lines = planes.map(|plane| line(plane, y, run.clone()));
        for at in 0..run.len() {
            for ((square, line), mean) in squares.iter_mut().zip(&lines).zip(means) {
                *square += (line(at) - mean).powi(2);
            }
        }
    }
    (squares.map(|squares| spread(squares, pixels)), pixels)
}

/// Four times a pixel, minus its neighbours above, below, and beside it.
fn laplacian(above: f64, below: f64, [left, middle, right]: [f64; 3]) -> f64 {
    4.0 * middle - (above + below + left + right)
}

fn mean(sum: f64, count: usize) -> f64 {
    match count {
        0 => 0.0,
        count => sum / count as f64,
    }
}

/// Standard deviation from a sum of squares, but not less than [`SMALLEST_SPREAD`].
fn spread(squares: f64, count: usize) -> f64 {
    mean(squares, count).sqrt().max(SMALLEST_SPREAD)
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
