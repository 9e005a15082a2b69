//! Connected components of a mask whose rows come one by one.
//!
//! Pixels are connected to their four neighbours. A component is handed out with the first row that does
//! not continue it.

/// A horizontal run of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) row: usize,
    /// First column.
    pub(super) start: usize,
    /// Column after the last.
    pub(super) end: usize,
}

/// The runs of one component, sorted by row and column.
pub(super) type Component = Vec<Run>;

/// Most runs of an emptied component that is kept, and most of such components.
const LARGEST_KEPT: usize = 1 << 13;
const KEPT: usize = 64;

/// Labels the rows of one frame.
#[derive(Debug, Default)]
pub(super) struct Labeller {
    /// The components that reach the previous row; `None` for a free place.
    open: Vec<Option<Component>>,
    free: Vec<usize>,
    /// Runs of the previous row with their components.
    previous: Vec<(Run, usize)>,
    current: Vec<(Run, usize)>,
    continued: Vec<bool>,
    /// Emptied components, for those to come.
    spare: Vec<Component>,
    /// Most runs that one of them has room for: each is made for as many, and does not grow again.
    longest: usize,
    next_row: usize,
}

impl Labeller {
    /// Forgets everything, for a new frame.
    pub(super) fn reset(&mut self) {
        while let Some(place) = self.open.pop() {
            place
                .into_iter()
                .for_each(|component| self.take_back(component));
        }
        self.free.clear();
        self.previous.clear();
        self.next_row = 0;
    }

    /// Takes the next row and appends to `closed` the components that it does not continue, in raster
    /// order of their first pixels.
    pub(super) fn push(&mut self, mask: &[bool], closed: &mut Vec<Component>) {
        let row = self.next_row;
        self.next_row += 1;
        self.current.clear();
        let mut above = 0;
        let mut column = 0;
        while let Some(offset) = mask[column..].iter().position(|pixel| *pixel) {
            let start = column + offset;
            let length = mask[start..].iter().take_while(|pixel| **pixel).count();
            let run = Run {
                row,
                start,
                end: start + length,
            };
            column = run.end;
            while self
                .previous
                .get(above)
                .is_some_and(|(p, _)| p.end <= start)
            {
                above += 1;
            }
            let mut owner = None;
            let mut touching = above;
            while let Some((_, other)) = self
                .previous
                .get(touching)
                .filter(|(p, _)| p.start < run.end)
                .copied()
            {
                owner = Some(owner.map_or(other, |owner| self.join(owner, other)));
                touching += 1;
            }
            let owner = owner.unwrap_or_else(|| self.place());
            let (spare, longest) = (&mut self.spare, self.longest);
            if let Some(component) = self.open.get_mut(owner) {
                let new = || {
                    let mut component = spare.pop().unwrap_or_default();
                    component.reserve_exact(longest);
                    component
                };
                component.get_or_insert_with(new).push(run);
            }
            self.current.push((run, owner));
        }
        self.close(closed);
        std::mem::swap(&mut self.previous, &mut self.current);
    }

    /// The components that the last row belongs to, in no particular order; their runs are not sorted.
    ///
    /// Runs may be taken out: what comes later still belongs to what is left.
    pub(super) fn open(&mut self) -> impl Iterator<Item = &mut Component> {
        self.open.iter_mut().flatten()
    }

    /// Takes a component back that was handed out, for its memory.
    pub(super) fn take_back(&mut self, mut component: Component) {
        if component.capacity() <= LARGEST_KEPT && self.spare.len() < KEPT {
            self.longest = self.longest.max(component.capacity());
            component.clear();
            self.spare.push(component);
        }
    }

    /// Hands out what is left at the end of the frame.
    pub(super) fn finish(&mut self, closed: &mut Vec<Component>) {
        self.current.clear();
        self.close(closed);
        self.previous.clear();
    }

    fn place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.open.push(None);
            self.open.len() - 1
        })
    }

    /// Makes one component of two, in the place of the first.
    fn join(&mut self, keep: usize, give: usize) -> usize {
        if keep == give {
            return keep;
        }
        let mut given = self.open[give].take().unwrap_or_default();
        let kept = self.open[keep].get_or_insert_default();
        if given.len() > kept.len() {
            std::mem::swap(&mut given, kept);
        }
        kept.append(&mut given);
        self.take_back(given);
        for (_, owner) in self.previous.iter_mut().chain(&mut self.current) {
            if *owner == give {
                *owner = keep;
            }
        }
        self.free.push(give);
        keep
    }

    fn close(&mut self, closed: &mut Vec<Component>) {
        let first = closed.len();
        self.continued.clear();
        self.continued.resize(self.open.len(), false);
        for (_, owner) in &self.current {
            self.continued[*owner] = true;
        }
        for (_, owner) in &self.previous {
            if self.continued[*owner] {
                continue;
            }
            if let Some(mut component) = self.open[*owner].take() {
                component.sort_unstable();
                closed.push(component);
                self.free.push(*owner);
            }
        }
        closed[first..].sort_unstable_by_key(|component| component.first().copied());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn label(mask: &[Vec<bool>]) -> Vec<(usize, Component)> {
        let mut labeller = Labeller::default();
        let mut all = Vec::new();
        let mut closed = Vec::new();
        for (row, pixels) in mask.iter().enumerate() {
            labeller.push(pixels, &mut closed);
            all.extend(closed.drain(..).map(|component| (row, component)));
        }
        labeller.finish(&mut closed);
        all.extend(closed.drain(..).map(|component| (mask.len(), component)));
        all
    }

    fn flood(mask: &[Vec<bool>]) -> BTreeSet<BTreeSet<(usize, usize)>> {
        let mut left: BTreeSet<(usize, usize)> = mask
            .iter()
            .enumerate()
            .flat_map(|(y, row)| (0..row.len()).filter(|x| row[*x]).map(move |x| (y, x)))
            .collect();
        let mut all = BTreeSet::new();
        while let Some(seed) = left.pop_first() {
            let mut todo = vec![seed];
            let mut component = BTreeSet::from([seed]);
            while let Some((y, x)) = todo.pop() {
                let near = [
                    (y.wrapping_sub(1), x),
                    (y + 1, x),
                    (y, x.wrapping_sub(1)),
                    (y, x + 1),
                ];
                for place in near {
                    if left.remove(&place) {
                        component.insert(place);
                        todo.push(place);
                    }
                }
            }
            all.insert(component);
        }
        all
    }

    proptest! {
        #[test]
        fn components_are_those_of_a_flood_fill(
            mask in (1_usize..12).prop_flat_map(|width| {
                proptest::collection::vec(proptest::collection::vec(any::<bool>(), width), 1..12)
            })
        ) {
            let found = label(&mask);
            let mut pixels = BTreeSet::new();
            for (closed_with, component) in &found {
                let last = component.last().unwrap().row;
                prop_assert_eq!(*closed_with, last + 1);
                prop_assert!(component.is_sorted());
                pixels.insert(
                    component.iter().flat_map(|run| (run.start..run.end).map(|x| (run.row, x))).collect()
                );
            }
            prop_assert_eq!(found.len(), pixels.len());
            prop_assert_eq!(pixels, flood(&mask));
        }
    }
}
