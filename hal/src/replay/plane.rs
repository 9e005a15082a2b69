//! From stored samples to counts.
//!
//! | stored | counts | `value = scale · counts + offset` |
//! |---|---|---|
//! | unsigned, 8 or 16 bits | as they are | 1, 0 |
//! | signed, 8 or 16 bits | plus half the range | 1, −128 or −32 768 |
//! | floating point, or 32-bit integers | 0 to 65 534 over the channel's range in the whole source | from the range |
//!
//! The third rule stops at 65 534 so that the brightest sample does not count as saturated.

use super::{codec::Values, file::Chunk, page::SampleKind};

/// Largest count of a sample that was not an integer of at most 16 bits.
const WIDE_MAX: f64 = 65_534.0;

/// How one channel becomes counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    /// See [`ChannelInfo::scale`](crate::ChannelInfo::scale).
    pub(crate) scale: f64,
    /// See [`ChannelInfo::offset`](crate::ChannelInfo::offset).
    pub(crate) offset: f64,
    /// True bits of a sample.
    pub(crate) bits: u8,
}

impl Rule {
    /// The rule of integer samples; `None` for samples whose range must be known first.
    pub(crate) fn of(kind: SampleKind) -> Option<Self> {
        match kind {
            SampleKind::Unsigned(bits) => Some(Self {
                scale: 1.0,
                offset: 0.0,
                bits,
            }),
            SampleKind::Signed(bits) => Some(Self {
                scale: 1.0,
                offset: -f64::from(1_u32 << (bits - 1)),
                bits,
            }),
            SampleKind::Wide => None,
        }
    }

    /// The rule of samples from `min` to `max`.
    pub(crate) fn over(min: f64, max: f64) -> Self {
        let scale = (max - min) / WIDE_MAX;
        let scale = if scale.is_finite() && scale > 0.0 {
            scale
        } else {
            1.0
        };
        Self {
            scale,
            offset: min,
            bits: 16,
        }
    }

    fn count(&self, value: f64) -> u16 {
        // Saturates; the range was measured over the same samples.
        ((value - self.offset) / self.scale).round() as u16
    }
}

impl Chunk {
    fn indices(&self, row: u32) -> impl Iterator<Item = usize> {
        let (start, step) = (row as usize * self.stride + self.first, self.step);
        (0..self.width as usize).map(move |column| start + column * step)
    }

    /// Writes row `row` of the chunk as counts; false when the chunk has too few samples.
    pub(crate) fn counts(&self, row: u32, rule: &Rule, out: &mut [u16]) -> bool {
        let indices = self.indices(row);
        let pairs = out.iter_mut().zip(indices);
        macro_rules! each {
            ($values:ident, $count:expr) => {
                for (out, index) in pairs {
                    match $values.get(index) {
                        Some(value) => *out = $count(*value),
                        None => return false,
                    }
                }
            };
        }
        match &self.values {
            Values::U8(values) => each!(values, u16::from),
            Values::U16(values) => each!(values, |v| v),
            Values::I8(values) => each!(values, |v: i8| (i16::from(v) + 128) as u16),
            Values::I16(values) => each!(values, |v: i16| (i32::from(v) + 32_768) as u16),
            Values::U32(values) => each!(values, |v: u32| rule.count(f64::from(v))),
            Values::I32(values) => each!(values, |v: i32| rule.count(f64::from(v))),
            Values::F32(values) => each!(values, |v: f32| rule.count(f64::from(v))),
            Values::F64(values) => each!(values, |v: f64| rule.count(v)),
        }
        true
    }

    /// Widens `range` by one row of samples.
    ///
    /// # Errors
    /// The column of the first sample that is not a number, and the sample.
    pub(crate) fn widen(&self, row: u32, range: &mut (f64, f64)) -> Result<(), (u32, f64)> {
        for (column, index) in self.indices(row).enumerate() {
            let value = match &self.values {
                Values::U32(values) => values.get(index).map(|v| f64::from(*v)),
                Values::I32(values) => values.get(index).map(|v| f64::from(*v)),
                Values::F32(values) => values.get(index).map(|v| f64::from(*v)),
                Values::F64(values) => values.get(index).copied(),
                _ => None,
            };
            match value {
                Some(value) if !value.is_finite() => return Err((column as u32, value)),
                Some(value) => *range = (range.0.min(value), range.1.max(value)),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wide_sample_comes_back_within_half_a_count(
            min in -1e6_f64..1e6, span in 1e-6_f64..1e6, at in 0.0_f64..=1.0,
        ) {
            let rule = Rule::over(min, min + span);
            let value = min + at * span;
            let count = rule.count(value);
            prop_assert!(count <= 65_534);
            let back = rule.scale * f64::from(count) + rule.offset;
            prop_assert!((back - value).abs() <= rule.scale * 0.500_001 + 1e-9 * value.abs());
        }
    }

    #[test]
    fn a_constant_channel_is_zero() {
        assert_eq!(Rule::over(3.5, 3.5).count(3.5), 0);
    }
}
