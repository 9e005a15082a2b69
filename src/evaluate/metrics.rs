//! Figures of merit of a two-class probability.
//!
//! Every tile counts as often as its dish was drawn, so that the same sums serve the sample and its resamples.
//! Sources: area under the ROC curve by the Mann–Whitney statistic (Hanley & McNeil, Radiology 143:29 (1982));
//! expected calibration error (Naeini et al., AAAI 2015) in bins of equal width; Brier, Mon. Weather Rev. 78:1
//! (1950); logarithmic loss in nats.

use serde::Serialize;

use super::{
    EvaluateError, Figure,
    bootstrap::{Resampling, Weights},
    scored::Scored,
};

/// Bins of the calibration error and of the reliability diagram.
pub(super) const BINS: usize = 10;
/// A probability is at least this far from 0 and 1 in the logarithmic loss, which a single sure and wrong answer
/// would make infinite.
const SMALLEST: f64 = 1e-7;

/// Figures of merit of one predictor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Metrics<T> {
    /// Share of right decisions at p = 0.5.
    pub accuracy: T,
    /// Mean over the classes of the share of right decisions.
    pub balanced_accuracy: T,
    /// Area under the ROC curve.
    pub auc: T,
    /// Expected calibration error in ten bins of equal width.
    pub calibration_error: T,
    /// Mean square of probability minus truth.
    pub brier_score: T,
    /// Mean of −ln p(true class), p cut at 10⁻⁷.
    pub log_loss: T,
}

impl<T: Copy> Metrics<T> {
    /// The figures in the order of the fields.
    pub fn values(&self) -> [T; 6] {
        [
            self.accuracy,
            self.balanced_accuracy,
            self.auc,
            self.calibration_error,
            self.brier_score,
            self.log_loss,
        ]
    }

    fn of(
        [
            accuracy,
            balanced_accuracy,
            auc,
            calibration_error,
            brier_score,
            log_loss,
        ]: [T; 6],
    ) -> Self {
        Self {
            accuracy,
            balanced_accuracy,
            auc,
            calibration_error,
            brier_score,
            log_loss,
        }
    }
}

/// Every figure with its interval.
pub(super) fn judge(
    scored: &Scored,
    resampling: &Resampling,
) -> Result<Metrics<Figure>, EvaluateError> {
    Ok(Metrics::of(
        resampling.figures(|weights| metrics(scored, weights).values())?,
    ))
}

/// The figures of tiles that count as `weights` says. Both classes must be among them.
pub(super) fn metrics(scored: &Scored, weights: &Weights) -> Metrics<f64> {
    let mut total = [0.0; 2];
    let mut right = [0.0; 2];
    let (mut square, mut loss) = (0.0, 0.0);
    for (row, weight) in scored.weighted(weights) {
        let class = usize::from(row.senescent);
        total[class] += weight;
        right[class] += weight * f64::from(u8::from(row.right()));
        let truth = f64::from(u8::from(row.senescent));
        square += weight * (row.p - truth).powi(2);
        let p = if row.senescent { row.p } else { 1.0 - row.p };
        loss -= weight * p.clamp(SMALLEST, 1.0 - SMALLEST).ln();
    }
    let all = total[0] + total[1];
    let gaps: f64 = bins(scored, weights)
        .iter()
        .map(|bin| (bin.p - bin.senescent).abs())
        .sum();
    Metrics {
        accuracy: (right[0] + right[1]) / all,
        balanced_accuracy: (right[0] / total[0] + right[1] / total[1]) / 2.0,
        auc: auc(scored, weights),
        calibration_error: gaps / all,
        brier_score: square / all,
        log_loss: loss / all,
    }
}

/// Share of right decisions; exact, because it is a quotient of whole numbers.
pub(super) fn accuracy(scored: &Scored, weights: &Weights) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    for (row, weight) in scored.weighted(weights) {
        right += weight * f64::from(u8::from(row.right()));
        all += weight;
    }
    right / all
}

/// Share of pairs of a senescent and a proliferating tile in which the senescent one has the greater probability;
/// equal ones count half.
pub(super) fn auc(scored: &Scored, weights: &Weights) -> f64 {
    let mut below = 0.0;
    let mut total = [0.0; 2];
    let mut won = 0.0;
    for (_, [proliferating, senescent]) in scored.groups(weights) {
        won += senescent * (below + proliferating / 2.0);
        below += proliferating;
        total[0] += proliferating;
        total[1] += senescent;
    }
    won / (total[0] * total[1])
}

/// Sums over the tiles of one bin of probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bin {
    /// Tiles.
    pub(super) tiles: f64,
    /// Sum of their probabilities.
    pub(super) p: f64,
    /// Those that are senescent.
    pub(super) senescent: f64,
}

