//! Sequence numbers: how a subscriber knows that it has everything.
//!
//! One counter a kind, from 1, for the life of the process (an epoch). A number is taken before anything
//! can be shed, so that whatever is shed leaves a gap.

use std::collections::BTreeMap;

use crate::stages::publish::message::Kind;

/// The last number of each kind; 0 before the first message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequences([u64; Kind::ALL.len()]);

impl Sequences {
    /// Takes the next number of `kind`.
    pub fn next(&mut self, kind: Kind) -> u64 {
        let last = &mut self.0[kind as usize];
        *last += 1;
        *last
    }

    /// The last number taken of `kind`; 0 when none was.
    pub fn last(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    /// All of them, as published.
    pub fn to_map(self) -> BTreeMap<Kind, u64> {
        Kind::ALL.map(|kind| (kind, self.last(kind))).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_count_apart_and_without_gap() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.last(Kind::Label), 0);
        assert_eq!(
            [Kind::Label, Kind::Cam, Kind::Label].map(|kind| sequences.next(kind)),
            [1, 1, 2]
        );
        assert_eq!(sequences.to_map()[&Kind::Label], 2);
        assert_eq!(sequences.to_map()[&Kind::Stat], 0);
    }
}
