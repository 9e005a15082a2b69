//! Separable resampling of an image that is zero outside the region where it is known.

use std::ops::Range;

/// One new sample along an axis.
#[derive(Clone, Copy, Debug)]
struct Tap {
    begin: f64,
    end: f64,
    scale: f64,
    /// The old samples that have a share of it.
    first: usize,
    last: usize,
}

impl Tap {
    /// The new sample `index`; arguments as of [`Taps::fill`].
    fn new(index: usize, origin: f64, scale: f64, region: &Range<usize>) -> Self {
        // Whole numbers inside the region.
        let inside = |value: f64| value.clamp(region.start as f64, region.end as f64) as usize;
        let begin = origin + index as f64 * scale;
        let (begin, end, first, last) = if scale >= 1.0 {
            let end = origin + (index + 1) as f64 * scale;
            (begin, end, begin.floor(), end.ceil())
        } else {
            let centre = begin + scale / 2.0 - 0.5;
            let low = centre.floor();
            (centre, low, low, low + 2.0)
        };
        Self {
            begin,
            end,
            scale,
            first: inside(first),
            last: inside(last),
        }
    }

    /// The share of an old sample between the first and the last.
    fn share(&self, old: usize) -> f64 {
        let old = old as f64;
        if self.scale >= 1.0 {
            (self.end.min(old + 1.0) - self.begin.max(old)).max(0.0) / self.scale
        } else {
            // From the centre of the one to that of the other.
            let second = self.begin - self.end;
            if old == self.end {
                1.0 - second
            } else {
                second
            }
        }
    }
}

/// For each new sample along one axis: the old ones, counted from the region's start, and their shares.
#[derive(Clone, Debug, Default)]
pub(super) struct Taps {
    /// First old sample, and where its share and those of its successors begin and end.
    taps: Vec<(usize, Range<usize>)>,
    shares: Vec<f64>,
    /// The new samples that have any.
    some: Range<usize>,
}

impl Taps {
    /// Taps of `pixels` new samples, each `scale` old ones long, the first of which begins at `origin`.
    /// Old sample i reaches from i to i + 1. Shares that fall outside `region` are dropped.
    ///
    /// Shrinking (`scale` ≥ 1) averages over the exact area; enlarging is bilinear between centres.
    pub(super) fn fill(&mut self, origin: f64, scale: f64, pixels: usize, region: Range<usize>) {
        self.taps.clear();
        self.shares.clear();
        self.some = 0..0;
        for index in 0..pixels {
            let tap = Tap::new(index, origin, scale, &region);
            let begin = self.shares.len();
            let old = tap.first..tap.last;
            self.shares.extend(old.map(|old| tap.share(old)));
            let shares = begin..self.shares.len();
            if !shares.is_empty() {
                let start = if self.some.is_empty() {
                    index
                } else {
                    self.some.start
                };
                self.some = start..index + 1;
            }
            self.taps.push((tap.first - region.start, shares));
        }
    }

    /// Each new sample that has a share of an old one, and those between them.
    fn some(&self) -> impl Iterator<Item = (usize, &[f64])> {
        let taps = &self.taps[self.some.clone()];
        taps.iter()
            .map(|(first, shares)| (*first, &self.shares[shares.clone()]))
    }
}

/// Correlation of each of `pixels` new samples with the next when the old ones are independent noise: neighbours
/// share old samples. Arguments as of [`Taps::fill`].
pub(crate) fn noise_correlation(origin: f64, scale: f64, pixels: usize) -> f64 {
    // One old sample before the first, for the bilinear pair.
    let origin = origin.rem_euclid(1.0) + 1.0;
    let known = 0..(origin + pixels as f64 * scale).ceil() as usize + 2;
    let (mut shared, mut own) = (0.0, 0.0);
    let mut before: Option<Tap> = None;
    for index in 0..pixels {
        let tap = Tap::new(index, origin, scale, &known);
        let common = before.map_or(0..0, |before| {
            tap.first.max(before.first)..before.last.min(tap.last)
        });
        shared += common
            .map(|old| tap.share(old) * before.map_or(0.0, |before| before.share(old)))
            .sum::<f64>();
        own += (tap.first..tap.last)
            .map(|old| tap.share(old) * tap.share(old))
            .sum::<f64>();
        before = Some(tap);
    }
    if own > 0.0 { shared / own } else { 0.0 }
}

/// Resamples images of one region, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Resampler {
    pub(super) across: Taps,
    pub(super) down: Taps,
    row: Vec<f64>,
    wide: Vec<f64>,
    line: Vec<f64>,
}

