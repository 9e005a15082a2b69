//! Cross-entropy of a head on a batch, and its gradient by backpropagation.

use ndarray::{Array2, ArrayView2, Axis, Zip, linalg::general_mat_mul};

use crate::stages::infer::DenseHead;

/// Rows of standardised features with their classes.
pub(super) struct Batch<'a> {
    /// Rows × features.
    pub(super) x: ArrayView2<'a, f32>,
    /// Index of each row's class.
    pub(super) classes: &'a [usize],
    /// Weight of each class.
    pub(super) weights: [f32; 2],
    /// Part of each row's certainty that is given to the other class (label smoothing; Szegedy et al., CVPR
    /// 2016): it keeps logits from growing without bound where classes can be parted.
    pub(super) smoothing: f64,
}

/// Zeros in the shape of `head`.
pub(super) fn zeros_like(head: &DenseHead) -> DenseHead {
    DenseHead {
        hidden_weights: Array2::zeros(head.hidden_weights.dim()),
        hidden_bias: ndarray::Array1::zeros(head.hidden_bias.dim()),
        logit_weights: Array2::zeros(head.logit_weights.dim()),
        logit_bias: ndarray::Array1::zeros(head.logit_bias.dim()),
    }
}

/// What enters the ReLU: rows × hidden units.
fn before(head: &DenseHead, x: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut before = Array2::zeros((x.nrows(), head.hidden_bias.len()));
    general_mat_mul(1.0, &x, &head.hidden_weights.t(), 0.0, &mut before);
    before + &head.hidden_bias
}

/// The logits of each row, without dropout: rows × classes.
pub(super) fn logits(head: &DenseHead, x: ArrayView2<'_, f32>) -> Array2<f32> {
    let hidden = before(head, x).mapv_into(|value| value.max(0.0));
    hidden.dot(&head.logit_weights.t()) + &head.logit_bias
}

/// The weighted cross-entropy, without dropout.
pub(super) fn loss(head: &DenseHead, batch: &Batch<'_>) -> f64 {
    cross_entropy(&mut logits(head, batch.x), batch)
}

/// The loss with the hidden units multiplied by `mask` (rows × hidden units; dropout), and its gradient.
pub(super) fn loss_and_gradient(
    head: &DenseHead,
    batch: &Batch<'_>,
    mask: ArrayView2<'_, f32>,
    gradient: &mut DenseHead,
) -> f64 {
    let mut slope = before(head, batch.x);
    let hidden = Zip::from(&slope)
        .and(mask)
        .map_collect(|before, mask| before.max(0.0) * mask);
    let mut d_logits = hidden.dot(&head.logit_weights.t()) + &head.logit_bias;
    let loss = cross_entropy(&mut d_logits, batch);
    general_mat_mul(
        1.0,
        &d_logits.t(),
        &hidden,
        0.0,
        &mut gradient.logit_weights,
    );
    gradient.logit_bias.assign(&d_logits.sum_axis(Axis(0)));
    let d_hidden = d_logits.dot(&head.logit_weights);
    Zip::from(&mut slope)
        .and(&d_hidden)
        .and(mask)
        .for_each(|slope, d_hidden, mask| {
            *slope = if *slope > 0.0 { d_hidden * mask } else { 0.0 };
        });
    general_mat_mul(1.0, &slope.t(), &batch.x, 0.0, &mut gradient.hidden_weights);
    gradient.hidden_bias.assign(&slope.sum_axis(Axis(0)));
    loss
}

