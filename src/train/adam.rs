//! Adam with decoupled decay of the weights (Kingma & Ba, ICLR 2015; Loshchilov & Hutter, ICLR 2019).

use ndarray::{Array, ArrayRef, Dimension, Zip};

use super::gradient::zeros_like;
use crate::stages::infer::DenseHead;

const RATE: f32 = 5e-4;
/// Of the weights, a step and unit of rate; biases do not decay.
const DECAY: f32 = 0.05;
const MEAN_KEEP: f32 = 0.9;
const SQUARE_KEEP: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The state of the optimiser for one head.
pub(super) struct Adam {
    mean: DenseHead,
    square: DenseHead,
    mean_left: f32,
    square_left: f32,
}

impl Adam {
    pub(super) fn new(head: &DenseHead) -> Self {
        Self {
            mean: zeros_like(head),
            square: zeros_like(head),
            mean_left: 1.0,
            square_left: 1.0,
        }
    }

    /// Moves `head` against its gradient.
    pub(super) fn step(&mut self, head: &mut DenseHead, gradient: &DenseHead) {
        self.mean_left *= MEAN_KEEP;
        self.square_left *= SQUARE_KEEP;
        let scale = (1.0 - self.mean_left, 1.0 - self.square_left);
        let (mean, square) = (&mut self.mean, &mut self.square);
        moved(
            &mut head.hidden_weights,
            &gradient.hidden_weights,
            (&mut mean.hidden_weights, &mut square.hidden_weights),
            scale,
            DECAY,
        );
        moved(
            &mut head.hidden_bias,
            &gradient.hidden_bias,
            (&mut mean.hidden_bias, &mut square.hidden_bias),
            scale,
            0.0,
        );
        moved(
            &mut head.logit_weights,
            &gradient.logit_weights,
            (&mut mean.logit_weights, &mut square.logit_weights),
            scale,
            DECAY,
        );
        moved(
            &mut head.logit_bias,
            &gradient.logit_bias,
            (&mut mean.logit_bias, &mut square.logit_bias),
            scale,
            0.0,
        );
    }
}

fn moved<D: Dimension>(
    values: &mut Array<f32, D>,
    gradient: &ArrayRef<f32, D>,
    (mean, square): (&mut Array<f32, D>, &mut Array<f32, D>),
    (mean_scale, square_scale): (f32, f32),
    decay: f32,
) {
    Zip::from(values)
        .and(gradient)
        .and(mean)
        .and(square)
        .for_each(|value, slope, mean, square| {
            *mean = MEAN_KEEP * *mean + (1.0 - MEAN_KEEP) * slope;
            *square = SQUARE_KEEP * *square + (1.0 - SQUARE_KEEP) * slope * slope;
            let step = (*mean / mean_scale) / ((*square / square_scale).sqrt() + EPSILON);
            *value -= RATE * (step + decay * *value);
        });
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_first_step_has_the_length_of_the_rate_whatever_the_slope() {
        let mut head = DenseHead {
            hidden_weights: array![[0.0]],
            hidden_bias: array![1.0],
            logit_weights: array![[0.0], [0.0]],
            logit_bias: array![0.0, 0.0],
        };
        let mut gradient = zeros_like(&head);
        gradient.hidden_weights[(0, 0)] = 40.0;
        gradient.hidden_bias[0] = -0.01;
        Adam::new(&head).step(&mut head, &gradient);
        assert!((head.hidden_weights[(0, 0)] + RATE).abs() < 1e-6);
        assert!((head.hidden_bias[0] - 1.0 - RATE).abs() < 1e-6);
        assert_eq!(head.logit_bias, array![0.0, 0.0]);
    }
}
