//! The head of a member: mean of each feature → dense → ReLU → dense → logits.

use ndarray::{Array1, Array2, ArrayView3, Axis};

/// Two dense layers on the mean of each feature over its map.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseHead {
    /// Hidden units × features.
    pub hidden_weights: Array2<f32>,
    /// One a hidden unit.
    pub hidden_bias: Array1<f32>,
    /// Classes × hidden units.
    pub logit_weights: Array2<f32>,
    /// One a class.
    pub logit_bias: Array1<f32>,
}

/// The mean of each feature (features × rows × columns) over its map.
pub fn pool(features: ArrayView3<'_, f32>) -> Vec<f32> {
    let area = features.len() as f64 / features.dim().0.max(1) as f64;
    features
        .axis_iter(Axis(0))
        .map(|map| (map.iter().map(|value| f64::from(*value)).sum::<f64>() / area) as f32)
        .collect()
}

impl DenseHead {
    /// What enters the ReLU of each hidden unit.
    pub fn before(&self, pooled: &[f32]) -> Vec<f64> {
        product(&self.hidden_weights, &self.hidden_bias, pooled)
    }

    /// The logits of pooled features.
    pub fn logits(&self, pooled: &[f32]) -> Vec<f64> {
        let hidden: Vec<f64> = self.before(pooled).iter().map(|h| h.max(0.0)).collect();
        product(&self.logit_weights, &self.logit_bias, &hidden)
    }

    /// Derivative of each logit by each feature's mean, divided by the `area` of the map in its pixels:
    /// the weights of Grad-CAM (Selvaraju et al. 2017). Classes × features.
    pub fn cam_weights(&self, pooled: &[f32], area: usize) -> Array2<f32> {
        let before = self.before(pooled);
        let shape = (self.logit_weights.nrows(), self.hidden_weights.ncols());
        Array2::from_shape_fn(shape, |(class, feature)| {
            let sum: f64 = before
                .iter()
                .enumerate()
                .filter(|(_, before)| **before > 0.0)
                .map(|(unit, _)| {
                    f64::from(self.logit_weights[(class, unit)])
                        * f64::from(self.hidden_weights[(unit, feature)])
                })
                .sum();
            (sum / area as f64) as f32
        })
    }
}

fn product<T: Copy + Into<f64>>(weights: &Array2<f32>, bias: &Array1<f32>, x: &[T]) -> Vec<f64> {
    weights
        .outer_iter()
        .zip(bias)
        .map(|(row, bias)| {
            let sum: f64 = row
                .iter()
                .zip(x)
                .map(|(w, x)| f64::from(*w) * (*x).into())
                .sum();
            sum + f64::from(*bias)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn head() -> DenseHead {
        DenseHead {
            hidden_weights: array![[1.0, 2.0], [-1.0, 0.5], [0.0, -3.0]],
            hidden_bias: array![0.0, 0.25, 1.0],
            logit_weights: array![[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]],
            logit_bias: array![0.5, -0.5],
        }
    }

    #[test]
    fn the_answer_is_that_of_the_formula() {
        // Before the ReLU: 5, −1 + 1 + 0.25, 1 − 6.
        assert_eq!(head().before(&[1.0, 2.0]), [5.0, 0.25, -5.0]);
        assert_eq!(head().logits(&[1.0, 2.0]), [6.0, -5.5]);
    }

    #[test]
    fn the_weights_of_grad_cam_are_the_derivatives() {
        let (head, at, step) = (head(), [1.0, 2.0], 0.125);
        let weights = head.cam_weights(&at, 4);
        for feature in 0..2 {
            let moved = |by: f32| {
                let mut at = at;
                at[feature] += by;
                head.logits(&at)
            };
            for class in 0..2 {
                let slope = (moved(step)[class] - moved(-step)[class]) / f64::from(2.0 * step);
                assert_eq!(f64::from(weights[(class, feature)]), slope / 4.0);
            }
        }
    }

    #[test]
    fn pooling_is_the_mean_of_each_map() {
        let features = array![[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, 2.0]]];
        assert_eq!(pool(features.view()), [3.0, 0.5]);
    }
}
