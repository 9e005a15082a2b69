//! Random numbers that are the same on every machine: SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).

/// A stream of random numbers.
pub(super) struct SplitMix64(u64);

/// The odd number nearest to 2⁶⁴ divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl SplitMix64 {
    /// The stream of `seed` for the purpose `stream`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        // Mixed before they are joined: neighbouring seeds and streams share nothing.
        Self(mix(seed.wrapping_add(GAMMA)) ^ mix(!stream))
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// Uniform in 0..count, which is not 0. The bias is below count / 2⁶⁴.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        // The first numbers of the reference implementation for the state 0 (Vigna, splitmix64.c).
        let mut stream = SplitMix64(0);
        assert_eq!(
            [stream.bits(), stream.bits()],
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]
        );
    }

    #[test]
    fn every_place_is_drawn_about_equally_often() {
        let mut stream = SplitMix64::new(1, 2);
        let mut drawn = [0_i32; 7];
        for _ in 0..7000 {
            drawn[stream.below(7)] += 1;
        }
        assert!(
            drawn.iter().all(|count| (count - 1000).abs() < 150),
            "{drawn:?}"
        );
    }
}
