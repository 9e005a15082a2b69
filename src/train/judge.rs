//! Figures of merit of the log-odds of senescence.

use serde::Serialize;

/// How well classes are told apart. A figure is `null` where a class is missing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Share of right decisions at p = 0.5.
    pub accuracy: f64,
    /// Mean over the classes of their shares of right decisions.
    pub balanced_accuracy: Option<f64>,
    /// Area under the curve of the receiver operating characteristic.
    pub auc: Option<f64>,
    /// Mean of −ln p(true class).
    pub negative_log_likelihood: f64,
}

impl Figures {
    /// Of the log-odds of tiles, each with whether it is senescent.
    pub(super) fn of(odds: &[f64], senescent: &[bool]) -> Self {
        let share = |class: Option<bool>| {
            let chosen = || {
                odds.iter()
                    .zip(senescent)
                    .filter(|(_, s)| class.is_none_or(|class| **s == class))
            };
            let right = chosen().filter(|(odds, s)| (**odds > 0.0) == **s).count();
            match chosen().count() {
                0 => None,
                count => Some(right as f64 / count as f64),
            }
        };
        Self {
            accuracy: share(None).unwrap_or_default(),
            balanced_accuracy: share(Some(true))
                .zip(share(Some(false)))
                .map(|(s, p)| 0.5 * (s + p)),
            auc: auc(odds, senescent),
            negative_log_likelihood: negative_log_likelihood(odds, senescent, 1.0),
        }
    }
}

/// The chance that a senescent tile has higher odds than a proliferating one; ties count half (Mann & Whitney
/// 1947). `None` when a class is missing.
pub(super) fn auc(odds: &[f64], senescent: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..odds.len()).collect();
    order.sort_by(|a, b| odds[*a].total_cmp(&odds[*b]));
    let positive = senescent.iter().filter(|s| **s).count() as f64;
    let negative = senescent.len() as f64 - positive;
    let (mut below, mut pairs) = (0.0, 0.0);
    for tied in order.chunk_by(|a, b| odds[*a] == odds[*b]) {
        let s = tied.iter().filter(|place| senescent[**place]).count() as f64;
        let p = tied.len() as f64 - s;
        pairs += s * (below + 0.5 * p);
        below += p;
    }
    (positive > 0.0 && negative > 0.0).then(|| pairs / (positive * negative))
}

/// The mean of −ln p(true class) at a temperature.
pub(super) fn negative_log_likelihood(odds: &[f64], senescent: &[bool], temperature: f64) -> f64 {
    let sum: f64 = odds
        .iter()
        .zip(senescent)
        .map(|(odds, s)| {
            let wrong = if *s { -odds } else { *odds } / temperature;
            wrong.max(0.0) + (-wrong.abs()).exp().ln_1p()
        })
        .sum();
    sum / odds.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_are_those_of_their_definition() {
        let odds = [-2.0, -1.0, 0.5, 1.0, 3.0];
        let senescent = [false, true, false, true, true];
        let figures = Figures::of(&odds, &senescent);
        assert_eq!(figures.accuracy, 0.6);
        assert_eq!(figures.balanced_accuracy, Some(0.5 * (0.5 + 2.0 / 3.0)));
        // Five of the six pairs are in order.
        assert_eq!(figures.auc, Some(5.0 / 6.0));
        assert_eq!(Figures::of(&[1.0], &[true]).auc, None);
        assert_eq!(negative_log_likelihood(&[0.0], &[true], 1.0), 2.0_f64.ln());
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs_in_order(
            tiles in proptest::collection::vec((-5_i32..5, any::<bool>()), 1..60),
        ) {
            let (odds, senescent): (Vec<f64>, Vec<bool>) =
                tiles.iter().map(|(odds, s)| (f64::from(*odds), *s)).unzip();
            let mut pairs = Vec::new();
            for (a, _) in tiles.iter().filter(|(_, s)| *s) {
                for (b, _) in tiles.iter().filter(|(_, s)| !*s) {
                    pairs.push(match a.cmp(b) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    });
                }
            }
            let expected = (!pairs.is_empty()).then(|| pairs.iter().sum::<f64>() / pairs.len() as f64);
            match (auc(&odds, &senescent), expected) {
                (Some(found), Some(expected)) => prop_assert!((found - expected).abs() < 1e-12),
                (found, expected) => prop_assert_eq!(found, expected),
            }
        }
    }
}
