//! The pixels of a cell from its outline, and their edges as polygons.
//!
//! A label's outline is the centres of the boundary pixels, from neighbour to neighbour. The cell is these pixels and
//! everything that they enclose; a hole, which the outline does not know of, is filled. Polygons go along the edges of
//! the pixels: pixel (0, 0) spans 0 to 1, as in QuPath, so that the area of the polygons is the number of pixels.

/// Most pixels of the rectangle around a cell: as many as a frame may have.
const MOST_PIXELS: u64 = 1 << 28;

/// The pixels of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Column and row of the frame at which the rectangle begins.
    origin: [u32; 2],
    width: usize,
    /// Row by row of the rectangle.
    inside: Vec<bool>,
}

impl Region {
    /// The region within `outline` in a frame of `width` × `height` pixels.
    ///
    /// # Errors
    /// What is wrong with the outline, as a clause.
    pub(super) fn of(outline: &[[u32; 2]], width: u32, height: u32) -> Result<Self, String> {
        let (Some(first), Some(last)) = (outline.first(), outline.last()) else {
            return Err("it has no outline".to_owned());
        };
        if outline.iter().any(|[x, y]| *x >= width || *y >= height) {
            return Err(format!(
                "its outline leaves the frame of {width} × {height} pixels"
            ));
        }
        let far = |a: &[u32; 2], b: &[u32; 2]| a[0].abs_diff(b[0]) > 1 || a[1].abs_diff(b[1]) > 1;
        if outline.windows(2).any(|pair| far(&pair[0], &pair[1])) || far(last, first) {
            return Err("its outline does not go from pixel to pixel".to_owned());
        }
        let (mut low, mut high) = (*first, *first);
        for point in outline {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let [columns, rows] = [0, 1].map(|axis| high[axis] - low[axis] + 1);
        if u64::from(columns) * u64::from(rows) > MOST_PIXELS {
            return Err(format!("it has {columns} × {rows} pixels"));
        }
        Ok(Self {
            origin: low,
            width: columns as usize,
            inside: fill(outline, low, columns as usize, rows as usize),
        })
    }

    /// Number of pixels.
    pub(super) fn area(&self) -> u64 {
        self.inside.iter().filter(|inside| **inside).count() as u64
    }

    /// Column and row of each pixel in the frame.
    pub(super) fn pixels(&self) -> impl Iterator<Item = [u32; 2]> {
        let width = self.width.max(1);
        let pixels = self
            .inside
            .iter()
            .enumerate()
            .filter(|(_, inside)| **inside);
        pixels.map(move |(index, _)| {
            let at =
                |offset: usize, origin: u32| origin + u32::try_from(offset).unwrap_or(u32::MAX);
            [
                at(index % width, self.origin[0]),
                at(index / width, self.origin[1]),
            ]
        })
    }

    /// The polygons along the edges of the pixels: one, or one for each part when parts touch at corners only. Each is
    /// a closed ring of corners in pixels of the frame, counterclockwise when y points up (RFC 7946, section 3.1.6).
    pub(super) fn rings(&self) -> Vec<Vec<[u32; 2]>> {
        let mut traced = vec![false; self.inside.len()];
        let mut rings = Vec::new();
        for start in 0..self.inside.len() {
            let (x, y) = (start % self.width, start / self.width);
            let [x, y] = [x, y].map(|at| i64::try_from(at).unwrap_or(i64::MAX));
            if self.has(x, y) && !self.has(x, y - 1) && !traced[start] {
                rings.push(self.ring([x, y], &mut traced));
            }
        }
        rings
    }

    fn has(&self, x: i64, y: i64) -> bool {
        self.index(x, y)
            .is_some_and(|index| self.inside.get(index) == Some(&true))
    }

    fn index(&self, x: i64, y: i64) -> Option<usize> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        (x < self.width).then(|| y * self.width + x)
    }

    /// Walks along the edges with the region to the right, from the upper edge of the pixel `start`, whose left and
    /// upper neighbours are outside. Marks the upper edges that it passes.
    fn ring(&self, start: [i64; 2], traced: &mut [bool]) -> Vec<[u32; 2]> {
        let corner = |[x, y]: [i64; 2], [dx, dy]: [i64; 2]| {
            // The corner at which the walk enters the edge of the pixel on which it goes in this direction.
            let offset = [i64::from(dx < 0 || dy > 0), i64::from(dx < 0 || dy < 0)];
            let at = |at: i64, origin: u32| u32::try_from(at).unwrap_or(0).saturating_add(origin);
            [
                at(x + offset[0], self.origin[0]),
                at(y + offset[1], self.origin[1]),
            ]
        };
        let (mut pixel, mut way) = (start, [1, 0]);
        let mut ring = vec![corner(pixel, way)];
        loop {
            if way == [1, 0]
                && let Some(mark) = self
                    .index(pixel[0], pixel[1])
                    .and_then(|index| traced.get_mut(index))
            {
                *mark = true;
            }
            let right = [-way[1], way[0]];
            let ahead = [pixel[0] + way[0], pixel[1] + way[1]];
            let beside = [ahead[0] - right[0], ahead[1] - right[1]];
            // A pixel that touches at a corner only is of another part: the walk keeps to its own.
            if !self.has(ahead[0], ahead[1]) {
                way = right;
            } else if self.has(beside[0], beside[1]) {
                (pixel, way) = (beside, [way[1], -way[0]]);
            } else {
                pixel = ahead;
                continue;
            }
            ring.push(corner(pixel, way));
            if (pixel, way) == (start, [1, 0]) {
                return ring;
            }
        }
    }
}

