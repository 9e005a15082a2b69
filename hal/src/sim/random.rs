//! Random streams that give the same numbers on every machine.
//!
//! A stream is ChaCha8 keyed by (seed, purpose, a, b); streams of different keys are independent, so
//! that the noise of a row does not depend on which rows were asked for before it. Everything
//! transcendental goes through `libm`, because the standard library's results differ between platforms.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// What a stream is for. The number is part of the key and never changes.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Purpose {
    Dish = 1,
    Instrument = 2,
    Field = 3,
    Cell = 4,
    Structures = 5,
    FrameOptics = 6,
    RowGeometry = 7,
    Srs = 8,
    Tpef = 9,
    Trans = 10,
    Debris = 11,
}

/// A keyed stream of random numbers.
pub(super) struct Stream {
    generator: ChaCha8Rng,
    spare: Option<f64>,
}

impl Stream {
    pub(super) fn new(seed: u64, purpose: Purpose, a: u64, b: u64) -> Self {
        let mut key = [0_u8; 32];
        for (word, part) in key.chunks_exact_mut(8).zip([seed, purpose as u64, a, b]) {
            word.copy_from_slice(&part.to_le_bytes());
        }
        Self {
            generator: ChaCha8Rng::from_seed(key),
            spare: None,
        }
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits: the integers below 2⁵³ are exact.
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in [low, high).
    pub(super) fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in the logarithm between two positive bounds.
    pub(super) fn log_range(&mut self, low: f64, high: f64) -> f64 {
        libm::exp(self.range(libm::log(low), libm::log(high)))
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// An index below `count`, which is at least 1.
    pub(super) fn index(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Standard normal (Marsaglia's polar method).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let u = 2.0 * self.unit() - 1.0;
            let v = 2.0 * self.unit() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let factor = (-2.0 * libm::log(s) / s).sqrt();
                self.spare = Some(v * factor);
                return u * factor;
            }
        }
    }

    /// exp(normal) with the given median and standard deviation of the logarithm.
    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// A Poisson count of mean `mean`: exact by inversion below 40, and above it the rounded normal,
    /// whose error is far below the detector's own noise.
    pub(super) fn poisson(&mut self, mean: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        if mean > 40.0 {
            return (mean + mean.sqrt() * self.normal() + 0.5).floor().max(0.0);
        }
        let mut left = self.unit();
        let mut term = libm::exp(-mean);
        let mut count = 0.0;
        // 200 is beyond 20 standard deviations of any mean allowed here.
        while left >= term && count < 200.0 {
            left -= term;
            count += 1.0;
            term *= mean / count;
        }
        count
    }

    /// Kumaraswamy's distribution on [0, 1]: like Beta(a, b), with a closed inverse.
    pub(super) fn kumaraswamy(&mut self, a: f64, b: f64) -> f64 {
        let u = self.unit();
        libm::pow(1.0 - libm::pow(1.0 - u, 1.0 / b), 1.0 / a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: impl Iterator<Item = f64>) -> (f64, f64) {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (
            mean,
            values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n,
        )
    }

    #[test]
    fn streams_of_other_keys_differ_and_of_the_same_key_agree() {
        let first = |purpose, a| Stream::new(7, purpose, a, 0).bits();
        assert_eq!(first(Purpose::Srs, 1), first(Purpose::Srs, 1));
        assert_ne!(first(Purpose::Srs, 1), first(Purpose::Srs, 2));
        assert_ne!(first(Purpose::Srs, 1), first(Purpose::Tpef, 1));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(1, Purpose::Dish, 0, 0);
        let (mean, variance) = moments((0..40_000).map(|_| stream.normal()));
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.04);
        for lambda in [0.3, 5.0, 39.0, 60.0] {
            let (mean, variance) = moments((0..40_000).map(|_| stream.poisson(lambda)));
            assert!((mean / lambda - 1.0).abs() < 0.03, "{lambda}: {mean}");
            assert!(
                (variance / lambda - 1.0).abs() < 0.06,
                "{lambda}: {variance}"
            );
        }
    }
}
