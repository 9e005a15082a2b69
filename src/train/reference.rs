//! The reference of the training set: mean and whitening of the tiles' image statistics, and the distance
//! beyond which a tile is unlike them. The recipe's `ood.py` is the model.

use ndarray::{Array1, Array2};

use super::{cholesky::inverse_factor, folds::Folds, survey::TrainingSet};

/// Keeps the covariance invertible when statistics depend on each other.
const RIDGE: f64 = 1e-6;
/// This share of the training tiles is inside, each measured by the dishes of the other folds: that of the
/// recipe. A higher one would hang on the two or three strangest tiles of a small set.
const QUANTILE: f64 = 0.99;

/// The training set, as far as it is needed for a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reference {
    pub(super) mean: Array1<f64>,
    pub(super) whitening: Array2<f64>,
}

impl Reference {
    /// Of statistics tiles × D; `None` when there are not more than 2 · D tiles.
    fn fit(rows: &[&Vec<f64>]) -> Option<Self> {
        let size = rows.first()?.len();
        if rows.len() <= 2 * size {
            return None;
        }
        let mut mean = Array1::zeros(size);
        for row in rows {
            mean += &Array1::from_vec(row.to_vec());
        }
        mean /= rows.len() as f64;
        let mut covariance = Array2::zeros((size, size));
        for row in rows {
            let deviation = Array1::from_vec(row.to_vec()) - &mean;
            for (i, a) in deviation.iter().enumerate() {
                for (j, b) in deviation.iter().enumerate() {
                    covariance[(i, j)] += a * b;
                }
            }
        }
        covariance /= (rows.len() - 1) as f64;
        covariance
            .diag_mut()
            .mapv_inplace(|variance| variance + RIDGE);
        Some(Self {
            whitening: inverse_factor(&covariance)?,
            mean,
        })
    }

    /// √(mean of (whitening · (x − mean))²).
    fn distance(&self, row: &[f64]) -> f64 {
        let deviation = Array1::from_vec(row.to_vec()) - &self.mean;
        let whitened = self.whitening.dot(&deviation);
        (whitened.mapv(|value| value * value).sum() / whitened.len() as f64).sqrt()
    }
}

/// The reference of all tiles and its limit, from the `statistics` of each tile of `set`; `None` when the
/// tiles of a training part are too few for as many statistics.
pub(super) fn reference(
    statistics: &[Vec<f64>],
    set: &TrainingSet,
    folds: &Folds,
) -> Option<(Reference, f64)> {
    let pick = |places: Vec<usize>| -> Vec<&Vec<f64>> {
        places.into_iter().map(|place| &statistics[place]).collect()
    };
    let mut distances = Vec::with_capacity(statistics.len());
    for fold in 0..folds.count {
        let others = Reference::fit(&pick(folds.places(set, |other| other != fold)))?;
        let left_out = pick(folds.places(set, |other| other == fold));
        distances.extend(left_out.into_iter().map(|row| others.distance(row)));
    }
    let whole = Reference::fit(&pick(folds.places(set, |_| true)))?;
    Some((whole, quantile(distances, QUANTILE)?))
}

/// The quantile by linear interpolation, as numpy's.
fn quantile(mut values: Vec<f64>, part: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let at = part * values.len().checked_sub(1)? as f64;
    let (low, high) = (
        values.get(at.floor() as usize)?,
        values.get(at.ceil() as usize)?,
    );
    Some(low + (high - low) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn whitened_tiles_have_the_identity_as_covariance() {
        let mut stream = Stream::new(1, Purpose::Golden, 0, 0);
        let rows: Vec<Vec<f64>> = (0..500)
            .map(|_| {
                let [a, b, c] = [0; 3].map(|_| f64::from(stream.bell()));
                vec![5.0 + a, 100.0 * (a + b), 0.1 * c - a]
            })
            .collect();
        let reference = Reference::fit(&rows.iter().collect::<Vec<_>>()).unwrap();
        let mut covariance = Array2::<f64>::zeros((3, 3));
        for row in &rows {
            let deviation = Array1::from_vec(row.clone()) - &reference.mean;
            let whitened = reference.whitening.dot(&deviation);
            for i in 0..3 {
                for j in 0..3 {
                    covariance[(i, j)] += whitened[i] * whitened[j] / 499.0;
                }
            }
        }
        for ((i, j), value) in covariance.indexed_iter() {
            let expected = if i == j { 1.0 } else { 0.0 };
            // The ridge takes a little from what varies little.
            assert!((value - expected).abs() < 1e-3, "{covariance}");
        }
        let squares: f64 = rows.iter().map(|row| reference.distance(row).powi(2)).sum();
        assert!((squares / 499.0 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn too_few_tiles_have_no_reference() {
        let rows: Vec<Vec<f64>> = (0..7)
            .map(|n| vec![f64::from(n), f64::from(n * n), 1.0])
            .collect();
        let rows: Vec<_> = rows.iter().collect();
        assert!(Reference::fit(&rows).is_some());
        assert!(Reference::fit(&rows[..6]).is_none());
    }

    #[test]
    fn the_quantile_is_that_of_numpy() {
        assert_eq!(quantile(vec![3.0, 1.0, 2.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(vec![7.0], 0.995), Some(7.0));
        assert_eq!(quantile(Vec::new(), 0.5), None);
    }
}
