//! Choosing the form in which a network is computed, by measurement at load.
//!
//! A time is noise, and a result must not depend on it: two processes on one machine give the same bits.
//! Therefore both forms also answer a series of tiles, and the time decides only when all answers are
//! the same to the last bit. Where they are not, the form is always the channels-last one, which is the
//! faster of the two for networks with depthwise convolutions. The configuration can name the form.

use ndarray::Array3;
use senescope_hal::Clock;
use serde::{Deserialize, Serialize};

use crate::stages::infer::{EngineError, NetworkSpec, Plan, Transform};

/// Measured runs of each form, each on another tile.
const ROUNDS: usize = 7;

/// Which form is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformChoice {
    /// The faster one, measured for each member at load.
    #[default]
    Auto,
    /// [`Transform::Plain`].
    Plain,
    /// [`Transform::Nhwc`].
    Nhwc,
}

/// Both forms of a network, compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Least time of a tile as the file says, in nanoseconds.
    pub plain_ns: u64,
    /// Least time of a tile with the channels last, in nanoseconds.
    pub nhwc_ns: u64,
    /// Their answers were the same to the last bit.
    pub identical: bool,
}

impl Timing {
    /// The form to use.
    pub fn choice(self) -> Transform {
        if self.identical && self.plain_ns < self.nhwc_ns {
            Transform::Plain
        } else {
            Transform::Nhwc
        }
    }
}

/// Times both forms of a network on the same tiles and compares their answers.
///
/// # Errors
/// When a run fails.
pub(in crate::stages::infer) fn measure(
    plain: &mut dyn Plan,
    nhwc: &mut dyn Plan,
    spec: NetworkSpec,
    clock: &dyn Clock,
) -> Result<Timing, EngineError> {
    let mut least = [u64::MAX; 2];
    let mut identical = true;
    // The first round warms caches and is not timed.
    for round in 0..=ROUNDS {
        let tile = test_tile(spec, round);
        let timed = |plan: &mut dyn Plan, least: &mut u64| {
            let start = clock.now();
            let output = plan.run(tile.view())?;
            let span = u64::try_from(clock.now().since(start).as_nanos()).unwrap_or(u64::MAX);
            if round > 0 {
                *least = span.min(*least);
            }
            Ok(output)
        };
        let [plain_ns, nhwc_ns] = &mut least;
        identical &= timed(plain, plain_ns)? == timed(nhwc, nhwc_ns)?;
    }
    let [plain_ns, nhwc_ns] = least;
    Ok(Timing {
        plain_ns,
        nhwc_ns,
        identical,
    })
}

/// A tile without meaning: waves whose period is another for each `series`.
fn test_tile(spec: NetworkSpec, series: usize) -> Array3<f32> {
    let period = 5.0 + 7.0 * series as f32;
    Array3::from_shape_fn(spec.tile(), |(c, y, x)| {
        (c as f32 + y as f32 / period).sin() * (x as f32 / (period + 3.0)).cos()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use ndarray::ArrayView3;
    use senescope_hal::HostInstant;

    use super::*;
    use crate::stages::infer::MemberOutput;

    #[derive(Default)]
    struct Held(AtomicU64);

    impl Clock for Held {
        fn now(&self) -> HostInstant {
            HostInstant(self.0.load(Ordering::Relaxed))
        }
    }

    /// Takes the given times in turn and answers `logit`.
    struct Timed(Arc<Held>, Vec<u64>, f32);

    impl Plan for Timed {
        fn run(&mut self, _: ArrayView3<'_, f32>) -> Result<MemberOutput, EngineError> {
            self.1.rotate_left(1);
            self.0.0.fetch_add(self.1[0], Ordering::Relaxed);
            Ok(MemberOutput {
                logits: [0.0, self.2],
                features: None,
                cam_weights: None,
            })
        }
    }

    fn choice(plain: &[u64], nhwc: &[u64], logit: f32) -> Transform {
        let clock = Arc::new(Held::default());
        let spec = NetworkSpec {
            channels: 3,
            pixels: 32,
            cam: false,
        };
        measure(
            &mut Timed(clock.clone(), plain.to_vec(), 1.0),
            &mut Timed(clock.clone(), nhwc.to_vec(), logit),
            spec,
            &*clock,
        )
        .unwrap()
        .choice()
    }

    #[test]
    fn the_faster_form_is_chosen() {
        assert_eq!(choice(&[110], &[73], 1.0), Transform::Nhwc);
        assert_eq!(choice(&[42], &[54], 1.0), Transform::Plain);
        assert_eq!(choice(&[50], &[50], 1.0), Transform::Nhwc);
    }

    #[test]
    fn a_disturbed_run_changes_nothing() {
        assert_eq!(
            choice(&[110], &[900, 73, 500, 73, 800], 1.0),
            Transform::Nhwc
        );
        assert_eq!(choice(&[42, 700, 300, 42], &[54], 1.0), Transform::Plain);
    }

    #[test]
    fn where_a_bit_differs_time_does_not_decide() {
        let next = f32::from_bits(1.0_f32.to_bits() + 1);
        assert_eq!(choice(&[42], &[54], next), Transform::Nhwc);
        assert_eq!(choice(&[110], &[73], next), Transform::Nhwc);
    }
}
