//! Temperature and conformal limits from the ensemble's answers on dishes that no head has seen.
//!
//! Both are fitted on all out-of-fold answers. How well they hold is measured fold by fold with what the
//! other folds give, so that no tile judges a number that it helped to fit.

use serde::Serialize;

use super::{folds::Folds, judge::negative_log_likelihood, survey::TrainingSet};
use crate::stages::infer::ConformalLimits;

/// Beyond these a temperature says that something else is wrong.
const LOWEST: f64 = 0.25;
const HIGHEST: f64 = 4.0;
/// Log-odds beyond ± this are certain, and their exponentials are finite.
const CERTAIN: f64 = 500.0;

/// What is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Calibration {
    pub(super) temperature: f64,
    pub(super) limits: ConformalLimits,
}

/// How the conformal sets came out on dishes that did not fit them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sets {
    /// Share of the proliferating tiles that have `proliferating` in their set.
    pub coverage_proliferating: f64,
    /// Share of the senescent tiles that have `senescent` in their set.
    pub coverage_senescent: f64,
    /// Share of the tiles that are named, because one class is possible.
    pub named: f64,
    /// Share of the named tiles that are named rightly.
    pub accuracy_of_named: f64,
    /// Share of the tiles with both classes possible.
    pub uncertain: f64,
    /// Share of the tiles with no class possible.
    pub atypical: f64,
}

/// The log-odds of the mean probability of members with these log-odds.
pub(super) fn of_mean(members: &[f64]) -> f64 {
    // Both tails are summed, so that neither loses its digits in 1 − p.
    let tail = |sign: f64| -> f64 {
        members
            .iter()
            .map(|odds| sigmoid(sign * odds.clamp(-CERTAIN, CERTAIN)))
            .sum()
    };
    (tail(1.0) / tail(-1.0)).ln()
}

fn sigmoid(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// Fits on all tiles.
pub(super) fn calibrate(odds: &[f64], senescent: &[bool], coverage: f64) -> Calibration {
    let temperature = temperature(odds, senescent);
    let limit = |class: bool| {
        let scores = odds
            .iter()
            .zip(senescent)
            .filter(|(_, s)| **s == class)
            .map(|(odds, _)| score(*odds, temperature, class))
            .collect();
        limit(scores, coverage)
    };
    Calibration {
        temperature,
        limits: ConformalLimits {
            proliferating: limit(false),
            senescent: limit(true),
        },
    }
}

/// How far the calibrated probability of a class falls short of 1.
fn score(odds: f64, temperature: f64, senescent: bool) -> f64 {
    sigmoid(if senescent { -odds } else { odds } / temperature)
}

/// The temperature that makes the classes most likely (Guo et al., ICML 2017), by golden-section search on
/// its logarithm: the likelihood has one maximum.
fn temperature(odds: &[f64], senescent: &[bool]) -> f64 {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let loss = |log: f64| negative_log_likelihood(odds, senescent, log.exp());
    let (mut low, mut high) = (LOWEST.ln(), HIGHEST.ln());
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    while high - low > 1e-6 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = loss(right);
        }
    }
    (0.5 * (low + high)).exp()
}

/// The ⌈(n + 1) · coverage⌉-th smallest of n scores (Vovk, Gammerman & Shafer 2005): of tiles like these,
/// at least the part `coverage` has a score up to it. 1 when they are too few.
fn limit(mut scores: Vec<f64>, coverage: f64) -> f64 {
    scores.sort_by(f64::total_cmp);
    let rank = ((scores.len() + 1) as f64 * coverage).ceil() as usize;
    scores.get(rank.max(1) - 1).copied().unwrap_or(1.0)
}

