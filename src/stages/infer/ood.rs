//! How unlike the training set a tile is: Mahalanobis distance of its image statistics.
//!
//! With x the statistics of the tile: `√(mean of (whitening · (x − mean))²)`, in units of the manifest's
//! limit: above 1 is outside.

use std::path::Path;

use ndarray::{Array1, Array2, Ix1, Ix2};

use super::{
    EnsembleError,
    npz::Npz,
    statistics::{Statistics, count},
};

/// The training set, as far as it is needed for a comparison.
pub(super) struct OodReference {
    mean: Array1<f32>,
    whitening: Array2<f32>,
    limit: f64,
}

impl OodReference {
    /// Reads the reference of tiles of `channels` channels.
    pub(super) fn read(
        bytes: Vec<u8>,
        path: &Path,
        channels: usize,
        limit: f64,
    ) -> Result<Self, EnsembleError> {
        let mut npz = Npz::open(bytes, path)?;
        let width = count(channels);
        Ok(Self {
            mean: npz.array_of::<Ix1>("mean", &[width])?,
            whitening: npz.array_of::<Ix2>("whitening", &[width, width])?,
            limit,
        })
    }

    /// The distance of a tile with these statistics in units of the limit.
    pub(super) fn distance(&self, statistics: &Statistics) -> f32 {
        self.of_statistics(statistics.values())
    }

    fn of_statistics(&self, statistics: &[f64]) -> f32 {
        let sum: f64 = self
            .whitening
            .outer_iter()
            .map(|row| {
                let whitened: f64 = row
                    .iter()
                    .zip(statistics)
                    .zip(&self.mean)
                    .map(|((weight, x), mean)| f64::from(*weight) * (x - f64::from(*mean)))
                    .sum();
                whitened.powi(2)
            })
            .sum();
        ((sum / self.mean.len() as f64).sqrt() / self.limit) as f32
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn reference() -> OodReference {
        OodReference {
            mean: array![1.0, 2.0],
            whitening: array![[2.0, 0.0], [0.5, 0.5]],
            limit: 2.0,
        }
    }

    #[test]
    fn the_mean_of_the_training_set_has_no_distance() {
        assert_eq!(reference().of_statistics(&[1.0, 2.0]), 0.0);
    }

    #[test]
    fn the_distance_is_that_of_the_formula() {
        // Whitened 2 and 2: root mean square 2, limit 2.
        let distance = reference().of_statistics(&[2.0, 5.0]);
        assert!((distance - 1.0).abs() < 1e-6, "{distance}");
    }
}
