//! Parts the touching cells of a component: watershed of the distance transform.
//!
//! Basins grow from the maxima of the distance to the background downwards (Vincent & Soille, IEEE PAMI
//! 13:583 (1991)); where two meet they are made one unless the neck between them is narrower than the
//! smaller by both a fraction and a length. That is a watershed whose markers are the maxima of
//! sufficient dynamics (Grimaud, Proc. SPIE 1769 (1992)).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use image::{GrayImage, Luma};
use imageproc::distance_transform::euclidean_squared_distance_transform;

use super::plane::Plane;

/// Parts of a component: 0 outside, then 1, 2, … in raster order of their first pixels.
pub(super) struct Parts {
    pub(super) labels: Plane<u32>,
    /// Left, top, right and bottom of each, the last two excluded.
    pub(super) bounds: Vec<[usize; 4]>,
}

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

/// Which rows are too old and which too new for a part to be judged like the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// A part that ends above this row should have been told from its neighbour before: it stays with it.
    pub(super) late: usize,
    /// A part that reaches this row may still grow: it is no fragment, however small.
    pub(super) growing: usize,
}

/// The distance of each pixel of `inside` to the nearest one where `outside` holds, in pixels.
///
/// What is neither lies beyond the frame: nobody knows what is there, so it is no edge of the cell.
pub(super) fn distances(inside: &Plane<bool>, outside: &Plane<bool>) -> Plane<f32> {
    let (width, height) = (inside.width(), inside.height());
    // A component is no larger than a frame, whose edges have 32 bits.
    let mut edges = GrayImage::new(width as u32, height as u32);
    for row in 0..height {
        for (column, edge) in outside.row(row).iter().enumerate() {
            edges.put_pixel(column as u32, row as u32, Luma([u8::from(*edge)]));
        }
    }
    let squares = euclidean_squared_distance_transform(&edges);
    let farthest = (width + height) as f64;
    let mut distances = Plane::new(width, height);
    for row in 0..height {
        let target = distances.row_mut(row).iter_mut().zip(inside.row(row));
        for (column, (out, inside)) in target.enumerate() {
            if *inside {
                let square = squares.get_pixel(column as u32, row as u32)[0];
                *out = square.sqrt().min(farthest) as f32;
            }
        }
    }
    distances
}

/// No basin.
const NONE: u32 = u32::MAX;

/// Basins that may be made one.
struct Basins {
    parent: Vec<u32>,
    peak: Vec<f32>,
    pixels: Vec<usize>,
    /// Last row.
    last: Vec<usize>,
}