/// Bins of equal width; p = 1 is in the last.
pub(super) fn bins(scored: &Scored, weights: &Weights) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for (row, weight) in scored.weighted(weights) {
        let bin = &mut bins[((row.p * BINS as f64) as usize).min(BINS - 1)];
        bin.tiles += weight;
        bin.p += weight * row.p;
        bin.senescent += weight * f64::from(u8::from(row.senescent));
    }
    bins
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluate::scored::Row;

    fn scored(tiles: &[(f64, bool, usize)]) -> Scored {
        Scored::new(tiles.iter().map(|(p, senescent, dish)| Row {
            p: *p,
            senescent: *senescent,
            dish: *dish,
        }))
    }

    #[test]
    fn the_figures_are_those_computed_by_hand() {
        let tiles = [
            (0.1, false, 0),
            (0.4, true, 0),
            (0.6, false, 0),
            (0.8, true, 0),
            (0.9, true, 0),
        ];
        let found = metrics(&scored(&tiles), &[1]);
        // Five pairs of six are in order: only 0.4 lies below 0.6.
        let expected = [
            3.0 / 5.0,
            (1.0 / 2.0 + 2.0 / 3.0) / 2.0,
            5.0 / 6.0,
            (0.1 + 0.6 + 0.6 + 0.2 + 0.1) / 5.0,
            (0.01 + 0.36 + 0.36 + 0.04 + 0.01) / 5.0,
            -(0.9_f64 * 0.4 * 0.4 * 0.8 * 0.9).ln() / 5.0,
        ];
        for (found, expected) in found.values().into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn tiles_of_one_bin_are_set_against_their_common_share() {
        // Mean p 0.72 and share 0.5 in one bin, by metrics.py.
        let found = metrics(&scored(&[(0.71, true, 0), (0.73, false, 0)]), &[1]);
        assert!((found.calibration_error - 0.22).abs() < 1e-12);
    }

    #[test]
    fn a_sure_and_wrong_answer_costs_much_but_not_everything() {
        let found = metrics(&scored(&[(0.0, true, 0), (1.0, false, 0)]), &[1]);
        assert!((found.log_loss - -SMALLEST.ln()).abs() < 1e-6);
        assert_eq!(
            (found.brier_score, found.calibration_error, found.auc),
            (1.0, 1.0, 0.0)
        );
    }

    fn tiles() -> impl Strategy<Value = Vec<(f64, bool, usize)>> {
        // Few different probabilities: ties are common.
        let p = prop_oneof![
            (0_u32..=20).prop_map(|step| f64::from(step) / 20.0),
            0.0_f64..=1.0
        ];
        proptest::collection::vec((p, any::<bool>(), 0_usize..4), 2..60).prop_map(|mut tiles| {
            tiles[0].1 = true;
            tiles[1].1 = false;
            tiles
        })
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_ordered_pairs(tiles in tiles()) {
            let (mut won, mut pairs) = (0.0, 0.0);
            for (high, _, _) in tiles.iter().filter(|tile| tile.1) {
                for (low, _, _) in tiles.iter().filter(|tile| !tile.1) {
                    pairs += 1.0;
                    won += if high > low { 1.0 } else if high == low { 0.5 } else { 0.0 };
                }
            }
            prop_assert!((auc(&scored(&tiles), &[1; 4]) - won / pairs).abs() < 1e-12);
        }

        #[test]
        fn a_weight_is_a_repetition(tiles in tiles(), weights in proptest::collection::vec(1_u32..4, 4)) {
            let repeated: Vec<_> = tiles
                .iter()
                .flat_map(|tile| std::iter::repeat_n(*tile, weights[tile.2] as usize))
                .collect();
            let one = metrics(&scored(&tiles), &weights).values();
            let other = metrics(&scored(&repeated), &[1; 4]).values();
            for (one, other) in one.into_iter().zip(other) {
                prop_assert!((one - other).abs() < 1e-9);
            }
        }

        #[test]
        fn each_figure_is_within_its_bounds(tiles in tiles()) {
            let scored = scored(&tiles);
            let found = metrics(&scored, &[1; 4]);
            for value in found.values().into_iter().take(5) {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&value), "{found:?}");
            }
            prop_assert!((0.0..=-SMALLEST.ln() + 1e-9).contains(&found.log_loss));
            prop_assert_eq!(found.accuracy, accuracy(&scored, &[1; 4]));
            // Jensen: the gap of a bin is at most the mean gap of its tiles, whose square is at most the mean square.
            prop_assert!(found.calibration_error.powi(2) <= found.brier_score + 1e-12);
        }

        #[test]
        fn the_order_of_the_tiles_changes_no_bit(tiles in tiles(), seed: u64) {
            let mut other = tiles.clone();
            crate::random::Stream::new(seed, crate::random::Purpose::Resample, 0, 0).shuffle(&mut other);
            prop_assert_eq!(scored(&tiles), scored(&other));
            prop_assert_eq!(metrics(&scored(&tiles), &[1, 0, 3, 2]).auc.to_bits(), metrics(&scored(&other), &[1, 0, 3, 2]).auc.to_bits());
        }

        #[test]
        fn turning_the_classes_round_keeps_the_symmetric_figures(tiles in tiles()) {
            let turned: Vec<_> = tiles.iter().map(|(p, senescent, dish)| (1.0 - p, !senescent, *dish)).collect();
            let (one, other) = (metrics(&scored(&tiles), &[1; 4]), metrics(&scored(&turned), &[1; 4]));
            prop_assert!((one.auc - other.auc).abs() < 1e-12);
            prop_assert!((one.brier_score - other.brier_score).abs() < 1e-12);
            prop_assert!((one.log_loss - other.log_loss).abs() < 1e-9);
        }
    }
}
