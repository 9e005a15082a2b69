//! How unlike the training set a tile is: Mahalanobis distance of the pooled features on their principal
//! components (Lee et al., NeurIPS 2018).
//!
//! For one member, with x the mean of each feature over the map: `√(mean over components of
//! ((component · (x − mean)) · inv_std)²)`. The ensemble's distance is the mean over members, in units of
//! the manifest's limit: above 1 is outside.

use std::path::Path;

use ndarray::{Array1, Array2, ArrayView1, ArrayView3, Axis, Ix1, Ix2};

use super::{EnsembleError, MemberOutput, npz::Npz};

/// Most principal components of a reference.
const COMPONENTS: usize = 1024;

/// The training set as one member saw it.
struct Reference {
    mean: Array1<f32>,
    components: Array2<f32>,
    inv_std: Array1<f32>,
}

/// The training set as the ensemble saw it.
pub(super) struct OodReference {
    members: Vec<Reference>,
    limit: f64,
}

impl OodReference {
    /// Reads the references of `members`: name and number of features of each.
    pub(super) fn read(
        bytes: Vec<u8>,
        path: &Path,
        members: &[(&str, usize)],
        limit: f64,
    ) -> Result<Self, EnsembleError> {
        let mut npz = Npz::open(bytes, path)?;
        let members = members
            .iter()
            .map(|(name, features)| {
                let key = format!("{name}.components");
                let components = npz.array::<Ix2>(&key)?;
                let (count, width) = components.dim();
                if width != *features || !(1..=COMPONENTS).contains(&count) {
                    let reason = format!(
                        "it has shape {count}×{width}; 1 to {COMPONENTS} components of {features} \
                         features are expected"
                    );
                    return Err(npz.wrong(&key, &reason));
                }
                Ok(Reference {
                    mean: npz.array_of::<Ix1>(&format!("{name}.mean"), &[*features])?,
                    components,
                    inv_std: npz.array_of::<Ix1>(&format!("{name}.inv_std"), &[count])?,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { members, limit })
    }

    /// The distance of a tile in units of the limit; `None` when a member gave no features.
    pub(super) fn distance(&self, outputs: &[MemberOutput]) -> Option<f32> {
        if outputs.len() != self.members.len() {
            return None;
        }
        let sum = self
            .members
            .iter()
            .zip(outputs)
            .map(|(reference, output)| {
                let features = output.features.as_ref()?;
                Some(reference.distance(pooled(features.view()).view()))
            })
            .sum::<Option<f64>>()?;
        Some((sum / self.members.len() as f64 / self.limit) as f32)
    }
}

impl Reference {
    fn distance(&self, pooled: ArrayView1<'_, f64>) -> f64 {
        let sum: f64 = self
            .components
            .outer_iter()
            .zip(&self.inv_std)
            .map(|(component, inv_std)| {
                let projection: f64 = component
                    .iter()
                    .zip(pooled)
                    .zip(&self.mean)
                    .map(|((c, x), mean)| f64::from(*c) * (x - f64::from(*mean)))
                    .sum();
                (projection * f64::from(*inv_std)).powi(2)
            })
            .sum();
        (sum / self.inv_std.len() as f64).sqrt()
    }
}

/// Mean of each feature over the map.
fn pooled(features: ArrayView3<'_, f32>) -> Array1<f64> {
    features
        .axis_iter(Axis(0))
        .map(|map| map.iter().map(|value| f64::from(*value)).sum::<f64>() / map.len() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;

    fn reference() -> OodReference {
        OodReference {
            members: vec![Reference {
                mean: array![1.0, 2.0],
                components: array![[1.0, 0.0], [0.0, 1.0]],
                inv_std: array![2.0, 0.5],
            }],
            limit: 2.0,
        }
    }

    fn tile(features: [f32; 2]) -> MemberOutput {
        MemberOutput {
            logits: [0.0; 2],
            features: Some(Array3::from_shape_fn((2, 2, 2), |(c, y, _)| {
                features[c] + if y == 0 { 0.25 } else { -0.25 }
            })),
            cam_weights: None,
        }
    }

    #[test]
    fn the_mean_of_the_training_set_has_no_distance() {
        assert_eq!(reference().distance(&[tile([1.0, 2.0])]), Some(0.0));
    }

    #[test]
    fn the_distance_is_that_of_the_formula() {
        // Projections 1 and 4, scaled 2 and 2: root mean square 2, limit 2.
        let distance = reference().distance(&[tile([2.0, 6.0])]).unwrap();
        assert!((distance - 1.0).abs() < 1e-6, "{distance}");
    }

    #[test]
    fn without_features_nothing_is_said() {
        let output = MemberOutput {
            features: None,
            ..tile([0.0; 2])
        };
        assert_eq!(reference().distance(&[output]), None);
    }
}
