//! Standardised features, and a head that needs none.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::stages::infer::{DenseHead, stored};

/// A feature that varies less tells nothing and is left out.
const SMALLEST_SPREAD: f64 = 1e-6;
/// Features that vary less than this part of all features' spread (root mean square) are not blown up any
/// further: the last digits of a rare feature, which differ between engines, would become logits.
const LEAST_PART: f64 = 0.05;
/// Features of all tiles of one member.
pub(super) struct Features {
    /// (tiles · views) × features; view v of the tile at place p is row p · views + v.
    pub(super) pooled: Array2<f32>,
    pub(super) views: usize,
}

/// Mean and inverse standard deviation of each feature.
pub(super) struct Scale {
    mean: Array1<f32>,
    inverse: Array1<f32>,
}

impl Scale {
    /// Over all views of the tiles that are learned from.
    pub(super) fn of(features: &Features, learn: &[usize]) -> Self {
        let Features { pooled, views } = features;
        let rows = || {
            learn
                .iter()
                .flat_map(|place| (0..*views).map(move |view| pooled.row(place * views + view)))
        };
        let count = (learn.len() * views).max(1) as f64;
        let mut mean = Array1::<f64>::zeros(pooled.ncols());
        for row in rows() {
            mean.zip_mut_with(&row, |sum, value| *sum += f64::from(*value));
        }
        mean /= count;
        let mut square = Array1::<f64>::zeros(pooled.ncols());
        for row in rows() {
            for ((sum, mean), value) in square.iter_mut().zip(&mean).zip(row) {
                *sum += (f64::from(*value) - mean).powi(2);
            }
        }
        let spread = square.mapv(|sum| (sum / count).sqrt());
        let all = (spread.mapv(|spread| spread * spread).sum() / spread.len().max(1) as f64).sqrt();
        Self {
            mean: mean.mapv(|value| value as f32),
            inverse: spread.mapv(|spread| match spread {
                spread if spread > SMALLEST_SPREAD => (1.0 / spread.max(LEAST_PART * all)) as f32,
                _ => 0.0,
            }),
        }
    }

    /// Standardised features of the given tiles and views.
    pub(super) fn rows(
        &self,
        features: &Features,
        chosen: impl Iterator<Item = (usize, usize)>,
    ) -> Array2<f32> {
        let Features { pooled, views } = features;
        let rows: Vec<usize> = chosen.map(|(place, view)| place * views + view).collect();
        self.standardised(pooled.select(Axis(0), &rows).view())
    }

    fn standardised(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        (&features - &self.mean) * &self.inverse
    }

    /// The head that does the same to features as they are, with its weights as a file stores them.
    pub(super) fn folded(&self, head: &DenseHead) -> DenseHead {
        let weights = stored(&head.hidden_weights * &self.inverse);
        let bias = weights
            .outer_iter()
            .zip(&head.hidden_bias)
            .map(|(row, bias)| {
                let shift: f64 = row
                    .iter()
                    .zip(&self.mean)
                    .map(|(weight, mean)| f64::from(*weight) * f64::from(*mean))
                    .sum();
                (f64::from(*bias) - shift) as f32
            });
        DenseHead {
            hidden_bias: bias.collect(),
            hidden_weights: weights,
            logit_weights: stored(head.logit_weights.clone()),
            logit_bias: head.logit_bias.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        random::{Purpose, Stream},
        train::gradient::logits,
    };

    /// 50 tiles of two views; the last of six features never varies.
    fn features() -> Features {
        let mut stream = Stream::new(1, Purpose::Golden, 0, 0);
        let pooled = Array2::from_shape_fn((100, 6), |(_, feature)| match feature {
            5 => 7.0,
            _ => 2_f32.powi(feature as i32 - 2) * (stream.bell() + 3.0),
        });
        Features { pooled, views: 2 }
    }

    fn head(hidden: usize) -> DenseHead {
        let mut stream = Stream::new(2, Purpose::Head, 0, 0);
        DenseHead {
            hidden_weights: Array2::from_shape_simple_fn((hidden, 6), || stream.bell()),
            hidden_bias: Array1::from_shape_simple_fn(hidden, || stream.bell()),
            logit_weights: Array2::from_shape_simple_fn((2, hidden), || 0.05 * stream.bell()),
            logit_bias: Array1::from_shape_simple_fn(2, || stream.bell()),
        }
    }

    #[test]
    fn standardised_features_have_mean_0_and_deviation_1() {
        let features = features();
        let learn: Vec<usize> = (0..50).collect();
        let scale = Scale::of(&features, &learn);
        let found = scale.rows(
            &features,
            (0..50).flat_map(|place| [(place, 0), (place, 1)]),
        );
        for (feature, column) in found.columns().into_iter().enumerate() {
            let square = column.mapv(|value| value * value).sum() / 100.0;
            let expected = if feature == 5 { 0.0 } else { 1.0 };
            assert!(column.sum().abs() < 1e-2 && (square - expected).abs() < 1e-3);
        }
    }

    #[test]
    fn a_rare_feature_is_not_blown_up() {
        let mut features = features();
        let rare = features.pooled.column(0).mapv(|value| 1e-4 * value);
        features.pooled.column_mut(0).assign(&rare);
        let places: Vec<usize> = (0..50).collect();
        let scale = Scale::of(&features, &places);
        let most = scale.inverse.iter().copied().fold(0.0, f32::max);
        assert_eq!(scale.inverse[0], most);
        // The others' spreads are 0.5, 1, 2 and 4; a sixth feature does not vary.
        let all = ((0.25 + 1.0 + 4.0 + 16.0) / 6.0_f64).sqrt();
        assert!(
            (f64::from(most) * LEAST_PART * all - 1.0).abs() < 0.2,
            "{most}"
        );
    }

    #[test]
    fn the_folded_head_does_the_same_to_features_as_they_are() {
        let features = features();
        let places: Vec<usize> = (0..50).collect();
        for hidden in [8, 600] {
            let scale = Scale::of(&features, &places);
            let mut head = head(hidden);
            let folded = scale.folded(&head);
            // What is stored with fewer digits is another head; compare with that one.
            for (mut row, stored) in head
                .hidden_weights
                .outer_iter_mut()
                .zip(folded.hidden_weights.outer_iter())
            {
                for ((weight, stored), inverse) in row.iter_mut().zip(stored).zip(&scale.inverse) {
                    *weight = if *inverse == 0.0 {
                        0.0
                    } else {
                        stored / inverse
                    };
                }
            }
            head.logit_weights = folded.logit_weights.clone();
            let expected = logits(&head, scale.standardised(features.pooled.view()).view());
            for (row, expected) in features.pooled.outer_iter().zip(expected.outer_iter()) {
                for (found, expected) in folded.logits(&row.to_vec()).iter().zip(expected) {
                    let gap = (found - f64::from(*expected)).abs();
                    assert!(gap < 2e-4, "{found} {expected}");
                }
            }
            let again = stored(folded.hidden_weights.clone());
            assert_eq!(again, folded.hidden_weights);
        }
    }
}
