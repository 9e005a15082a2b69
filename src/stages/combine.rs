//! From the members' logits to one verdict.
//!
//! The probability is the mean of the members' (softmax of their logits). Calibration divides its log-odds
//! by the manifest's temperature, once, after the mean (Rahaman & Thiery, NeurIPS 2021): so members stay
//! comparable and order is kept. A class is named when it alone is possible at the coverage that the manifest
//! states; when both are, the cell is uncertain, and when none is, or the tile is unlike the training set, it
//! is atypical.

use crate::{
    domain::{Label, MemberVerdict, Verdict},
    stages::infer::{Manifest, MemberOutput},
};

/// The verdict of the outputs of all members, in the manifest's order. `ood` is the distance from the
/// training set in units of its limit, from [`Ensemble::ood`](super::infer::Ensemble::ood).
pub fn combine(manifest: &Manifest, outputs: &[MemberOutput], ood: Option<f32>) -> Verdict {
    let senescent = manifest.senescent();
    let odds: Vec<_> = outputs
        .iter()
        .map(|output| {
            let [first, second] = output.logits.map(f64::from);
            if senescent == 0 {
                first - second
            } else {
                second - first
            }
        })
        .collect();
    let mean = |values: &dyn Fn(f64) -> f64| {
        odds.iter().map(|odds| values(*odds)).sum::<f64>() / odds.len() as f64
    };
    // Both tails are summed, so that neither loses its digits in 1 − p.
    let (p, q) = (mean(&|odds| sigmoid(odds)), mean(&|odds| sigmoid(-odds)));
    let spread = mean(&|odds| (sigmoid(odds) - p).powi(2)).sqrt();
    let calibrated_odds = (p / q).ln() / manifest.temperature;
    let calibrated = sigmoid(calibrated_odds);
    let calibrated_other = sigmoid(-calibrated_odds);
    let limits = manifest.conformal.limits;
    // How far the probability of the one class falls short of 1 is the probability of the other.
    let set = [
        calibrated <= limits.proliferating,
        calibrated_other <= limits.senescent,
    ];
    let label = match set {
        _ if ood.is_some_and(|distance| distance > 1.0) => Label::Atypical,
        [true, true] => Label::Uncertain,
        [true, false] => Label::Proliferating,
        [false, true] => Label::Senescent,
        [false, false] => Label::Atypical,
    };
    let mean_entropy = mean(&|odds| bits(sigmoid(odds)) + bits(sigmoid(-odds)));
    Verdict {
        p_senescent: calibrated as f32,
        p_raw: p as f32,
        members: manifest
            .members
            .iter()
            .zip(&odds)
            .map(|(member, odds)| MemberVerdict {
                name: member.name.clone(),
                p_senescent: sigmoid(*odds) as f32,
            })
            .collect(),
        spread: spread as f32,
        entropy: (bits(calibrated) + bits(calibrated_other)) as f32,
        // Never below 0 but for rounding.
        mutual_information: (bits(p) + bits(q) - mean_entropy).clamp(0.0, 1.0) as f32,
        ood,
        set,
        label,
        abstain: !matches!(label, Label::Proliferating | Label::Senescent),
    }
}

/// Index of the class whose map is published: the more probable one, whether or not it was named.
pub fn decided_class(manifest: &Manifest, verdict: &Verdict) -> usize {
    let senescent = manifest.senescent();
    if verdict.p_senescent >= 0.5 {
        senescent
    } else {
        1 - senescent
    }
}

