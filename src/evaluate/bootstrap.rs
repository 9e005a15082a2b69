//! Intervals by resampling whole dishes: the percentile bootstrap (Efron & Tibshirani 1993, chapter 13).
//!
//! Cells of one dish share their treatment and their microscope. Drawing single cells would pretend that they
//! are independent and give intervals that are too narrow; a dish is therefore drawn with all of its cells.

use serde::Serialize;

use super::EvaluateError;
use crate::random::{Purpose, Stream};

/// Resamples that may miss a class one after the other. With both classes present, a resample has both at
/// least about every third time.
const TRIES: u32 = 1000;
/// Bounds of a 95 % interval.
const BOUNDS: [f64; 2] = [0.025, 0.975];

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// On all tiles.
    pub value: f64,
    /// Lower bound of the interval.
    pub low: f64,
    /// Upper bound of the interval.
    pub high: f64,
}

/// How often each dish was drawn, by its number; 0 for dishes that were not, or are not in the sample.
pub(super) type Weights = [u32];

/// Resamples of the dishes of one sample of tiles. The same sample and seed give the same resamples, so that two
/// predictors are compared on the same draws.
pub(super) struct Resampling {
    /// Numbers of the dishes that are in the sample.
    present: Vec<usize>,
    /// Tiles of each class in each dish, by its number.
    classes: Vec<[u32; 2]>,
    resamples: u32,
    seed: u64,
}

impl Resampling {
    /// Resamples of tiles given by dish (a number below `dishes`) and class (senescent).
    pub(super) fn new(
        dishes: usize,
        tiles: impl IntoIterator<Item = (usize, bool)>,
        resamples: u32,
        seed: u64,
    ) -> Self {
        let mut classes = vec![[0; 2]; dishes];
        for (dish, senescent) in tiles {
            classes[dish][usize::from(senescent)] += 1;
        }
        let present = (0..dishes)
            .filter(|dish| classes[*dish] != [0, 0])
            .collect();
        Self {
            present,
            classes,
            resamples,
            seed,
        }
    }

    /// Number of dishes that are drawn from.
    pub(super) fn dishes(&self) -> usize {
        self.present.len()
    }

    /// Tiles of each class.
    pub(super) fn tiles(&self) -> [u32; 2] {
        self.total(&vec![1; self.classes.len()])
    }

    /// The sample can be judged: it has both classes and more than one dish.
    pub(super) fn sufficient(&self) -> bool {
        self.dishes() > 1 && !self.tiles().contains(&0)
    }

    /// Each of the `N` figures that `statistic` computes from how often each dish counts, with its interval. A
    /// figure that does not exist in a resample is given as NaN there and does not count. Resamples that miss a
    /// class that the sample has are drawn again.
    pub(super) fn figures<const N: usize>(
        &self,
        statistic: impl Fn(&Weights) -> [f64; N],
    ) -> Result<[Figure; N], EvaluateError> {
        let figures = self.figures_of(N, |weights| statistic(weights).to_vec())?;
        Ok(array(figures))
    }

    /// [`Self::figures`] for a number that is known only when it runs.
    pub(super) fn figures_of(
        &self,
        count: usize,
        statistic: impl Fn(&Weights) -> Vec<f64>,
    ) -> Result<Vec<Figure>, EvaluateError> {
        let mut weights = vec![0; self.classes.len()];
        let whole = statistic(&vec![1; self.classes.len()]);
        self.collect(count, whole, |index| {
            self.draw(index, &mut weights)?;
            Ok(statistic(&weights))
        })
    }

    /// [`Self::figures`] of two samples whose dishes are drawn independently of each other: first the weights of
    /// this one, then those of `other`.
    pub(super) fn figures_beside<const N: usize>(
        &self,
        other: &Self,
        statistic: impl Fn(&Weights, &Weights) -> [f64; N],
    ) -> Result<[Figure; N], EvaluateError> {
        let [mut one, mut two] = [self, other].map(|sample| vec![1; sample.classes.len()]);
        let whole = statistic(&one, &two).to_vec();
        let figures = self.collect(N, whole, |index| {
            self.draw(index, &mut one)?;
            other.draw(index, &mut two)?;
            Ok(statistic(&one, &two).to_vec())
        })?;
        Ok(array(figures))
    }

    /// Resamples of another sample, independent of these.
    pub(super) fn of_others(
        &self,
        dishes: usize,
        tiles: impl IntoIterator<Item = (usize, bool)>,
    ) -> Self {
        Self::new(dishes, tiles, self.resamples, !self.seed)
    }

    /// The figures whose values are `whole` and, in resample `index`, `each(index)`.
    fn collect(
        &self,
        count: usize,
        whole: Vec<f64>,
        mut each: impl FnMut(u32) -> Result<Vec<f64>, EvaluateError>,
    ) -> Result<Vec<Figure>, EvaluateError> {
        let mut spread = vec![Vec::with_capacity(self.resamples as usize); count];
        for index in 0..self.resamples {
            for (spread, value) in spread.iter_mut().zip(each(index)?) {
                if value.is_finite() {
                    spread.push(value);
                }
            }
        }
        Ok(whole
            .into_iter()
            .zip(spread)
            .map(|(value, mut spread)| {
                spread.sort_by(f64::total_cmp);
                let [low, high] = BOUNDS.map(|bound| quantile(&spread, bound).unwrap_or(value));
                Figure { value, low, high }
            })
            .collect())
    }

