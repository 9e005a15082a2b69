//! Parts the touching cells of a component: watershed of the distance transform.
//!
//! Basins grow from the maxima of the distance to the background downwards (Vincent & Soille, IEEE PAMI
//! 13:583 (1991)); where two meet they are made one unless the neck between them is narrower than the
//! smaller by both a fraction and a length. That is a watershed whose markers are the maxima of
//! sufficient dynamics (Grimaud, Proc. SPIE 1769 (1992)).

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{borders::Borders, plane::Plane};
use crate::stages::distance::Distances;

/// What parts two cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Necks {
    /// Widest neck as a fraction of the smaller cell's width.
    pub(super) fraction: f32,
    /// Least difference between neck and smaller cell, in pixels of half width.
    pub(super) depth: f32,
    /// Fewest pixels of a part.
    pub(super) least_pixels: usize,
}

impl Necks {
    /// Whether a neck of this level parts a cell with this peak from a larger one.
    fn part(&self, peak: f32, neck: f32) -> bool {
        (neck <= self.fraction * peak) & (peak - neck >= self.depth)
    }
}

/// Which rows are too old and which too new for a part to be judged like the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// A part that ends above this row should have been told from its neighbour before: it stays with it.
    pub(super) late: usize,
    /// A part that reaches this row may still grow: it is no fragment, however small.
    pub(super) growing: usize,
}

/// No basin.
const NONE: u32 = u32::MAX;
/// Up to here the roots of whole numbers differ in single precision.
const TOLD_APART: u32 = 1 << 22;

/// Basins that may be made one.
#[derive(Debug, Default)]
struct Basins {
    parent: Vec<u32>,
    peak: Vec<f32>,
    /// Pixels, once they are counted.
    pixels: Vec<usize>,
    /// Last row, once it is known.
    last: Vec<usize>,
}

impl Basins {
    fn clear(&mut self) {
        self.parent.clear();
        self.peak.clear();
        self.pixels.clear();
        self.last.clear();
    }

    fn add(&mut self, peak: f32) -> u32 {
        // One basin a pixel at most.
        let index = self.parent.len() as u32;
        self.parent.push(index);
        self.peak.push(peak);
        self.pixels.push(0);
        self.last.push(0);
        index
    }

    fn root(&mut self, mut basin: u32) -> u32 {
        while self.parent[basin as usize] != basin {
            let above = self.parent[self.parent[basin as usize] as usize];
            self.parent[basin as usize] = above;
            basin = above;
        }
        basin
    }

    /// Makes one of two; the higher peak, or else the older, gives its name.
    fn join(&mut self, a: u32, b: u32) -> u32 {
        let first = self.peak[a as usize] > self.peak[b as usize]
            || (self.peak[a as usize] == self.peak[b as usize] && a < b);
        let (keep, give) = if first { (a, b) } else { (b, a) };
        self.parent[give as usize] = keep;
        self.pixels[keep as usize] += self.pixels[give as usize];
        self.last[keep as usize] = self.last[keep as usize].max(self.last[give as usize]);
        keep
    }
}

/// Parts one component after the other; what it holds are the parts of the last one.
#[derive(Debug, Default)]
pub(super) struct Parting {
    distances: Distances,
    /// Squared distance and place of each pixel of the component; in raster order until they are put in order.
    pixels: Vec<(u32, u32)>,
    /// How many pixels have each squared distance; then where they go in the order.
    places: Vec<u32>,
    /// Pixels from the highest to the lowest; of equals, the first in raster order first.
    order: Vec<u32>,
    /// The distance of each pixel of the component; 0 for others.
    levels: Vec<f32>,
    /// The lowest on the best way down from each pixel of a row; and that of the row above it.
    lowest: [Vec<f32>; 2],
    basin_of: Vec<u32>,
    basins: Basins,
    borders: Borders,
    /// Basins to be given to a neighbour, the smallest first. One that has grown since is out of date.
    waiting: BinaryHeap<Reverse<(usize, u32)>>,
    names: Vec<u32>,
    labels: Plane<u32>,
    bounds: Vec<[usize; 4]>,
}

impl Parting {
    /// Parts of the component: 0 outside, then 1, 2, … in raster order of their first pixels.
    pub(super) fn labels(&self) -> &Plane<u32> {
        &self.labels
    }

    /// Left, top, right and bottom of each part, the last two excluded.
    pub(super) fn bounds(&self) -> &[[usize; 4]] {
        &self.bounds
    }