/// Sets of each fold's tiles by what the other folds give.
pub(super) fn crossed(
    odds: &[f64],
    senescent: &[bool],
    set: &TrainingSet,
    folds: &Folds,
    coverage: f64,
) -> Sets {
    let mut sets = Vec::with_capacity(odds.len());
    for fold in 0..folds.count {
        let others = folds.places(set, |other| other != fold);
        let pick = |places: &[usize]| -> (Vec<f64>, Vec<bool>) {
            places
                .iter()
                .map(|place| (odds[*place], senescent[*place]))
                .unzip()
        };
        let (known, classes) = pick(&others);
        let Calibration {
            temperature,
            limits,
        } = calibrate(&known, &classes, coverage);
        for place in folds.places(set, |other| other == fold) {
            let possible = [
                score(odds[place], temperature, false) <= limits.proliferating,
                score(odds[place], temperature, true) <= limits.senescent,
            ];
            sets.push((possible, senescent[place]));
        }
    }
    let share = |of: &dyn Fn([bool; 2], bool) -> bool, hit: &dyn Fn([bool; 2], bool) -> bool| {
        let chosen = || sets.iter().filter(|(set, class)| of(*set, *class));
        let hits = chosen().filter(|(set, class)| hit(*set, *class)).count();
        hits as f64 / chosen().count().max(1) as f64
    };
    let all = |_: [bool; 2], _: bool| true;
    let named = |set: [bool; 2], _: bool| set[0] != set[1];
    let right = |set: [bool; 2], class: bool| set[usize::from(class)];
    Sets {
        coverage_proliferating: share(&|_, class| !class, &right),
        coverage_senescent: share(&|_, class| class, &right),
        named: share(&all, &named),
        accuracy_of_named: share(&named, &right),
        uncertain: share(&all, &|set, _| set == [true, true]),
        atypical: share(&all, &|set, _| set == [false, false]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::{Purpose, Stream};

    /// Log-odds that are right as probabilities, times `factor`.
    fn drawn(count: usize, factor: f64) -> (Vec<f64>, Vec<bool>) {
        let mut stream = Stream::new(4, Purpose::Golden, 0, 0);
        (0..count)
            .map(|_| {
                let odds = stream.range(-4.0, 4.0);
                (factor * odds, stream.unit() < sigmoid(odds))
            })
            .unzip()
    }

    #[test]
    fn the_temperature_undoes_what_was_overdone() {
        for factor in [0.5, 1.0, 2.0, 3.0] {
            let (odds, senescent) = drawn(20_000, factor);
            let found = temperature(&odds, &senescent);
            assert!((found / factor - 1.0).abs() < 0.06, "{factor}: {found}");
        }
        let (odds, senescent) = drawn(2_000, 40.0);
        assert!((temperature(&odds, &senescent) - HIGHEST).abs() < 1e-4);
    }

    #[test]
    fn the_limit_is_the_finite_sample_quantile() {
        let scores: Vec<f64> = (1..=9).map(|score| f64::from(score) / 10.0).collect();
        assert_eq!(limit(scores.clone(), 0.9), 0.9);
        assert_eq!(limit(scores.clone(), 0.91), 1.0);
        assert_eq!(limit(scores, 0.5), 0.5);
        assert_eq!(limit(Vec::new(), 0.9), 1.0);
    }

    #[test]
    fn limits_hold_on_tiles_that_did_not_fit_them() {
        let (odds, senescent) = drawn(20_000, 2.0);
        let (known, new) = odds.split_at(10_000);
        let Calibration {
            temperature,
            limits,
        } = calibrate(known, &senescent[..10_000], 0.9);
        for (class, limit) in [(false, limits.proliferating), (true, limits.senescent)] {
            let chosen: Vec<f64> = new
                .iter()
                .zip(&senescent[10_000..])
                .filter(|(_, s)| **s == class)
                .map(|(odds, _)| score(*odds, temperature, class))
                .collect();
            let covered = chosen.iter().filter(|score| **score <= limit).count() as f64;
            let share = covered / chosen.len() as f64;
            assert!((share - 0.9).abs() < 0.02, "{share}");
        }
    }

    proptest! {
        #[test]
        fn the_mean_lies_between_its_members(odds in proptest::collection::vec(-1e4_f64..1e4, 1..8)) {
            let mean = of_mean(&odds);
            let clamp = |odds: f64| odds.clamp(-CERTAIN, CERTAIN);
            let low = odds.iter().copied().map(clamp).fold(f64::INFINITY, f64::min);
            let high = odds.iter().copied().map(clamp).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(mean.is_finite() && low - 1e-9 <= mean && mean <= high + 1e-9);
        }
    }
}