/// The rectangle of `width` × `height` pixels at `origin`: what cannot be reached from outside without passing the
/// outline, from pixel to pixel by the edges.
fn fill(outline: &[[u32; 2]], origin: [u32; 2], width: usize, height: usize) -> Vec<bool> {
    let stride = width + 2;
    let mut inside = vec![true; stride * (height + 2)];
    let mut wall = vec![false; inside.len()];
    for [x, y] in outline {
        let at = ((y - origin[1]) as usize + 1) * stride + (x - origin[0]) as usize + 1;
        if let Some(wall) = wall.get_mut(at) {
            *wall = true;
        }
    }
    let mut open = vec![0];
    if let Some(first) = inside.first_mut() {
        *first = false;
    }
    while let Some(at) = open.pop() {
        let column = at % stride;
        let neighbours = [
            (column > 0).then(|| at - 1),
            (column + 1 < stride).then(|| at + 1),
            at.checked_sub(stride),
            Some(at + stride),
        ];
        for next in neighbours.into_iter().flatten() {
            if let (Some(reached), Some(false)) = (inside.get_mut(next), wall.get(next))
                && *reached
            {
                *reached = false;
                open.push(next);
            }
        }
    }
    let rows = inside.chunks_exact(stride).skip(1).take(height);
    rows.flat_map(|row| row.iter().skip(1).take(width).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Twice the area by the formula of Gauss: positive for counterclockwise when y points up.
    fn doubled(ring: &[[u32; 2]]) -> i64 {
        let cross = |a: &[u32; 2], b: &[u32; 2]| {
            i64::from(a[0]) * i64::from(b[1]) - i64::from(b[0]) * i64::from(a[1])
        };
        ring.windows(2).map(|pair| cross(&pair[0], &pair[1])).sum()
    }

    #[test]
    fn a_pixel_is_a_square() {
        let region = Region::of(&[[3, 5]], 10, 10).unwrap();
        assert_eq!(region.pixels().collect::<Vec<_>>(), [[3, 5]]);
        assert_eq!(
            region.rings(),
            [vec![[3, 5], [4, 5], [4, 6], [3, 6], [3, 5]]]
        );
    }

    #[test]
    fn what_an_outline_encloses_is_filled() {
        // A diamond of radius 2, whose boundary goes by corners only.
        let outline = [
            [2, 0],
            [3, 1],
            [4, 2],
            [3, 3],
            [2, 4],
            [1, 3],
            [0, 2],
            [1, 1],
        ];
        let region = Region::of(&outline, 5, 5).unwrap();
        assert_eq!(region.area(), 13);
        let [ring] = region.rings().try_into().unwrap();
        assert_eq!(doubled(&ring), 26);
        assert_eq!(ring.len(), 21, "corners only: {ring:?}");
    }

    #[test]
    fn parts_that_touch_at_a_corner_are_polygons_of_their_own() {
        let region = Region::of(&[[0, 0], [1, 1]], 2, 2).unwrap();
        let rings = region.rings();
        assert_eq!(rings.len(), 2);
        assert!(
            rings
                .iter()
                .all(|ring| ring.len() == 5 && doubled(ring) == 2)
        );
    }

    #[test]
    fn outlines_that_no_segmenter_gives_are_told() {
        for (outline, part) in [
            (&[][..], "no outline"),
            (&[[5, 0]], "leaves the frame"),
            (&[[0, 0], [0, 2]], "from pixel to pixel"),
            (&[[0, 0], [0, 1], [0, 2]], "from pixel to pixel"),
        ] {
            let clause = Region::of(outline, 5, 5).unwrap_err();
            assert!(clause.contains(part), "{clause}");
        }
    }

    proptest! {
        /// A walk that comes back: from any pixel by any steps, and the same way back.
        #[test]
        fn polygons_have_the_area_of_the_pixels(steps in proptest::collection::vec((0..3_u32, 0..3_u32), 1..60)) {
            let mut there = vec![[100_u32, 100_u32]];
            for (dx, dy) in steps {
                let [x, y] = there[there.len() - 1];
                there.push([x + dx - 1, y + dy - 1]);
            }
            let back: Vec<_> = there.iter().rev().copied().collect();
            let outline = [there, back].concat();
            let region = Region::of(&outline, 200, 200).unwrap();
            let rings = region.rings();
            let total: i64 = rings.iter().map(|ring| doubled(ring)).sum();
            prop_assert_eq!(total, 2 * i64::try_from(region.area()).unwrap());
            for ring in rings {
                prop_assert_eq!(ring.first(), ring.last());
                prop_assert!(doubled(&ring) > 0);
                // No corner but the first is passed twice.
                let mut corners = ring[1..].to_vec();
                corners.sort_unstable();
                corners.dedup();
                prop_assert_eq!(corners.len(), ring.len() - 1);
            }
        }
    }
}
