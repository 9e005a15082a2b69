//! Curves: the ROC curve, the reliability diagram, and accuracy against the share of cells left out.

use serde::Serialize;

use super::{
    EvaluateError, Figure,
    bootstrap::{Resampling, Weights},
    metrics::{BINS, bins},
    scored::Scored,
};

/// Most points of a ROC curve in the report.
const ROC_POINTS: usize = 200;
/// Shares that are left out: 0 to 50 % in steps of 1 %.
const STEPS: usize = 51;

/// A point of the ROC curve: (share of proliferating cells called senescent, share of senescent cells found).
pub type RocPoint = [f64; 2];

/// The ROC curve from (0, 0) to (1, 1), at most 200 points of it.
pub(super) fn roc(scored: &Scored, weights: &Weights) -> Vec<RocPoint> {
    let mut at = [0.0; 2];
    let mut points = vec![at];
    for (_, counts) in scored.groups(weights).rev() {
        at = [at[0] + counts[0], at[1] + counts[1]];
        points.push(at);
    }
    let last = points.len() - 1;
    let kept = ROC_POINTS.min(points.len());
    (0..kept)
        .map(|index| points[index * last / (kept - 1).max(1)])
        .map(|point| [point[0] / at[0], point[1] / at[1]])
        .collect()
}

/// One bin of the reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Lower end of the bin.
    pub from: f64,
    /// Upper end of the bin.
    pub to: f64,
    /// Tiles in the bin.
    pub tiles: u32,
    /// Their mean probability; `null` in an empty bin.
    pub mean_p: Option<f64>,
    /// Share of them that are senescent; `null` in an empty bin. The interval is over the resamples in which the
    /// bin is not empty.
    pub share_senescent: Option<Figure>,
}

/// The reliability diagram: a calibrated probability is the share of senescent cells among those that have it.
pub(super) fn reliability(
    scored: &Scored,
    resampling: &Resampling,
    ones: &Weights,
) -> Result<Vec<ReliabilityBin>, EvaluateError> {
    let shares: [Figure; BINS] =
        resampling.figures(|weights| bins(scored, weights).map(|bin| bin.senescent / bin.tiles))?;
    Ok(bins(scored, ones)
        .into_iter()
        .zip(shares)
        .enumerate()
        .map(|(index, (bin, share))| ReliabilityBin {
            from: index as f64 / BINS as f64,
            to: (index + 1) as f64 / BINS as f64,
            tiles: bin.tiles as u32,
            mean_p: (bin.tiles > 0.0).then(|| bin.p / bin.tiles),
            share_senescent: (bin.tiles > 0.0).then_some(share),
        })
        .collect())
}

/// What leaving out the least certain cells is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Abstention {
    /// Accuracy of the rest for each share left out.
    pub curve: Vec<AbstentionPoint>,
    /// The same at a share of 10 %.
    pub at_10_percent: Figure,
    /// By how much that is more than the accuracy on all, in percentage points.
    pub rise_at_10_percent_points: Figure,
}

/// A point of the curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AbstentionPoint {
    /// Share of cells left out: those whose probability is nearest to 0.5.
    pub share: f64,
    /// Accuracy of the rest.
    pub accuracy: Figure,
}

/// Accuracy of the rest against the share left out.
pub(super) fn abstention(
    scored: &Scored,
    resampling: &Resampling,
) -> Result<Abstention, EvaluateError> {
    let order = Certainty::of(scored);
    let mut figures = resampling.figures_of(STEPS + 1, |weights| {
        let curve = order.curve(weights);
        let rise = 100.0 * (curve[10] - curve[0]);
        curve.into_iter().chain([rise]).collect()
    })?;
    let rise = figures.pop().ok_or(EvaluateError::Defect)?;
    let at = figures.get(10).copied().ok_or(EvaluateError::Defect)?;
    Ok(Abstention {
        curve: figures
            .into_iter()
            .enumerate()
            .map(|(step, accuracy)| AbstentionPoint {
                share: step as f64 / 100.0,
                accuracy,
            })
            .collect(),
        at_10_percent: at,
        rise_at_10_percent_points: rise,
    })
}

/// Tiles by falling distance of the probability from 0.5: distance, right decision, dish.
struct Certainty(Vec<(f64, bool, usize)>);

impl Certainty {
    fn of(scored: &Scored) -> Self {
        let mut tiles: Vec<_> = scored
            .rows()
            .iter()
            .map(|row| ((row.p - 0.5).abs(), row.right(), row.dish))
            .collect();
        tiles.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        Self(tiles)
    }

