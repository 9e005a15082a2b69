//! How long the borders between the parts of a component are, while parts are made one.
//!
//! Each part has a list of those that it touches. Parts lie in a plane, so the lists are short.

use std::cmp::Reverse;

/// No border.
const NONE: u32 = u32::MAX;

/// Working memory for one component after the other.
#[derive(Debug, Default)]
pub(super) struct Borders {
    /// The first border of each part.
    first: Vec<u32>,
    /// Each border twice, side by side: as seen from either part.
    sides: Vec<Side>,
}

#[derive(Clone, Copy, Debug)]
struct Side {
    /// The part beyond.
    near: u32,
    /// Pairs of neighbouring pixels; 0 when one of the parts is no more.
    length: usize,
    /// The next border of the same part.
    next: u32,
}

impl Borders {
    /// Forgets everything, for a component of so many parts.
    pub(super) fn clear(&mut self, parts: usize) {
        self.first.clear();
        self.first.resize(parts, NONE);
        self.sides.clear();
    }

    /// Makes the border of two parts longer.
    pub(super) fn add(&mut self, a: u32, b: u32, length: usize) {
        if let Some(side) = self.find(a, b) {
            for side in [side, side ^ 1] {
                self.sides[side as usize].length += length;
            }
            return;
        }
        for (part, near) in [(a, b), (b, a)] {
            // At most one a pixel.
            let side = self.sides.len() as u32;
            let next = std::mem::replace(&mut self.first[part as usize], side);
            self.sides.push(Side { near, length, next });
        }
    }

    /// The part with which `part` shares the longest border; of equals the first.
    pub(super) fn longest(&self, part: u32) -> Option<u32> {
        let mut best = None;
        let mut at = self.first[part as usize];
        while let Some(side) = self.sides.get(at as usize) {
            if side.length > 0 {
                best = best.max(Some((side.length, Reverse(side.near))));
            }
            at = side.next;
        }
        best.map(|(_, Reverse(near))| near)
    }

    /// `give` becomes a piece of `keep`.
    pub(super) fn join(&mut self, keep: u32, give: u32) {
        let mut at = std::mem::replace(&mut self.first[give as usize], NONE);
        while let Some(Side { near, length, next }) = self.sides.get(at as usize).copied() {
            self.sides[at as usize].length = 0;
            self.sides[at as usize ^ 1].length = 0;
            if length > 0 && near != keep {
                self.add(keep, near, length);
            }
            at = next;
        }
    }

    /// The border of two parts, looked for in both lists until the shorter one ends.
    fn find(&self, a: u32, b: u32) -> Option<u32> {
        let (mut of_a, mut of_b) = (self.first[a as usize], self.first[b as usize]);
        loop {
            let here = self.sides.get(of_a as usize)?;
            if here.near == b && here.length > 0 {
                return Some(of_a);
            }
            let there = self.sides.get(of_b as usize)?;
            if there.near == a && there.length > 0 {
                return Some(of_b);
            }
            (of_a, of_b) = (here.next, there.next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_a_table(
            added in proptest::collection::vec((0_u32..8, 0_u32..8, 1_usize..4), 0..40),
            joined in proptest::collection::vec((0_u32..8, 0_u32..8), 0..7),
        ) {
            let mut table = BTreeMap::<(u32, u32), usize>::new();
            let mut borders = Borders::default();
            borders.clear(8);
            for (a, b, length) in added.into_iter().filter(|(a, b, _)| a != b) {
                borders.add(a, b, length);
                *table.entry((a, b)).or_default() += length;
                *table.entry((b, a)).or_default() += length;
            }
            let mut gone = Vec::new();
            for (keep, give) in joined {
                if keep == give || gone.contains(&keep) || gone.contains(&give) {
                    continue;
                }
                gone.push(give);
                borders.join(keep, give);
                for ((a, b), length) in std::mem::take(&mut table) {
                    let named = |part| if part == give { keep } else { part };
                    if named(a) != named(b) {
                        *table.entry((named(a), named(b))).or_default() += length;
                    }
                }
            }
            for part in 0..8 {
                let expected = table
                    .range((part, 0)..(part + 1, 0))
                    .max_by_key(|((_, near), length)| (**length, Reverse(*near)))
                    .map(|((_, near), _)| *near);
                prop_assert_eq!(borders.longest(part), expected);
            }
        }
    }
}