impl Resampler {
    /// Resamples an image of `rows` rows of `columns` samples: first along the rows, then down the columns. `image`
    /// writes a row; false when it is missing, that is zero. `put` gets each new row that is not zero, with the place
    /// of its first sample (row, column).
    pub(super) fn resample(
        &mut self,
        [rows, columns]: [usize; 2],
        mut image: impl FnMut(usize, &mut [f64]) -> bool,
        mut put: impl FnMut((usize, usize), &[f64]),
    ) {
        let width = self.across.some.len();
        if width == 0 {
            return;
        }
        self.row.clear();
        self.row.resize(columns, 0.0);
        self.wide.clear();
        self.wide.resize(rows * width, 0.0);
        for (row, line) in self.wide.chunks_exact_mut(width).enumerate() {
            if !image(row, &mut self.row) {
                continue;
            }
            for ((first, shares), value) in self.across.some().zip(line) {
                let old = &self.row[first..first + shares.len()];
                *value = old.iter().zip(shares).map(|(old, share)| old * share).sum();
            }
        }
        self.line.resize(width, 0.0);
        for (y, (first, shares)) in (self.down.some.start..).zip(self.down.some()) {
            self.line.fill(0.0);
            let rows = self.wide[first * width..].chunks_exact(width);
            for (row, share) in rows.zip(shares) {
                for (sum, value) in self.line.iter_mut().zip(row) {
                    *sum += share * value;
                }
            }
            put((y, self.across.some.start), &self.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    fn resampled(image: &Array2<f64>, origin: f64, scale: f64, pixels: usize) -> Array2<f64> {
        let (rows, columns) = image.dim();
        let mut out = Array2::zeros((pixels, pixels));
        let mut resampler = Resampler::default();
        resampler.across.fill(origin, scale, pixels, 0..columns);
        resampler.down.fill(origin, scale, pixels, 0..rows);
        resampler.resample(
            [rows, columns],
            |row, line| {
                line.copy_from_slice(&image.row(row).to_vec());
                true
            },
            |(y, x), line| {
                for (x, value) in (x..).zip(line) {
                    out[(y, x)] = *value;
                }
            },
        );
        out
    }

    #[test]
    fn noise_is_correlated_as_far_as_neighbours_share_it() {
        // Nothing is shared; half of each is; and by bilinear enlargement most is.
        for (origin, scale, expected) in [
            (0.0, 1.0, 0.0),
            (0.0, 2.0, 0.0),
            (0.5, 1.0, 0.5),
            (-3.5, 1.0, 0.5),
        ] {
            let found = noise_correlation(origin, scale, 128);
            assert!((found - expected).abs() < 0.01, "{origin} {scale}: {found}");
        }
        assert!(noise_correlation(0.3, 0.5, 128) > 0.6);
        let mut state = 1_u32;
        let noise = Array2::from_shape_simple_fn((400, 64), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 23) - 1.0
        });
        for scale in [0.7, 1.0, 1.3, 2.0, 2.6] {
            let new = resampled(&noise, 0.37, scale, 24);
            let (mut shared, mut own) = (0.0, 0.0);
            for (above, below) in new.outer_iter().zip(new.outer_iter().skip(1)) {
                shared += above.dot(&below);
                own += above.dot(&above);
            }
            let expected = noise_correlation(0.37, scale, 24);
            assert!(
                (shared / own - expected).abs() < 0.12,
                "{scale}: {} {expected}",
                shared / own
            );
        }
    }

    #[test]
    fn the_same_pixels_stay_as_they_are() {
        let image = array![[1.0, 2.0], [3.0, 4.0]];
        assert_eq!(resampled(&image, 0.0, 1.0, 2), image);
    }

    #[test]
    fn shrinking_averages_the_exact_area() {
        let image = array![[1.0, 2.0, 6.0], [1.0, 2.0, 6.0], [1.0, 2.0, 6.0]];
        // Each new sample is one and a half old ones long.
        let row = [(1.0 + 0.5 * 2.0) / 1.5, (0.5 * 2.0 + 6.0) / 1.5];
        let out = resampled(&image, 0.0, 1.5, 2);
        assert!((out[(0, 0)] - row[0]).abs() < 1e-12 && (out[(1, 1)] - row[1]).abs() < 1e-12);
    }

    #[test]
    fn enlarging_is_bilinear_between_centres() {
        let image = array![[0.0, 8.0], [0.0, 8.0]];
        let out = resampled(&image, 0.0, 0.5, 4);
        assert_eq!(out.row(1).to_vec(), [0.0, 2.0, 6.0, 6.0]);
    }

    proptest! {
        #[test]
        fn shrinking_conserves_the_sum(
            values in proptest::collection::vec(-5.0_f64..5.0, 12 * 12),
            scale in 1.0_f64..7.0,
            offset in 0.0_f64..2.0,
        ) {
            let image = Array2::from_shape_vec((12, 12), values).unwrap();
            // Enough new samples to cover all old ones.
            let pixels = ((12.0 + offset) / scale).ceil() as usize;
            let out = resampled(&image, -offset, scale, pixels);
            let (before, after) = (image.sum(), out.sum() * scale * scale);
            prop_assert!((before - after).abs() < 1e-9, "{before} {after}");
        }

        #[test]
        fn no_new_sample_leaves_the_range_of_the_old(
            values in proptest::collection::vec(0.0_f64..1.0, 8 * 8),
            scale in 0.1_f64..5.0,
            origin in -3.0_f64..3.0,
        ) {
            let image = Array2::from_shape_vec((8, 8), values).unwrap();
            let out = resampled(&image, origin, scale, 16);
            prop_assert!(out.iter().all(|value| (-1e-12..=1.0 + 1e-12).contains(value)));
        }
    }
}
