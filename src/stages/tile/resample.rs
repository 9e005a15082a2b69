//! Separable resampling of an image that is zero outside the region where it is known.

use std::ops::Range;

use ndarray::Array2;

/// For each new sample along one axis: the first old one, counted from the region's start, and the shares
/// of it and its successors.
pub(super) struct Taps(Vec<(usize, Vec<f64>)>);

impl Taps {
    /// Taps of `pixels` new samples, each `scale` old ones long, the first of which begins at `origin`.
    /// Old sample i reaches from i to i + 1. Shares that fall outside `region` are dropped.
    ///
    /// Shrinking (`scale` ≥ 1) averages over the exact area; enlarging is bilinear between centres.
    pub(super) fn new(origin: f64, scale: f64, pixels: usize, region: Range<usize>) -> Self {
        let taps = (0..pixels)
            .map(|index| {
                let begin = origin + index as f64 * scale;
                if scale >= 1.0 {
                    let end = origin + (index + 1) as f64 * scale;
                    let share = |old: f64| (end.min(old + 1.0) - begin.max(old)).max(0.0) / scale;
                    kept(begin.floor(), end.ceil(), &region, share)
                } else {
                    let centre = begin + scale / 2.0 - 0.5;
                    let low = centre.floor();
                    let share = |old: f64| {
                        let second = centre - low;
                        if old == low { 1.0 - second } else { second }
                    };
                    kept(low, low + 2.0, &region, share)
                }
            })
            .collect();
        Self(taps)
    }
}

/// Correlation of each of `pixels` new samples with the next when the old ones are independent noise: neighbours
/// share old samples. Arguments as of [`Taps::new`].
pub(crate) fn noise_correlation(origin: f64, scale: f64, pixels: usize) -> f64 {
    // One old sample before the first, for the bilinear pair.
    let origin = origin.rem_euclid(1.0) + 1.0;
    let known = (origin + pixels as f64 * scale).ceil() as usize + 2;
    let Taps(taps) = Taps::new(origin, scale, pixels, 0..known);
    let mut row = vec![0.0; known];
    let (mut shared, mut own) = (0.0, 0.0);
    for (first, shares) in &taps {
        // `row` has the shares of the sample before.
        shared += shares
            .iter()
            .zip(&row[*first..])
            .map(|(a, b)| a * b)
            .sum::<f64>();
        own += shares.iter().map(|share| share * share).sum::<f64>();
        row.fill(0.0);
        row[*first..first + shares.len()].copy_from_slice(shares);
    }
    if own > 0.0 { shared / own } else { 0.0 }
}

/// The shares of the old samples from `first` up to `end` that lie in `region`.
fn kept(
    first: f64,
    end: f64,
    region: &Range<usize>,
    share: impl Fn(f64) -> f64,
) -> (usize, Vec<f64>) {
    // Whole numbers inside the region.
    let inside = |value: f64| value.clamp(region.start as f64, region.end as f64) as usize;
    let old = inside(first)..inside(end);
    let shares = old.clone().map(|old| share(old as f64)).collect();
    (old.start - region.start, shares)
}

/// Hands every new sample (row, column) to `put`: first along the rows, then down the columns.
pub(super) fn resample(
    image: &Array2<f64>,
    across: &Taps,
    down: &Taps,
    mut put: impl FnMut((usize, usize), f64),
) {
    let mut wide = Array2::<f64>::zeros((image.nrows(), across.0.len()));
    for (row, mut line) in image.outer_iter().zip(wide.outer_iter_mut()) {
        for ((first, shares), value) in across.0.iter().zip(&mut line) {
            *value = row
                .iter()
                .skip(*first)
                .zip(shares)
                .map(|(old, share)| old * share)
                .sum();
        }
    }
    let mut line = vec![0.0; across.0.len()];
    for (y, (first, shares)) in down.0.iter().enumerate() {
        line.fill(0.0);
        for (row, share) in wide.outer_iter().skip(*first).zip(shares) {
            line.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += share * value);
        }
        for (x, value) in line.iter().enumerate() {
            put((y, x), *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn resampled(image: &Array2<f64>, origin: f64, scale: f64, pixels: usize) -> Array2<f64> {
        let (rows, columns) = image.dim();
        let mut out = Array2::zeros((pixels, pixels));
        resample(
            image,
            &Taps::new(origin, scale, pixels, 0..columns),
            &Taps::new(origin, scale, pixels, 0..rows),
            |at, value| out[at] = value,
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
