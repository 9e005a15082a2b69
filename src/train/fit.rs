//! Training of one head on the pooled features of a frozen backbone.
//!
//! An epoch takes every tile once, or of few tiles each several times, in a view drawn for it. After each, the
//! loss on the tiles of other dishes is measured; when it has not fallen for some epochs the head of the best
//! one is kept. Features are
//! standardised by mean and standard deviation of the training tiles, which is folded into the first layer
//! at the end. Every random number follows from the head's own stream: neither order nor threads matter.

use ndarray::{Array1, Array2};
use serde::Serialize;

use super::{
    TrainError,
    adam::Adam,
    gradient::{Batch, logits, loss, loss_and_gradient, zeros_like},
    scale::{Features, Scale},
};
use crate::random::Stream;
use crate::stages::infer::DenseHead;

const BATCH: usize = 64;
/// Tiles of an epoch, at least: few tiles are taken several times, so that an epoch is enough to be judged.
const EPOCH: usize = 2048;
const MOST_EPOCHS: usize = 60;
/// Epochs without a lower loss that end the training.
const PATIENCE: usize = 8;
/// Share of the hidden units that a step leaves out (Srivastava et al., J. Mach. Learn. Res. 15:1929, 2014).
const DROPOUT: f32 = 0.3;
/// Part of a training tile's certainty that is given to the other class.
const SMOOTHING: f64 = 0.02;
/// One class this many times the other is unbalanced: its tiles then weigh less.
const UNBALANCED: f64 = 2.0;

/// What a head is trained on.
pub(super) struct Lesson<'a> {
    pub(super) features: &'a Features,
    /// Index of the class of each tile.
    pub(super) classes: &'a [usize],
    /// Places of the tiles that it learns from.
    pub(super) learn: &'a [usize],
    /// Places of the tiles that end the training.
    pub(super) stop: &'a [usize],
    pub(super) hidden: usize,
}

/// One epoch of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Mean cross-entropy while learning, with dropout and smoothed labels and on views.
    pub training_loss: f64,
    /// Cross-entropy of the dishes that end the training, on the tiles themselves.
    pub stopping_loss: f64,
    /// Share of right decisions on them.
    pub stopping_accuracy: f64,
}

/// How a head was trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    /// Tiles that it learned from.
    pub tiles: usize,
    /// Weights of the classes, in the order of the logits.
    pub class_weights: [f32; 2],
    /// The epoch whose head was kept, counted from 1.
    pub kept_epoch: usize,
    /// All epochs.
    pub epochs: Vec<Epoch>,
}

/// Trains a head; it takes pooled features as they are.
///
/// # Errors
/// When the loss is not finite.
pub(super) fn fit(
    lesson: &Lesson<'_>,
    stream: &mut Stream,
) -> Result<(DenseHead, History), TrainError> {
    let scale = Scale::of(lesson.features, lesson.learn);
    let weights = class_weights(lesson);
    let count = lesson.features.pooled.ncols();
    let stopping = scale.rows(lesson.features, lesson.stop.iter().map(|place| (*place, 0)));
    let stopping_classes: Vec<usize> = lesson
        .stop
        .iter()
        .map(|place| lesson.classes[*place])
        .collect();
    let stopping = Batch {
        x: stopping.view(),
        classes: &stopping_classes,
        weights,
        smoothing: 0.0,
    };
    let mut head = drawn(count, lesson.hidden, stream);
    let mut adam = Adam::new(&head);
    let mut gradient = zeros_like(&head);
    let mut order = lesson.learn.to_vec();
    let passes = EPOCH.div_ceil(order.len().max(1));
    let mut kept = (f64::INFINITY, 0, head.clone());
    let mut epochs: Vec<Epoch> = Vec::new();
    while epochs.len() < MOST_EPOCHS && epochs.len() < kept.1 + PATIENCE {
        let mut sum = 0.0;
        for _ in 0..passes {
            stream.shuffle(&mut order);
            for part in order.chunks(BATCH) {
                let views = part
                    .iter()
                    .map(|place| (*place, stream.index(lesson.features.views)));
                let x = scale.rows(lesson.features, views);
                let classes: Vec<usize> = part.iter().map(|place| lesson.classes[*place]).collect();
                let mask = Array2::from_shape_simple_fn((part.len(), lesson.hidden), || {
                    if stream.unit() < f64::from(DROPOUT) {
                        0.0
                    } else {
                        1.0 / (1.0 - DROPOUT)
                    }
                });
                let batch = Batch {
                    x: x.view(),
                    classes: &classes,
                    weights,
                    smoothing: SMOOTHING,
                };
                let loss = loss_and_gradient(&head, &batch, mask.view(), &mut gradient);
                adam.step(&mut head, &gradient);
                sum += loss * part.len() as f64;
            }
        }
        let epoch = Epoch {
            training_loss: sum / (passes * order.len()) as f64,
            stopping_loss: loss(&head, &stopping),
            stopping_accuracy: accuracy(&head, &stopping),
        };
        epochs.push(epoch);
        if !epoch.training_loss.is_finite() || !epoch.stopping_loss.is_finite() {
            return Err(TrainError::Arithmetic(format!(
                "the loss of epoch {} is not finite",
                epochs.len()
            )));
        }
        if epoch.stopping_loss < kept.0 {
            kept = (epoch.stopping_loss, epochs.len(), head.clone());
        }
    }
    let history = History {
        tiles: lesson.learn.len(),
        class_weights: weights,
        kept_epoch: kept.1,
        epochs,
    };
    Ok((scale.folded(&kept.2), history))
}

