//! Parts the touching cells of a component: watershed of the distance transform.
//!
//! Basins grow from the maxima of the distance to the background downwards (Vincent & Soille, IEEE PAMI
//! 13:583 (1991)); where two meet they are made one unless the neck between them is narrower than the
//! smaller by both a fraction and a length. That is a watershed whose markers are the maxima of
//! sufficient dynamics (Grimaud, Proc. SPIE 1769 (1992)).

use image::{GrayImage, Luma};
use imageproc::distance_transform::euclidean_squared_distance_transform;

use super::plane::Plane;

/// Parts of a component: 0 outside, then 1, 2, … in raster order of their first pixels.
pub(super) struct Parts {
    pub(super) labels: Plane<u32>,
    pub(super) count: u32,
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

/// Basins that may be made one.
struct Basins {
    parent: Vec<u32>,
    peak: Vec<f32>,
    pixels: Vec<usize>,
}

impl Basins {
    fn add(&mut self, peak: f32) -> u32 {
        // One basin a pixel at most.
        let index = self.parent.len() as u32;
        self.parent.push(index);
        self.peak.push(peak);
        self.pixels.push(0);
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
        keep
    }
}

/// Parts the component whose pixels have a `landscape` above 0; `necks` are in its unit.
pub(super) fn part(landscape: &Plane<f32>, necks: Necks) -> Parts {
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

    const NONE: u32 = u32::MAX;
    let mut basin_of = vec![NONE; width * height];
    let mut basins = Basins {
        parent: Vec::new(),
        peak: Vec::new(),
        pixels: Vec::new(),
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
        basins.pixels[owner as usize] += 1;
    }
    for basin in &mut basin_of {
        if *basin != NONE {
            *basin = basins.root(*basin);
        }
    }
    join_fragments(
        &mut basin_of,
        &mut basins,
        width,
        height,
        necks.least_pixels,
    );

    let mut names = vec![0; basins.parent.len()];
    let mut labels = Plane::new(width, height);
    let mut count = 0;
    for row in 0..height {
        for (column, label) in labels.row_mut(row).iter_mut().enumerate() {
            let basin = basin_of[row * width + column];
            if basin == NONE {
                continue;
            }
            let name = &mut names[basins.root(basin) as usize];
            if *name == 0 {
                count += 1;
                *name = count;
            }
            *label = *name;
        }
    }
    Parts { labels, count }
}

/// Gives parts that are too small for a cell to the neighbour with which they share the longest border.
fn join_fragments(
    basin_of: &mut [u32],
    basins: &mut Basins,
    width: usize,
    height: usize,
    least: usize,
) {
    loop {
        let roots = (0..basins.parent.len()).filter(|b| basins.parent[*b] as usize == *b);
        let small = roots
            .filter(|b| basins.pixels[*b] < least)
            .min_by_key(|b| (basins.pixels[*b], *b));
        let Some(small) = small else { return };
        let mut borders: Vec<(u32, usize)> = Vec::new();
        for pixel in 0..basin_of.len() {
            if basin_of[pixel] == u32::MAX || basins.root(basin_of[pixel]) as usize != small {
                continue;
            }
            for near in neighbours(pixel, width, height).into_iter().flatten() {
                if basin_of[near] == u32::MAX {
                    continue;
                }
                let other = basins.root(basin_of[near]);
                if other as usize == small {
                    continue;
                }
                match borders.iter_mut().find(|(basin, _)| *basin == other) {
                    Some((_, length)) => *length += 1,
                    None => borders.push((other, 1)),
                }
            }
        }
        let longest = borders
            .iter()
            .max_by_key(|(basin, length)| (*length, std::cmp::Reverse(*basin)));
        match longest {
            Some((other, _)) => {
                basins.join(*other, small as u32);
            }
            // It stands alone: whether it is a cell is decided by its size.
            None => basins.pixels[small] = usize::MAX,
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
        let parts = part(&discs(&[(24.0, 14.0), (50.0, 14.0)]), NECKS);
        assert_eq!(parts.count, 2);
        let row = parts.labels.row(20);
        assert_eq!((row[24], row[50], row[34], row[40]), (1, 2, 1, 2));
    }

    #[test]
    fn one_disc_and_two_that_nearly_coincide_stay_whole() {
        assert_eq!(part(&discs(&[(30.0, 14.0)]), NECKS).count, 1);
        assert_eq!(part(&discs(&[(30.0, 14.0), (38.0, 14.0)]), NECKS).count, 1);
    }

    #[test]
    fn a_fragment_goes_to_its_neighbour_and_nothing_is_lost() {
        let landscape = discs(&[(30.0, 14.0), (47.0, 4.0)]);
        let necks = Necks {
            depth: 0.5,
            least_pixels: 200,
            ..NECKS
        };
        let parts = part(&landscape, necks);
        assert_eq!(parts.count, 1);
        for row in 0..40 {
            for (label, value) in parts.labels.row(row).iter().zip(landscape.row(row)) {
                assert_eq!(*label > 0, *value > 0.0);
            }
        }
    }

    #[test]
    fn a_component_without_edges_has_a_finite_distance() {
        let mut inside = Plane::new(5, 4);
        (0..4).for_each(|row| inside.row_mut(row).fill(true));
        let distances = distances(&inside, &Plane::new(5, 4));
        assert!((0..4).all(|row| distances.row(row).iter().all(|value| value.is_finite())));
        assert_eq!(part(&distances, NECKS).count, 1);
    }
}