    /// Measures how far each pixel `inside` the component to be parted is from the nearest one where `outside` holds.
    ///
    /// No pixel at the rim of the plane is inside. What is neither inside nor outside lies beyond the frame: nobody
    /// knows what is there, so it is no edge of the cell.
    pub(super) fn measure(&mut self, inside: &Plane<bool>, outside: &Plane<bool>) {
        let (width, height) = (inside.width(), inside.height());
        // A component without edges lies as far from them as it is long.
        let farthest = (width + height) as f32;
        let squares = self
            .distances
            .squares(outside.values(), width, width + height);
        let component = squares.iter().zip(inside.values());
        self.levels.clear();
        self.levels
            .extend(component.clone().map(|(square, inside)| {
                let level = square.sqrt();
                let level = if level < farthest { level } else { farthest };
                if *inside { level } else { 0.0 }
            }));
        self.pixels.clear();
        let component = (0..).zip(component);
        let component = component.filter(|(_, (_, inside))| **inside);
        // Saturates.
        let component = component.map(|(pixel, (square, _))| (*square as u32, pixel));
        self.pixels.extend(component);
    }

    /// Whether no part of what was measured can end above the row `growing`, seen in less time than it takes to part
    /// it; not always seen.
    ///
    /// From the peak of a part that ends there, every way to that row leads over a neck. Only those ways are tried
    /// that never lead up, and aside by at most a pixel a row.
    pub(super) fn goes_on(&mut self, inside: &Plane<bool>, necks: Necks, growing: usize) -> bool {
        let width = inside.width();
        let rows = self.levels.chunks_exact(width);
        let Some(last) = rows.clone().nth(growing) else {
            return false;
        };
        let [lowest, next] = &mut self.lowest;
        lowest.clear();
        lowest.extend_from_slice(last);
        next.clear();
        next.resize(width, 0.0);
        let lower = |a: f32, b: f32| if a < b { a } else { b };
        let higher = |a: f32, b: f32| if a > b { a } else { b };
        let triples = rows.clone().zip(rows.clone().skip(1)).zip(rows.skip(2));
        for ((above, row), below) in triples.take(growing.saturating_sub(1)).rev() {
            let mut parted = false;
            let across = row.windows(3).zip(lowest.windows(3));
            let along = above[1..].iter().zip(&below[1..]);
            for ((next, (row, lowest)), (above, below)) in
                next[1..].iter_mut().zip(across).zip(along)
            {
                let [left, level, right] = [row[0], row[1], row[2]];
                let aside = lower(*below, higher(lowest[0], lowest[2]));
                *next = lower(level, higher(lowest[1], aside));
                let peak = level > 0.0;
                let peak = peak & (level >= left) & (level >= right);
                let peak = peak & (level >= *above) & (level >= *below);
                parted |= peak & necks.part(level, *next);
            }
            if parted {
                return false;
            }
            std::mem::swap(lowest, next);
        }
        true
    }

    /// Parts the component that was [measured](Self::measure).
    pub(super) fn part(&mut self, inside: &Plane<bool>, necks: Necks, window: Window) {
        self.put_in_order();
        self.flood(inside.width(), necks);
        let basins = &self.basins;
        let roots = (0..).zip(&basins.parent).filter(|(a, b)| a == *b).count();
        if roots == 1 {
            self.name_whole(inside);
            return;
        }
        self.count(inside);
        self.find_borders(inside.width());
        self.join_fragments(necks.least_pixels, window);
        self.name(inside);
    }

    /// Puts the pixels of the component in the order of their distances.
    fn put_in_order(&mut self) {
        let (pixels, order, places) = (&mut self.pixels, &mut self.order, &mut self.places);
        order.clear();
        let most = pixels.iter().map(|(square, _)| *square).max();
        let most = most.unwrap_or_default();
        if most >= TOLD_APART || most as usize > 64 + 4 * pixels.len() {
            // Not what cells look like.
            pixels.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            order.extend(pixels.iter().map(|(_, pixel)| *pixel));
            return;
        }
        places.clear();
        places.resize(most as usize + 1, 0);
        for (square, _) in pixels.iter() {
            places[*square as usize] += 1;
        }
        let mut begin = 0;
        for place in places.iter_mut().rev() {
            (begin, *place) = (begin + *place, begin);
        }
        order.resize(pixels.len(), 0);
        for (square, pixel) in pixels.iter() {
            let place = &mut places[*square as usize];
            order[*place as usize] = *pixel;
            *place += 1;
        }
    }