impl Basins {
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

/// Parts the component whose pixels have a `landscape` above 0; `necks` are in its unit.
pub(super) fn part(landscape: &Plane<f32>, necks: Necks, window: Window) -> Parts {
    let (width, height) = (landscape.width(), landscape.height());
    let mut order: Vec<(f32, usize)> = (0..height)
        .flat_map(|row| {
            landscape
                .row(row)
                .iter()
                .enumerate()
                .map(move |(x, v)| (*v, row * width + x))
        })
        .filter(|(value, _)| *value > 0.0)
        .collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));

    let mut basin_of = vec![NONE; width * height];
    let mut basins = Basins {
        parent: Vec::new(),
        peak: Vec::new(),
        pixels: Vec::new(),
        last: Vec::new(),
    };
    for (level, pixel) in &order {
        let mut owner = NONE;
        // The pixel goes uphill.
        let mut highest = 0.0;
        for near in neighbours(*pixel, width, height).into_iter().flatten() {
            if basin_of[near] == NONE {
                continue;
            }
            let height = landscape.values()[near];
            let other = basins.root(basin_of[near]);
            if owner != NONE && owner != other {
                let smaller = basins.peak[owner as usize].min(basins.peak[other as usize]);
                if *level > necks.fraction * smaller || smaller - level < necks.depth {
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
        if owner == NONE {
            owner = basins.add(*level);
        }
        basin_of[*pixel] = owner;
        let last = &mut basins.last[owner as usize];
        *last = (*last).max(*pixel / width);
        basins.pixels[owner as usize] += 1;
    }
    for basin in &mut basin_of {
        if *basin != NONE {
            *basin = basins.root(*basin);
        }
    }
    let borders = borders(&basin_of, basins.parent.len(), width);
    join_fragments(&mut basins, borders, necks.least_pixels, window);

    let mut names = vec![0; basins.parent.len()];
    let mut labels = Plane::new(width, height);
    let mut bounds: Vec<[usize; 4]> = Vec::new();
    for row in 0..height {
        for (column, label) in labels.row_mut(row).iter_mut().enumerate() {
            let basin = basin_of[row * width + column];
            if basin == NONE {
                continue;
            }
            let name = &mut names[basins.root(basin) as usize];
            if *name == 0 {
                bounds.push([column, row, column + 1, row + 1]);
                // One part a pixel at most.
                *name = bounds.len() as u32;
            }
            *label = *name;
            let [left, _, right, bottom] = &mut bounds[*name as usize - 1];
            *left = column.min(*left);
            *right = (column + 1).max(*right);
            *bottom = row + 1;
        }
    }
    Parts { labels, bounds }
}

/// Pairs of neighbouring pixels between each part and the others.
fn borders(basin_of: &[u32], basins: usize, width: usize) -> Vec<BTreeMap<u32, usize>> {
    let mut borders = vec![BTreeMap::new(); basins];
    let mut meet = |a: u32, b: u32| {
        if a != b && a != NONE && b != NONE {
            *borders[a as usize].entry(b).or_default() += 1;
            *borders[b as usize].entry(a).or_default() += 1;
        }
    };
    for (pixel, basin) in basin_of.iter().enumerate() {
        if (pixel + 1) % width > 0 {
            meet(*basin, basin_of[pixel + 1]);
        }
        if let Some(below) = basin_of.get(pixel + width) {
            meet(*basin, *below);
        }
    }
    borders
}

/// Gives parts that are too small for a cell, or told too late from their neighbour, to the one with which
/// they share the longest border.
fn join_fragments(
    basins: &mut Basins,
    mut borders: Vec<BTreeMap<u32, usize>>,
    least: usize,
    window: Window,
) {
    let stands = |basins: &Basins, part: u32| {
        let last = basins.last[part as usize];
        let fragment = basins.pixels[part as usize] < least && last < window.growing;
        !fragment && last >= window.late
    };
    // The smallest first, so that what is joined may become large enough.
    let mut waiting: BTreeSet<(usize, u32)> = (0..)
        .zip(&basins.parent)
        .filter(|(part, parent)| part == *parent && !stands(basins, *part))
        .map(|(part, _)| (basins.pixels[part as usize], part))
        .collect();
    while let Some((_, part)) = waiting.pop_first() {
        let longest = borders[part as usize]
            .iter()
            .max_by_key(|(near, length)| (**length, Reverse(**near)));
        // What stands alone is a cell or not by its size.
        let Some((other, _)) = longest else { continue };
        let other = *other;
        waiting.remove(&(basins.pixels[other as usize], other));
        let keep = basins.join(other, part);
        let give = if keep == other { part } else { other };
        for (near, length) in std::mem::take(&mut borders[give as usize]) {
            borders[near as usize].remove(&give);
            if near != keep {
                *borders[near as usize].entry(keep).or_default() += length;
                *borders[keep as usize].entry(near).or_default() += length;
            }
        }
        if !stands(basins, keep) {
            waiting.insert((basins.pixels[keep as usize], keep));
        }
    }
}

fn neighbours(pixel: usize, width: usize, height: usize) -> [Option<usize>; 4] {
    let (row, column) = (pixel / width, pixel % width);
    [
        (row > 0).then(|| pixel - width),
        (column > 0).then(|| pixel - 1),
        (column + 1 < width).then(|| pixel + 1),
        (row + 1 < height).then(|| pixel + width),
    ]
}

#[cfg(test)]
mod tests {
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

    /// Discs of a radius at places along the middle of a plane.
    fn discs(centres: &[(f32, f32)]) -> Plane<f32> {
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
        distances(&inside, &outside)
    }

    #[test]
    fn two_touching_discs_are_parted_in_the_middle() {
        let parts = part(&discs(&[(24.0, 14.0), (50.0, 14.0)]), NECKS, WHOLE);
        assert_eq!(parts.bounds.len(), 2);
        let row = parts.labels.row(20);
        assert_eq!((row[24], row[50], row[34], row[40]), (1, 2, 1, 2));
    }

    #[test]
    fn one_disc_and_two_that_nearly_coincide_stay_whole() {
        assert_eq!(part(&discs(&[(30.0, 14.0)]), NECKS, WHOLE).bounds.len(), 1);
        assert_eq!(
            part(&discs(&[(30.0, 14.0), (38.0, 14.0)]), NECKS, WHOLE)
                .bounds
                .len(),
            1
        );
    }

    #[test]
    fn a_fragment_goes_to_its_neighbour_and_nothing_is_lost() {
        let landscape = discs(&[(30.0, 14.0), (47.0, 4.0)]);
        let necks = Necks {
            depth: 0.5,
            least_pixels: 200,
            ..NECKS
        };
        let parts = part(&landscape, necks, WHOLE);
        assert_eq!(parts.bounds.len(), 1);
        for row in 0..40 {
            for (label, value) in parts.labels.row(row).iter().zip(landscape.row(row)) {
                assert_eq!(*label > 0, *value > 0.0);
            }
        }
    }

    #[test]
    fn what_is_told_too_late_stays_with_its_neighbour() {
        // One above the other.
        let landscape = {
            let lying = discs(&[(24.0, 14.0), (50.0, 14.0)]);
            let mut standing = Plane::new(40, 80);
            for row in 0..80 {
                for (column, value) in standing.row_mut(row).iter_mut().enumerate() {
                    *value = lying.row(column)[row];
                }
            }
            standing
        };
        let ends = part(&landscape, NECKS, WHOLE)
            .bounds
            .into_iter()
            .map(|[_, _, _, bottom]| bottom - 1)
            .collect::<Vec<_>>();
        assert_eq!(ends.len(), 2);
        for late in 0..80 {
            let window = Window { late, ..WHOLE };
            let parts = part(&landscape, NECKS, window).bounds;
            assert_eq!(parts.len(), if late > ends[0] { 1 } else { 2 }, "{late}");
        }
    }

    #[test]
    fn a_component_without_edges_has_a_finite_distance() {
        let mut inside = Plane::new(5, 4);
        (0..4).for_each(|row| inside.row_mut(row).fill(true));
        let distances = distances(&inside, &Plane::new(5, 4));
        assert!((0..4).all(|row| distances.row(row).iter().all(|value| value.is_finite())));
        assert_eq!(part(&distances, NECKS, WHOLE).bounds.len(), 1);
    }
}
