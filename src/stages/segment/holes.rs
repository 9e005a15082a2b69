//! The holes of a component: runs of background that nothing connects with the outside.

use super::{components::Run, plane::Plane};

/// Working memory for one component after the other.
#[derive(Debug, Default)]
pub(super) struct Holes {
    runs: Vec<Run>,
    /// For each run one of the same hole that came before it, or itself.
    parent: Vec<u32>,
    /// Pixels of the hole of which a run is the first.
    pixels: Vec<usize>,
    /// The hole of which a run is the first may be filled.
    enclosed: Vec<bool>,
}

impl Holes {
    /// Fills what `inside` encloses and has at most `most` pixels, all of them `outside` and in rows that are
    /// `present`. Background is connected along rows and columns.
    pub(super) fn fill(
        &mut self,
        inside: &mut Plane<bool>,
        outside: &mut Plane<bool>,
        most: usize,
        present: impl Fn(usize) -> bool,
    ) {
        self.runs.clear();
        self.parent.clear();
        self.pixels.clear();
        self.enclosed.clear();
        let (width, height) = (inside.width(), inside.height());
        let mut above = 0;
        for row in 0..height {
            let begun = self.runs.len();
            let margin = row == 0 || row + 1 == height || !present(row);
            self.add_row(row, inside.row(row), outside.row(row), margin);
            self.join_rows(above, begun);
            above = begun;
        }
        for index in 0..self.runs.len() {
            let root = self.root(index as u32) as usize;
            if self.enclosed[root] && self.pixels[root] <= most {
                let Run { row, start, end } = self.runs[index];
                debug_assert!(start > 0 && end < width);
                inside.row_mut(row)[start..end].fill(true);
                outside.row_mut(row)[start..end].fill(false);
            }
        }
    }

    fn add_row(&mut self, row: usize, inside: &[bool], outside: &[bool], margin: bool) {
        let mut start = 0;
        while let Some(skipped) = inside[start..].iter().position(|inside| !inside) {
            start += skipped;
            let length = inside[start..].iter().position(|inside| *inside);
            let end = length.map_or(inside.len(), |length| start + length);
            // A component has fewer pixels than a number of 32 bits can count.
            self.parent.push(self.runs.len() as u32);
            self.runs.push(Run { row, start, end });
            self.pixels.push(end - start);
            self.enclosed.push(
                !margin
                    && start > 0
                    && end < inside.len()
                    && outside[start..end].iter().all(|outside| *outside),
            );
            start = end;
        }
    }

    /// Joins the runs from `begun` on with those of the row before, which begin at `above`.
    fn join_rows(&mut self, mut above: usize, begun: usize) {
        let mut below = begun;
        while above < begun && below < self.runs.len() {
            let (upper, lower) = (self.runs[above], self.runs[below]);
            if upper.start < lower.end && lower.start < upper.end {
                self.join(above as u32, below as u32);
            }
            if upper.end <= lower.end {
                above += 1;
            } else {
                below += 1;
            }
        }
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            let (keep, give) = (a.min(b), a.max(b));
            self.parent[give as usize] = keep;
            self.pixels[keep as usize] += self.pixels[give as usize];
            self.enclosed[keep as usize] &= self.enclosed[give as usize];
        }
    }

    fn root(&mut self, mut run: u32) -> u32 {
        while self.parent[run as usize] != run {
            let above = self.parent[self.parent[run as usize] as usize];
            self.parent[run as usize] = above;
            run = above;
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each hole by a flood fill, for comparison.
    fn flooded(inside: &Plane<bool>, outside: &Plane<bool>, most: usize) -> Vec<bool> {
        let (width, height) = (inside.width(), inside.height());
        let mut filled = inside.values().to_vec();
        let mut seen = filled.clone();
        for start in 0..width * height {
            if seen[start] {
                continue;
            }
            let (mut hole, mut next, mut enclosed) = (vec![start], 0, true);
            seen[start] = true;
            while let Some(pixel) = hole.get(next).copied() {
                next += 1;
                let (row, column) = (pixel / width, pixel % width);
                let margin = row == 0 || column == 0 || row + 1 == height || column + 1 == width;
                if margin || !outside.values()[pixel] || row == 3 {
                    enclosed = false;
                }
                let mut visit = |there: bool, near: usize| {
                    if there && !seen[near] {
                        seen[near] = true;
                        hole.push(near);
                    }
                };
                visit(row > 0, pixel.wrapping_sub(width));
                visit(column > 0, pixel.wrapping_sub(1));
                visit(column + 1 < width, pixel + 1);
                visit(row + 1 < height, pixel + width);
            }
            if enclosed && hole.len() <= most {
                hole.iter().for_each(|pixel| filled[*pixel] = true);
            }
        }
        filled
    }

    proptest! {
        #[test]
        fn holes_are_those_of_a_flood_fill(
            (width, bits) in (1_usize..20).prop_flat_map(|width| {
                (Just(width), proptest::collection::vec((proptest::bool::weighted(0.6), proptest::bool::weighted(0.05)), width * 16))
            }),
            most in 0_usize..12,
        ) {
            let mut inside = Plane::new(width, 16);
            let mut outside = Plane::new(width, 16);
            for (index, (bit, taken)) in bits.into_iter().enumerate() {
                inside.row_mut(index / width)[index % width] = bit;
                outside.row_mut(index / width)[index % width] = !bit && !taken;
            }
            let expected = flooded(&inside, &outside, most);
            let before = inside.clone();
            let mut holes = Holes::default();
            holes.fill(&mut inside, &mut outside, most, |row| row != 3);
            prop_assert_eq!(inside.values(), &expected[..]);
            for ((filled, before), outside) in
                expected.iter().zip(before.values()).zip(outside.values())
            {
                prop_assert!(*before || !(*filled && *outside));
            }
        }
    }
}