    /// Lets basins grow from the highest pixels downwards.
    fn flood(&mut self, width: usize, necks: Necks) {
        let (basins, basin_of, levels) = (&mut self.basins, &mut self.basin_of, &self.levels);
        basins.clear();
        basin_of.clear();
        basin_of.resize(levels.len(), NONE);
        for pixel in &self.order {
            let pixel = *pixel as usize;
            let level = levels[pixel];
            let around = [pixel - width, pixel - 1, pixel + 1, pixel + width];
            // What is no basin is greater than all.
            let near = around.map(|near| basin_of[near]);
            let first = near[0].min(near[1]).min(near[2].min(near[3]));
            if near.iter().all(|near| *near == first || *near == NONE) {
                basin_of[pixel] = match first {
                    NONE => basins.add(level),
                    basin => basins.root(basin),
                };
                continue;
            }
            let mut owner = NONE;
            // The pixel goes uphill.
            let mut highest = 0.0;
            for near in around {
                if basin_of[near] == NONE {
                    continue;
                }
                let height = levels[near];
                let other = basins.root(basin_of[near]);
                if owner != NONE && owner != other {
                    let smaller = basins.peak[owner as usize].min(basins.peak[other as usize]);
                    if !necks.part(smaller, level) {
                        owner = basins.join(owner, other);
                        highest = height.max(highest);
                        continue;
                    }
                }
                if height > highest {
                    owner = other;
                    highest = height;
                }
            }
            basin_of[pixel] = owner;
        }
    }

    /// Gives each pixel its final basin, and counts them.
    fn count(&mut self, inside: &Plane<bool>) {
        let basins = &mut self.basins;
        let rows = self.basin_of.chunks_exact_mut(inside.width());
        for (row, line) in rows.enumerate() {
            for basin in line.iter_mut().filter(|basin| **basin != NONE) {
                *basin = basins.root(*basin);
                basins.pixels[*basin as usize] += 1;
                basins.last[*basin as usize] = row;
            }
        }
    }

    /// Counts the pairs of neighbouring pixels between each basin and the others.
    fn find_borders(&mut self, width: usize) {
        self.borders.clear(self.basins.parent.len());
        for (pixel, basin) in self.basin_of.iter().enumerate() {
            if *basin == NONE {
                continue;
            }
            // Nothing is inside at the rim.
            for near in [self.basin_of[pixel + 1], self.basin_of[pixel + width]] {
                if near != NONE && near != *basin {
                    self.borders.add(*basin, near, 1);
                }
            }
        }
    }

    /// Gives parts that are too small for a cell, or told too late from their neighbour, to the one with which
    /// they share the longest border.
    fn join_fragments(&mut self, least: usize, window: Window) {
        let (basins, borders) = (&mut self.basins, &mut self.borders);
        let stands = |basins: &Basins, part: u32| {
            let last = basins.last[part as usize];
            let fragment = basins.pixels[part as usize] < least && last < window.growing;
            !fragment && last >= window.late
        };
        // The smallest first, so that what is joined may become large enough.
        let waiting = &mut self.waiting;
        waiting.clear();
        waiting.extend(
            (0..)
                .zip(&basins.parent)
                .filter(|(part, parent)| part == *parent && !stands(basins, *part))
                .map(|(part, _)| Reverse((basins.pixels[part as usize], part))),
        );
        while let Some(Reverse((pixels, part))) = waiting.pop() {
            let is_root = basins.parent[part as usize] == part;
            if !is_root || basins.pixels[part as usize] != pixels {
                continue;
            }
            // What stands alone is a cell or not by its size.
            let Some(other) = borders.longest(part) else {
                continue;
            };
            let keep = basins.join(other, part);
            borders.join(keep, if keep == other { part } else { other });
            if !stands(basins, keep) {
                waiting.push(Reverse((basins.pixels[keep as usize], keep)));
            }
        }
    }