    /// Draws as many dishes as there are, with replacement.
    fn draw(&self, index: u32, weights: &mut Weights) -> Result<(), EvaluateError> {
        let mut stream = Stream::new(self.seed, Purpose::Resample, u64::from(index), 0);
        let wanted = self.tiles();
        for _ in 0..TRIES {
            weights.fill(0);
            for _ in 0..self.present.len() {
                weights[self.present[stream.index(self.present.len())]] += 1;
            }
            let drawn = self.total(weights);
            if (0..2).all(|class| wanted[class] == 0 || drawn[class] > 0) {
                return Ok(());
            }
        }
        Err(EvaluateError::Resampling {
            tries: TRIES,
            dishes: self.present.len(),
        })
    }

    fn total(&self, weights: &Weights) -> [u32; 2] {
        let mut total = [0; 2];
        for (classes, weight) in self.classes.iter().zip(weights) {
            for (total, tiles) in total.iter_mut().zip(classes) {
                *total += tiles * weight;
            }
        }
        total
    }
}

/// The first `N` figures, of which there are as many.
fn array<const N: usize>(figures: Vec<Figure>) -> [Figure; N] {
    let mut figures = figures.into_iter();
    let nothing = Figure {
        value: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
    };
    [(); N].map(|()| figures.next().unwrap_or(nothing))
}

/// Quantile of sorted values, linear between them (Hyndman & Fan 1996, definition 7, as numpy has it).
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(resampling: &Resampling, index: u32) -> Vec<u32> {
        let mut weights = vec![0; resampling.classes.len()];
        resampling.draw(index, &mut weights).unwrap();
        weights
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, 0.025, 0.5, 0.975, 1])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (share, expected) in [
            (0.0, 1.0),
            (0.025, 1.075),
            (0.5, 3.0),
            (0.975, 7.7),
            (1.0, 8.0),
        ] {
            assert!((quantile(&sorted, share).unwrap() - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_resample_that_misses_a_class_is_drawn_again() {
        let tiles = [(0, true), (1, false), (2, false), (3, false)];
        let resampling = Resampling::new(4, tiles, 200, 3);
        for index in 0..200 {
            let weights = weights(&resampling, index);
            assert!(weights[0] > 0 && weights[1..].iter().any(|weight| *weight > 0));
        }
    }

    #[test]
    fn a_sample_of_one_class_or_dish_does_not_suffice() {
        let sufficient = |tiles: &[(usize, bool)]| {
            Resampling::new(2, tiles.iter().copied(), 100, 1).sufficient()
        };
        assert!(sufficient(&[(0, true), (1, false)]));
        assert!(!sufficient(&[(0, true), (1, true)]));
        assert!(!sufficient(&[(1, true), (1, false)]));
        assert!(!sufficient(&[]));
    }

    /// With k of n dishes of the one kind, the share of that kind in a resample is binomial: its standard
    /// deviation is √(s(1−s)/n), however many cells each dish has.
    #[test]
    fn dishes_are_drawn_whole() {
        let width = |cells: usize| {
            let tiles = (0..40)
                .flat_map(|dish| std::iter::repeat_n((dish, false), cells).chain([(dish, true)]));
            let [figure] = Resampling::new(40, tiles, 4000, 1)
                .figures(|weights| {
                    let odd: u32 = weights.iter().step_by(2).sum();
                    [f64::from(odd) / f64::from(weights.iter().sum::<u32>())]
                })
                .unwrap();
            assert_eq!(figure.value, 0.5);
            figure.high - figure.low
        };
        let expected = 2.0 * 1.96 * (0.25_f64 / 40.0).sqrt();
        assert_eq!(width(1), width(100));
        assert!(
            (width(1) / expected - 1.0).abs() < 0.1,
            "{} {expected}",
            width(1)
        );
    }

    proptest! {
        #[test]
        fn as_many_dishes_are_drawn_as_there_are_and_only_of_the_sample(
            tiles in proptest::collection::vec((0_usize..9, any::<bool>()), 1..30), seed: u64,
        ) {
            let resampling = Resampling::new(9, tiles.clone(), 20, seed);
            for index in 0..20 {
                let weights = weights(&resampling, index);
                prop_assert_eq!(weights.iter().sum::<u32>() as usize, resampling.dishes());
                for (dish, weight) in weights.iter().enumerate() {
                    prop_assert!(*weight == 0 || tiles.iter().any(|(of, _)| *of == dish));
                }
            }
        }

        #[test]
        fn the_interval_of_a_mean_holds_its_value(
            values in proptest::collection::vec(0.0_f64..1.0, 8..40), seed: u64,
        ) {
            let tiles = (0..values.len()).flat_map(|dish| [(dish, false), (dish, true)]);
            let [figure] = Resampling::new(values.len(), tiles, 400, seed)
                .figures(|weights| {
                    let sum: f64 = values.iter().zip(weights).map(|(value, weight)| value * f64::from(*weight)).sum();
                    [sum / f64::from(weights.iter().sum::<u32>())]
                })
                .unwrap();
            prop_assert!(figure.low <= figure.value + 1e-12 && figure.value <= figure.high + 1e-12, "{figure:?}");
            let (least, most) = values.iter().fold((1.0_f64, 0.0_f64), |(low, high), v| (low.min(*v), high.max(*v)));
            prop_assert!(least <= figure.low + 1e-12 && figure.high <= most + 1e-12);
        }
    }
}
