//! Seeded streams of random numbers, the same on every machine.
//!
//! SplitMix64 (Steele, Lea & Flood, OOPSLA 2014), keyed by (seed, purpose, a, b): the stream of a view or of
//! a head does not depend on which others were drawn before it, nor on threads. Only integers, sums and
//! products: no function of the system's mathematics library.

/// What a stream is for. The number is part of the key and never changes.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Purpose {
    View = 1,
    Head = 2,
    Folds = 3,
    Golden = 4,
    Resample = 5,
}

/// A keyed stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream(u64);

/// The odd number next to 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Stream {
    pub(crate) fn new(seed: u64, purpose: Purpose, a: u64, b: u64) -> Self {
        let key = [seed, purpose as u64, a, b];
        Self(key.iter().fold(0, |state: u64, part| {
            mixed(state.wrapping_add(STEP) ^ mixed(part.wrapping_add(STEP)))
        }))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits: the integers below 2⁵³ are exact.
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in [low, high).
    pub(crate) fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// An index below `count`, which is at least 1.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Mean 0 and standard deviation 1, within ± 2√3: the sum of four uniform numbers, nearly normal.
    pub(crate) fn bell(&mut self) -> f32 {
        let bits = self.bits();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        // Four uniform numbers of [0, 1) have variance 1/3 together.
        (sum as f32 / 65_536.0 - (2.0 - 2.0 / 65_536.0)) * 1.732_050_8
    }

    /// Every order is as likely as every other (Fisher–Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_that_of_the_paper() {
        // First numbers of the reference implementation (Vigna, splitmix64.c) from state 1234567.
        let mut stream = Stream(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| stream.bits()).collect();
        assert_eq!(
            found,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn streams_of_other_keys_differ_and_of_the_same_key_agree() {
        let first = |purpose, a, b| Stream::new(7, purpose, a, b).bits();
        assert_eq!(first(Purpose::View, 1, 2), first(Purpose::View, 1, 2));
        assert_ne!(first(Purpose::View, 1, 2), first(Purpose::View, 2, 1));
        assert_ne!(first(Purpose::View, 1, 2), first(Purpose::Head, 1, 2));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(1, Purpose::View, 0, 0);
        let moments = |values: &mut dyn FnMut() -> f64| {
            let values: Vec<f64> = (0..40_000).map(|_| values()).collect();
            let mean = values.iter().sum::<f64>() / 40_000.0;
            let squares = values.iter().map(|value| (value - mean).powi(2));
            (mean, squares.sum::<f64>() / 40_000.0)
        };
        let (mean, variance) = moments(&mut || f64::from(stream.bell()));
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
        let (mean, variance) = moments(&mut || stream.range(-1.0, 3.0));
        assert!((mean - 1.0).abs() < 0.02 && (variance - 16.0 / 12.0).abs() < 0.03);
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_moves_them() {
        let mut items: Vec<usize> = (0..100).collect();
        Stream::new(3, Purpose::Folds, 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