    /// Names a component that is one part.
    fn name_whole(&mut self, inside: &Plane<bool>) {
        self.labels.reshape(inside.width(), inside.height());
        self.bounds.clear();
        let mut whole: Option<[usize; 4]> = None;
        for row in 0..inside.height() {
            let here = inside.row(row);
            let Some(left) = here.iter().position(|inside| *inside) else {
                continue;
            };
            let right = here.iter().rposition(|inside| *inside).unwrap_or(left) + 1;
            let labels = self.labels.row_mut(row).iter_mut();
            for (label, inside) in labels.zip(here) {
                *label = u32::from(*inside);
            }
            let [least, top, most, _] = whole.unwrap_or([left, row, right, 0]);
            whole = Some([left.min(least), top, right.max(most), row + 1]);
        }
        self.bounds.extend(whole);
    }

    fn name(&mut self, inside: &Plane<bool>) {
        let (width, height) = (inside.width(), inside.height());
        self.names.clear();
        self.names.resize(self.basins.parent.len(), 0);
        self.labels.reshape(width, height);
        self.bounds.clear();
        for row in 0..height {
            let basins = &self.basin_of[row * width..(row + 1) * width];
            let labels = self.labels.row_mut(row).iter_mut();
            for (column, (label, basin)) in labels.zip(basins).enumerate() {
                if *basin == NONE {
                    continue;
                }
                let name = &mut self.names[self.basins.root(*basin) as usize];
                if *name == 0 {
                    self.bounds.push([column, row, column + 1, row + 1]);
                    // One part a pixel at most.
                    *name = self.bounds.len() as u32;
                }
                *label = *name;
                let [left, _, right, bottom] = &mut self.bounds[*name as usize - 1];
                *left = column.min(*left);
                *right = (column + 1).max(*right);
                *bottom = row + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All is known.
    const WHOLE: Window = Window {
        late: 0,
        growing: usize::MAX,
    };
    const NECKS: Necks = Necks {
        fraction: 0.8,
        depth: 2.0,
        least_pixels: 20,
    };

    /// What is inside a component and what is outside.
    type Image = [Plane<bool>; 2];

    fn part(image: &Image, necks: Necks, window: Window) -> Parting {
        let mut parting = Parting::default();
        parting.measure(&image[0], &image[1]);
        parting.part(&image[0], necks, window);
        parting
    }

    /// Discs of a radius at places along the middle of a plane.
    fn discs(centres: &[(f32, f32)]) -> Image {
        let mut inside = Plane::new(80, 40);
        let mut outside = Plane::new(80, 40);
        for row in 0..40 {
            for column in 0..80 {
                let within = centres
                    .iter()
                    .any(|(x, r)| (column as f32 - x).hypot(row as f32 - 20.0) <= *r);
                inside.row_mut(row)[column] = within;
                outside.row_mut(row)[column] = !within;
            }
        }
        [inside, outside]
    }

    #[test]
    fn two_touching_discs_are_parted_in_the_middle() {
        let parts = part(&discs(&[(24.0, 14.0), (50.0, 14.0)]), NECKS, WHOLE);
        assert_eq!(parts.bounds().len(), 2);
        let row = parts.labels().row(20);
        assert_eq!((row[24], row[50], row[34], row[40]), (1, 2, 1, 2));
    }

    #[test]
    fn one_disc_and_two_that_nearly_coincide_stay_whole() {
        assert_eq!(
            part(&discs(&[(30.0, 14.0)]), NECKS, WHOLE).bounds().len(),
            1
        );
        assert_eq!(
            part(&discs(&[(30.0, 14.0), (38.0, 14.0)]), NECKS, WHOLE)
                .bounds()
                .len(),
            1
        );
    }

    #[test]
    fn a_fragment_goes_to_its_neighbour_and_nothing_is_lost() {
        let image = discs(&[(30.0, 14.0), (47.0, 4.0)]);
        let necks = Necks {
            depth: 0.5,
            least_pixels: 200,
            ..NECKS
        };
        let parts = part(&image, necks, WHOLE);
        assert_eq!(parts.bounds().len(), 1);
        for (label, inside) in parts.labels().values().iter().zip(image[0].values()) {
            assert_eq!(*label > 0, *inside);
        }
    }

    #[test]
    fn what_is_told_too_late_stays_with_its_neighbour() {
        // One above the other.
        let image = discs(&[(24.0, 14.0), (50.0, 14.0)]).map(|lying| {
            let mut standing = Plane::new(40, 80);
            for row in 0..80 {
                for (column, value) in standing.row_mut(row).iter_mut().enumerate() {
                    *value = lying.row(column)[row];
                }
            }
            standing
        });
        let ends = part(&image, NECKS, WHOLE)
            .bounds()
            .iter()
            .map(|[_, _, _, bottom]| bottom - 1)
            .collect::<Vec<_>>();
        assert_eq!(ends.len(), 2);
        for late in 0..80 {
            let window = Window { late, ..WHOLE };
            let parts = part(&image, NECKS, window);
            assert_eq!(
                parts.bounds().len(),
                if late > ends[0] { 1 } else { 2 },
                "{late}"
            );
        }
    }

    /// What is seen down to the row `known` of discs, as far as it goes on there: whether all of it may, and the row
    /// below each of its parts.
    fn seen_to(discs: &[(f32, f32, f32)], known: usize, growing: usize) -> (bool, Vec<usize>) {
        let (width, height) = (60, 70);
        let is_in = |row: usize, column: usize| {
            let from =
                |(x, y, r): &(f32, f32, f32)| (column as f32 - x).hypot(row as f32 - y) <= *r;
            (1..known).contains(&row) && (1..width - 1).contains(&column) && discs.iter().any(from)
        };
        let [mut inside, mut outside] = [(); 2].map(|()| Plane::new(width, height));
        (0..known).for_each(|row| outside.row_mut(row).fill(true));
        let mut reached: Vec<_> = (1..width - 1)
            .find(|column| is_in(known - 1, *column))
            .map(|column| (known - 1, column))
            .into_iter()
            .collect();
        while let Some((row, column)) = reached.pop() {
            if is_in(row, column) && !inside.row(row)[column] {
                inside.row_mut(row)[column] = true;
                outside.row_mut(row)[column] = false;
                let (above, left) = (row - 1, column - 1);
                reached.extend([
                    (above, column),
                    (row + 1, column),
                    (row, left),
                    (row, column + 1),
                ]);
            }
        }
        let mut parting = Parting::default();
        parting.measure(&inside, &outside);
        let goes_on = parting.goes_on(&inside, NECKS, growing);
        let window = Window { late: 0, growing };
        parting.part(&inside, NECKS, window);
        let ends = parting.bounds().iter().map(|[_, _, _, bottom]| *bottom);
        (goes_on, ends.collect())
    }

    #[test]
    fn a_disc_that_is_half_seen_goes_on_and_one_that_has_ended_does_not() {
        assert_eq!(seen_to(&[(30.0, 40.0, 20.0)], 50, 38), (true, vec![50]));
        let two = [(30.0, 15.0, 12.0), (30.0, 37.0, 12.0)];
        let (goes_on, ends) = seen_to(&two, 45, 30);
        assert!(!goes_on && ends.len() == 2 && ends[0] <= 30, "{ends:?}");
    }

    proptest! {
        #[test]
        fn nothing_ends_where_all_goes_on(
            discs in proptest::collection::vec((10.0_f32..50.0, 5.0_f32..60.0, 3.0_f32..18.0), 1..8),
            known in 20_usize..68,
            ahead in 1_usize..20,
        ) {
            let growing = known - ahead;
            let (goes_on, ends) = seen_to(&discs, known, growing);
            if goes_on {
                prop_assert!(ends.iter().all(|end| *end > growing), "{:?}", ends);
            }
        }
    }

    #[test]
    fn a_component_without_edges_is_one() {
        let mut inside = Plane::new(7, 6);
        (1..5).for_each(|row| inside.row_mut(row)[1..6].fill(true));
        let image = [inside, Plane::new(7, 6)];
        assert_eq!(part(&image, NECKS, WHOLE).bounds(), [[1, 1, 6, 5]]);
    }

    /// Far from every edge distances cannot be told apart by counting; the parts are the same.
    #[test]
    fn a_long_way_to_the_edge_is_no_trouble() {
        let mut inside = Plane::new(300, 5);
        (1..4).for_each(|row| inside.row_mut(row)[1..299].fill(true));
        let mut outside = Plane::new(300, 5);
        outside.row_mut(2)[0] = true;
        let parts = part(&[inside, outside], NECKS, WHOLE);
        assert_eq!(parts.bounds(), [[1, 1, 299, 4]]);
        let level = |pixel: u32| parts.levels[pixel as usize];
        let ordered = |a: &u32, b: &u32| level(*a) > level(*b) || level(*a) == level(*b) && a < b;
        assert!(parts.order.is_sorted_by(ordered));
        assert_eq!(level(parts.order[0]), 298.0_f32.hypot(1.0));
    }
}