    /// Accuracy of the rest at each step. Exactly the stated share is left out: of tiles of one certainty, where
    /// it ends among them, each counts in part.
    fn curve(&self, weights: &Weights) -> Vec<f64> {
        let all: f64 = self.0.iter().map(|tile| f64::from(weights[tile.2])).sum();
        let mut groups = self.0.chunk_by(|a, b| a.0 == b.0).map(|group| {
            let (mut total, mut right) = (0.0, 0.0);
            for (_, good, dish) in group {
                total += f64::from(weights[*dish]);
                right += f64::from(weights[*dish]) * f64::from(u8::from(*good));
            }
            (total, right)
        });
        let (mut kept, mut right) = (0.0, 0.0);
        let mut last = (0.0, 0.0);
        let mut curve: Vec<f64> = (0..STEPS)
            .rev()
            .map(|step| {
                let wanted = all * (100 - step) as f64 / 100.0;
                while kept + last.0 < wanted {
                    kept += last.0;
                    right += last.1;
                    let Some(next) = groups.next() else {
                        last = (0.0, 0.0);
                        break;
                    };
                    last = next;
                }
                let part = if last.0 > 0.0 {
                    (wanted - kept) / last.0
                } else {
                    0.0
                };
                (right + part * last.1) / wanted
            })
            .collect();
        curve.reverse();
        curve
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluate::{
        metrics::{accuracy, auc},
        scored::Row,
    };

    fn scored(tiles: &[(f64, bool)]) -> Scored {
        Scored::new(tiles.iter().map(|(p, senescent)| Row {
            p: *p,
            senescent: *senescent,
            dish: 0,
        }))
    }

    fn tiles(most: usize) -> impl Strategy<Value = Vec<(f64, bool)>> {
        let p = prop_oneof![
            (0_u32..=8).prop_map(|step| f64::from(step) / 8.0),
            0.0_f64..=1.0
        ];
        proptest::collection::vec((p, any::<bool>()), 2..most).prop_map(|mut tiles| {
            tiles[0].1 = true;
            tiles[1].1 = false;
            tiles
        })
    }

    #[test]
    fn the_least_certain_are_left_out_first() {
        // Of ten cells one is wrong, and it is the least certain.
        let mut tiles = vec![(0.95, true); 5];
        tiles.extend([(0.1, false); 4]);
        tiles.push((0.55, false));
        let curve = Certainty::of(&scored(&tiles)).curve(&[1]);
        assert!((curve[0] - 0.9).abs() < 1e-12);
        assert!(
            (curve[5] - 9.0 / 9.5).abs() < 1e-12,
            "half of it is left out"
        );
        assert!((curve[10] - 1.0).abs() < 1e-12 && (curve[50] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn certainty_that_is_the_same_for_all_is_worth_nothing() {
        let curve = Certainty::of(&scored(&[
            (0.75, true),
            (0.75, false),
            (0.25, false),
            (0.75, true),
        ]))
        .curve(&[1]);
        assert!(
            curve.iter().all(|accuracy| (accuracy - 0.75).abs() < 1e-12),
            "{curve:?}"
        );
    }

    proptest! {
        #[test]
        fn leaving_nobody_out_is_the_accuracy(tiles in tiles(50)) {
            let scored = scored(&tiles);
            let curve = Certainty::of(&scored).curve(&[3]);
            prop_assert!((curve[0] - accuracy(&scored, &[3])).abs() < 1e-12);
            prop_assert!(curve.iter().all(|accuracy| (-1e-12..=1.0 + 1e-12).contains(accuracy)));
        }

        #[test]
        fn the_curve_rises_from_corner_to_corner_and_spans_the_area(tiles in tiles(60)) {
            let scored = scored(&tiles);
            let curve = roc(&scored, &[1]);
            prop_assert_eq!((curve[0], curve[curve.len() - 1]), ([0.0; 2], [1.0; 2]));
            let area: f64 = curve
                .windows(2)
                .map(|pair| (pair[1][0] - pair[0][0]) * (pair[0][1] + pair[1][1]) / 2.0)
                .sum();
            prop_assert!((area - auc(&scored, &[1])).abs() < 1e-9);
            prop_assert!(curve.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]));
        }

        #[test]
        fn a_long_curve_is_thinned_and_keeps_its_ends(tiles in tiles(900)) {
            let curve = roc(&scored(&tiles), &[1]);
            prop_assert!(curve.len() <= ROC_POINTS);
            prop_assert_eq!((curve[0], curve[curve.len() - 1]), ([0.0; 2], [1.0; 2]));
        }
    }
}