/// Weights that make unbalanced classes count the same; 1 for both when neither is twice the other.
fn class_weights(lesson: &Lesson<'_>) -> [f32; 2] {
    let counts = [0, 1].map(|class| {
        let of_class = lesson
            .learn
            .iter()
            .filter(|place| lesson.classes[**place] == class);
        of_class.count().max(1) as f64
    });
    let [a, b] = counts;
    if a.max(b) <= UNBALANCED * a.min(b) {
        return [1.0, 1.0];
    }
    counts.map(|count| ((a + b) / (2.0 * count)) as f32)
}

/// A head before training (He et al., ICCV 2015, uniform).
fn drawn(features: usize, hidden: usize, stream: &mut Stream) -> DenseHead {
    let mut matrix = |rows: usize, columns: usize| {
        let bound = (6.0 / columns as f64).sqrt();
        Array2::from_shape_simple_fn((rows, columns), || stream.range(-bound, bound) as f32)
    };
    DenseHead {
        hidden_weights: matrix(hidden, features),
        hidden_bias: Array1::zeros(hidden),
        logit_weights: matrix(2, hidden),
        logit_bias: Array1::zeros(2),
    }
}

fn accuracy(head: &DenseHead, batch: &Batch<'_>) -> f64 {
    let right = logits(head, batch.x)
        .outer_iter()
        .zip(batch.classes)
        .filter(|(row, class)| row[**class] > row[1 - **class])
        .count();
    right as f64 / batch.classes.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    /// Tiles of two views whose class is the sign of the product of two of six features: no plane parts them.
    fn toy(tiles: usize) -> (Features, Vec<usize>) {
        let mut stream = Stream::new(5, Purpose::Golden, 0, 0);
        let mut classes = Vec::new();
        let mut pooled = Array2::zeros((tiles * 2, 6));
        for place in 0..tiles {
            let row: Vec<f32> = (0..5).map(|_| stream.bell()).collect();
            classes.push(usize::from(row[0] * row[1] > 0.0));
            for view in 0..2 {
                for (feature, value) in row.iter().enumerate() {
                    // Other units for each feature.
                    let unit = 2_f32.powi(feature as i32 - 2);
                    pooled[(place * 2 + view, feature)] =
                        unit * (value + 0.01 * stream.bell() + 3.0);
                }
                // One that never varies.
                pooled[(place * 2 + view, 5)] = 7.0;
            }
        }
        (Features { pooled, views: 2 }, classes)
    }

    fn trained(seed: u64) -> (DenseHead, History, f64) {
        let (features, classes) = toy(900);
        let places: Vec<usize> = (0..900).collect();
        let lesson = Lesson {
            features: &features,
            classes: &classes,
            learn: &places[..600],
            stop: &places[600..750],
            hidden: 32,
        };
        let mut stream = Stream::new(seed, Purpose::Head, 0, 0);
        let (head, history) = fit(&lesson, &mut stream).unwrap();
        let right = places[750..].iter().filter(|place| {
            let row = features.pooled.row(**place * 2).to_vec();
            let logits = head.logits(&row);
            usize::from(logits[1] > logits[0]) == classes[**place]
        });
        let accuracy = right.count() as f64 / 150.0;
        (head, history, accuracy)
    }

    #[test]
    fn what_can_be_parted_is_learned_and_the_loss_falls() {
        let (_, history, accuracy) = trained(1);
        // A plane would be right in half of the cases.
        assert!(accuracy > 0.8, "{accuracy}");
        let losses: Vec<f64> = history
            .epochs
            .iter()
            .map(|epoch| epoch.training_loss)
            .collect();
        assert!(
            losses[history.kept_epoch - 1] < 0.5 * losses[0],
            "{losses:?}"
        );
        let kept = history.epochs[history.kept_epoch - 1].stopping_loss;
        assert!(
            history
                .epochs
                .iter()
                .all(|epoch| epoch.stopping_loss >= kept)
        );
    }

    #[test]
    fn a_head_follows_from_its_stream() {
        assert_eq!(trained(1).0, trained(1).0);
        assert_ne!(trained(1).0, trained(2).0);
    }

    #[test]
    fn only_unbalanced_classes_are_weighted() {
        let (features, _) = toy(8);
        let places: Vec<usize> = (0..8).collect();
        let weights = |classes: [usize; 8]| {
            class_weights(&Lesson {
                features: &features,
                classes: &classes,
                learn: &places,
                stop: &places,
                hidden: 1,
            })
        };
        assert_eq!(weights([0, 0, 0, 1, 1, 1, 1, 1]), [1.0, 1.0]);
        assert_eq!(weights([0, 0, 1, 1, 1, 1, 1, 1]), [2.0, 2.0 / 3.0]);
    }
}