fn sigmoid(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// −p log₂ p.
fn bits(p: f64) -> f64 {
    if p > 0.0 { -p * p.log2() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stages::infer::{ConformalLimits, testing::manifest};

    fn output(logits: [f32; 2]) -> MemberOutput {
        MemberOutput {
            logits,
            features: None,
            cam_weights: None,
        }
    }

    fn ensemble(members: usize) -> Manifest {
        let mut manifest = manifest();
        manifest.members = vec![manifest.members[0].clone(); members];
        manifest
    }

    fn logits() -> impl Strategy<Value = Vec<[f32; 2]>> {
        proptest::collection::vec([-200.0_f32..200.0, -200.0_f32..200.0], 1..8)
    }

    fn verdict(manifest: &Manifest, logits: &[[f32; 2]]) -> Verdict {
        let outputs: Vec<_> = logits.iter().map(|logits| output(*logits)).collect();
        combine(manifest, &outputs, None)
    }

    proptest! {
        #[test]
        fn everything_is_within_its_bounds(logits in logits(), temperature in 0.05_f64..20.0) {
            let mut manifest = ensemble(logits.len());
            manifest.temperature = temperature;
            let verdict = verdict(&manifest, &logits);
            let parts = [verdict.p_senescent, verdict.p_raw, verdict.entropy, verdict.mutual_information];
            for value in parts {
                prop_assert!((0.0..=1.0).contains(&value), "{verdict:?}");
            }
            prop_assert!((0.0..=0.5).contains(&verdict.spread), "{verdict:?}");
            prop_assert_eq!(verdict.members.len(), logits.len());
            let (least, most) = verdict.members.iter().fold((1.0_f32, 0.0_f32), |(low, high), m| {
                (low.min(m.p_senescent), high.max(m.p_senescent))
            });
            prop_assert!(least - 1e-6 <= verdict.p_raw && verdict.p_raw <= most + 1e-6);
        }

        #[test]
        fn the_classes_are_symmetric(logits in logits()) {
            let manifest = ensemble(logits.len());
            let mut turned = manifest.clone();
            turned.classes.reverse();
            let swapped: Vec<_> = logits.iter().map(|[a, b]| [*b, *a]).collect();
            // The same network with its classes in another order.
            prop_assert_eq!(verdict(&manifest, &logits), verdict(&turned, &swapped));
            // The opposite network.
            let (one, other) = (verdict(&manifest, &logits), verdict(&manifest, &swapped));
            prop_assert!((one.p_senescent + other.p_senescent - 1.0).abs() < 1e-6);
            prop_assert!((one.entropy - other.entropy).abs() < 1e-6);
        }

        #[test]
        fn temperature_keeps_the_order_and_the_middle(a in -30.0_f32..30.0, b in -30.0_f32..30.0, t in 0.05_f64..20.0) {
            let mut manifest = ensemble(1);
            let p = |manifest: &Manifest, odds| verdict(manifest, &[[0.0, odds]]).p_senescent;
            let before = p(&manifest, a);
            prop_assert_eq!(before, verdict(&manifest, &[[0.0, a]]).p_raw);
            manifest.temperature = t;
            if a < b {
                prop_assert!(p(&manifest, a) <= p(&manifest, b));
            }
            prop_assert_eq!(p(&manifest, a) >= 0.5, before >= 0.5);
        }
    }

    #[test]
    fn the_temperature_divides_the_log_odds_of_the_mean() {
        let mut manifest = ensemble(2);
        manifest.temperature = 2.0;
        let verdict = verdict(&manifest, &[[0.0, 1.0], [0.0, 3.0]]);
        let p = (sigmoid(1.0) + sigmoid(3.0)) / 2.0;
        let expected = sigmoid((p / (1.0 - p)).ln() / 2.0);
        assert!((f64::from(verdict.p_senescent) - expected).abs() < 1e-6);
        assert!((f64::from(verdict.spread) - (sigmoid(3.0) - sigmoid(1.0)) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_class_is_named_when_it_alone_is_possible() {
        let mut manifest = ensemble(1);
        let mut label = |proliferating, senescent, odds: f32| {
            manifest.conformal.limits = ConformalLimits {
                proliferating,
                senescent,
            };
            verdict(&manifest, &[[0.0, odds]]).label
        };
        assert_eq!(label(0.6, 0.6, 0.0), Label::Uncertain);
        assert_eq!(label(0.6, 0.6, 1.0), Label::Senescent);
        assert_eq!(label(0.6, 0.6, -1.0), Label::Proliferating);
        assert_eq!(label(0.4, 0.4, 0.0), Label::Atypical);
        // The limit belongs to the set.
        assert_eq!(label(0.5, 0.4, 0.0), Label::Proliferating);
        assert_eq!(label(0.4, 0.5, 0.0), Label::Senescent);
    }

    #[test]
    fn what_is_unlike_the_training_set_is_atypical() {
        let manifest = ensemble(1);
        let label = |ood| combine(&manifest, &[output([0.0, 5.0])], Some(ood)).label;
        assert_eq!(
            (label(1.0), label(1.001)),
            (Label::Senescent, Label::Atypical)
        );
    }

    #[test]
    fn members_that_disagree_share_information() {
        let manifest = ensemble(2);
        let shared = |a, b| verdict(&manifest, &[[0.0, a], [0.0, b]]).mutual_information;
        assert!(shared(2.0, 2.0) < 1e-6);
        assert!(shared(-2.0, 2.0) > shared(-1.0, 1.0));
        assert!((shared(-80.0, 80.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_decided_class_is_the_more_probable_one() {
        let mut manifest = ensemble(1);
        for (odds, class) in [(3.0, 1), (0.1, 1), (-0.1, 0), (-3.0, 0)] {
            let verdict = verdict(&manifest, &[[0.0, odds]]);
            assert_eq!(decided_class(&manifest, &verdict), class);
        }
        manifest.classes.reverse();
        let verdict = verdict(&manifest, &[[3.0, 0.0]]);
        assert_eq!(decided_class(&manifest, &verdict), 0);
    }

    #[test]
    fn entropy_is_one_bit_at_a_half_and_none_when_sure() {
        let manifest = ensemble(1);
        assert_eq!(verdict(&manifest, &[[0.0, 0.0]]).entropy, 1.0);
        assert_eq!(verdict(&manifest, &[[0.0, 1000.0]]).entropy, 0.0);
    }
}
