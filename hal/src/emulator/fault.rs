//! What can be wrong with a board, and a seeded schedule of it.

use std::{str::FromStr, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Longest time of a fault, and most replies that it spoils.
const MOST: u64 = 60_000;

/// Something that goes wrong when the next strip is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A bit of the record is flipped.
    Flip,
    /// The reply ends in the middle.
    Truncate,
    /// The block says that it is longer than it is, in turn a little and by far.
    Length,
    /// The strip before comes once more.
    Duplicate,
    /// The strip after comes.
    Skip,
    /// Words come before the reply.
    Banner,
    /// The first channel is stuck at one value.
    Stuck,
    /// The reply comes this much later.
    Delay(Duration),
    /// Nothing is answered for this long.
    Silence(Duration),
    /// The link is gone for this long.
    Unplug(Duration),
    /// The board restarts.
    Reset,
    /// The ring loses everything, at least this many strips.
    Overflow(u64),
    /// This many strips are lost before they are made.
    Overrun(u64),
}

/// Every kind, by the name that `DIAGnostic:FAULt` takes.
const NAMES: [&str; 13] = [
    "FLIP", "TRUN", "LENG", "DUPL", "SKIP", "BANN", "STUC", "DEL", "SIL", "UNPL", "RES", "OVER",
    "LOST",
];

impl Fault {
    /// The name that `DIAGnostic:FAULt` takes.
    pub fn name(self) -> &'static str {
        let index = match self {
            Self::Flip => 0,
            Self::Truncate => 1,
            Self::Length => 2,
            Self::Duplicate => 3,
            Self::Skip => 4,
            Self::Banner => 5,
            Self::Stuck => 6,
            Self::Delay(_) => 7,
            Self::Silence(_) => 8,
            Self::Unplug(_) => 9,
            Self::Reset => 10,
            Self::Overflow(_) => 11,
            Self::Overrun(_) => 12,
        };
        NAMES[index]
    }

    /// The fault `name` with its number: milliseconds, strips, or how many replies are spoilt. Gives the fault and
    /// how often it comes.
    pub(super) fn named(name: &str, number: Option<u64>) -> Option<(Self, u64)> {
        if number.is_some_and(|number| number > MOST) {
            return None;
        }
        let index = NAMES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))?;
        let span = Duration::from_millis(number.unwrap_or(1000));
        let often = number.unwrap_or(1);
        Some(match index {
            0 => (Self::Flip, often),
            1 => (Self::Truncate, often),
            2 => (Self::Length, often),
            3 => (Self::Duplicate, often),
            4 => (Self::Skip, often),
            5 => (Self::Banner, often),
            6 => (Self::Stuck, often),
            7 => (Self::Delay(span), 1),
            8 => (Self::Silence(span), 1),
            9 => (Self::Unplug(span), 1),
            10 => (Self::Reset, 1),
            11 => (Self::Overflow(often), 1),
            _ => (Self::Overrun(often), 1),
        })
    }
}

impl FromStr for Fault {
    type Err = String;

    /// # Errors
    /// A sentence with the names that there are.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::named(text, None)
            .map(|(fault, _)| fault)
            .ok_or_else(|| format!("{text:?} is no fault; there are {}", NAMES.join(", ")))
    }
}

/// Draws faults of every kind, with a few dozen strips between them. The same seed gives the same faults.
#[derive(Clone, Debug)]
pub struct FaultSchedule {
    draw: ChaCha8Rng,
    strips: u64,
    drawn: u64,
}

impl FaultSchedule {
    /// The schedule of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut schedule = Self {
            draw: ChaCha8Rng::seed_from_u64(seed),
            strips: 0,
            drawn: 0,
        };
        schedule.strips = schedule.below(100);
        schedule
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The tiny excess of small numbers does not matter here.
        self.draw.next_u64() % bound
    }

    /// Told of each strip that is given; the fault that comes with it, and how often it comes.
    pub fn after_strip(&mut self) -> Option<(Fault, u64)> {
        if self.strips > 0 {
            self.strips -= 1;
            return None;
        }
        self.strips = 60 + self.below(120);
        // In turn, so that every kind comes early; what it does is drawn.
        let name = NAMES[(self.drawn % NAMES.len() as u64) as usize];
        self.drawn += 1;
        let number = match name {
            "DEL" => 50 + self.below(1500),
            "SIL" => 500 + self.below(2500),
            "UNPL" => 100 + self.below(1500),
            "OVER" => 1 + self.below(20),
            "LOST" => 1 + self.below(4),
            // Now and then too many for fetching again, and even for a new link.
            _ => 1 + self.below(12),
        };
        Fault::named(name, Some(number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_faults_are_one_to_one() {
        for name in NAMES {
            let (fault, _) = Fault::named(name, Some(7)).unwrap();
            assert_eq!(fault.name(), name);
        }
        assert!("nothing".parse::<Fault>().unwrap_err().contains("UNPL"));
        assert_eq!(Fault::named("SIL", Some(MOST + 1)), None);
    }

    #[test]
    fn a_schedule_repeats_itself_and_has_every_kind() {
        let drawn = |seed| {
            let mut schedule = FaultSchedule::new(seed);
            (0..5000)
                .map(|_| schedule.after_strip())
                .collect::<Vec<_>>()
        };
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
        let kinds: BTreeSet<_> = drawn(3)
            .into_iter()
            .flatten()
            .map(|(fault, _)| fault.name())
            .collect();
        assert_eq!(kinds.len(), NAMES.len());
    }
}