/// The weighted mean of −(1 − s) ln p(true class) − s ln p(other class), with s the smoothing; puts its
/// derivatives in the place of the logits.
fn cross_entropy(logits: &mut Array2<f32>, batch: &Batch<'_>) -> f64 {
    let total: f64 = batch
        .classes
        .iter()
        .map(|class| f64::from(batch.weights[*class]))
        .sum();
    let mut sum = 0.0;
    for (mut row, class) in logits.outer_iter_mut().zip(batch.classes) {
        let weight = f64::from(batch.weights[*class]) / total;
        let odds = f64::from(row[1 - class]) - f64::from(row[*class]);
        // ln(1 + exp(odds)) without overflow.
        sum += weight * (odds.max(0.0) + (-odds.abs()).exp().ln_1p() - batch.smoothing * odds);
        let wrong = (weight * (1.0 / (1.0 + (-odds).exp()) - batch.smoothing)) as f32;
        row[*class] = -wrong;
        row[1 - class] = wrong;
    }
    sum
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;
    use crate::random::{Purpose, Stream};

    const SHAPE: (usize, usize, usize) = (7, 5, 4);

    fn head(stream: &mut Stream) -> DenseHead {
        let (_, features, hidden) = SHAPE;
        DenseHead {
            hidden_weights: Array2::from_shape_simple_fn((hidden, features), || stream.bell()),
            hidden_bias: Array1::from_shape_simple_fn(hidden, || stream.bell()),
            logit_weights: Array2::from_shape_simple_fn((2, hidden), || stream.bell()),
            logit_bias: Array1::from_shape_simple_fn(2, || stream.bell()),
        }
    }

    /// The same in float64, by the formula and row by row.
    fn plain_loss(
        head: &DenseHead,
        moved: (usize, usize, f64),
        batch: &Batch<'_>,
        mask: &Array2<f32>,
    ) -> f64 {
        let part = |which: usize, at: usize, value: f32| {
            f64::from(value)
                + if moved.0 == which && moved.1 == at {
                    moved.2
                } else {
                    0.0
                }
        };
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, class) in batch.classes.iter().enumerate() {
            let (_, features, hidden) = SHAPE;
            let mut logits = [0, 1].map(|k| part(3, k, head.logit_bias[k]));
            for unit in 0..hidden {
                let mut value = part(1, unit, head.hidden_bias[unit]);
                for feature in 0..features {
                    let weight = part(
                        0,
                        unit * features + feature,
                        head.hidden_weights[(unit, feature)],
                    );
                    value += weight * f64::from(batch.x[(row, feature)]);
                }
                value = value.max(0.0) * f64::from(mask[(row, unit)]);
                for (k, logit) in logits.iter_mut().enumerate() {
                    *logit += part(2, k * hidden + unit, head.logit_weights[(k, unit)]) * value;
                }
            }
            let weight = f64::from(batch.weights[*class]);
            total += weight;
            let normal = logits.iter().map(|logit| logit.exp()).sum::<f64>();
            let part = |k: usize| (logits[k].exp() / normal).ln();
            let smoothing = batch.smoothing;
            sum -= weight * ((1.0 - smoothing) * part(*class) + smoothing * part(1 - class));
        }
        sum / total
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let mut checked = 0;
        for seed in 0..8 {
            let mut stream = Stream::new(seed, Purpose::Head, 0, 0);
            let (rows, features, hidden) = SHAPE;
            let head = head(&mut stream);
            let x = Array2::from_shape_simple_fn((rows, features), || stream.bell());
            let mask =
                Array2::from_shape_simple_fn((rows, hidden), || 1.5 * stream.index(2) as f32);
            let classes: Vec<usize> = (0..rows).map(|_| stream.index(2)).collect();
            let batch = Batch {
                x: x.view(),
                classes: &classes,
                weights: [0.5, 2.0],
                smoothing: 0.03,
            };
            let mut gradient = zeros_like(&head);
            let loss = loss_and_gradient(&head, &batch, mask.view(), &mut gradient);
            let plain = plain_loss(&head, (9, 0, 0.0), &batch, &mask);
            assert!((loss - plain).abs() < 1e-5, "{loss} {plain}");
            let parts: [Vec<f32>; 4] = [
                gradient.hidden_weights.iter().copied().collect(),
                gradient.hidden_bias.to_vec(),
                gradient.logit_weights.iter().copied().collect(),
                gradient.logit_bias.to_vec(),
            ];
            for (which, part) in parts.iter().enumerate() {
                for (at, found) in part.iter().enumerate() {
                    let at_step = |step| plain_loss(&head, (which, at, step), &batch, &mask);
                    let expected = (at_step(1e-6) - at_step(-1e-6)) / 2e-6;
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-4,
                        "part {which}, {at}: {found} {expected}"
                    );
                    checked += 1;
                }
            }
        }
        assert_eq!(checked, 8 * (20 + 4 + 8 + 2));
    }

    #[test]
    fn without_dropout_both_losses_are_one() {
        let mut stream = Stream::new(1, Purpose::Head, 0, 0);
        let head = head(&mut stream);
        let x = Array2::from_shape_simple_fn((6, 5), || stream.bell());
        let batch = Batch {
            x: x.view(),
            classes: &[0, 1, 1, 0, 0, 1],
            weights: [1.0, 1.0],
            smoothing: 0.0,
        };
        let mask = Array2::ones((6, 4));
        let whole = loss_and_gradient(&head, &batch, mask.view(), &mut zeros_like(&head));
        assert_eq!(whole, loss(&head, &batch));
    }

    #[test]
    fn huge_logits_overflow_nothing() {
        for (right, expected) in [(0, 0.0), (1, 2000.0)] {
            let x = Array2::zeros((1, 1));
            let batch = Batch {
                x: x.view(),
                classes: &[right],
                weights: [1.0, 1.0],
                smoothing: 0.0,
            };
            let mut logits = ndarray::array![[1000.0, -1000.0]];
            assert_eq!(cross_entropy(&mut logits, &batch), expected);
            assert!(logits.iter().all(|value| value.is_finite()));
        }
    }
}
