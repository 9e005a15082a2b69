//! How far each pixel is from the nearest one of a set: the exact squared Euclidean distance.
//!
//! Distances down the columns first, then along each row the least of their squares plus the square of the way to them
//! (Saito & Toriwaki, Pattern Recognition 27:1551 (1994)). A run of pixels between two of the set is done for itself:
//! nothing beyond the set is nearer, nor anything that is farther along the row than the nearest so far. So there are
//! few steps, and each is done for several pixels at once, where processors are good at it; the envelope of parabolas
//! (Felzenszwalb & Huttenlocher, Theory of Computing 8:415 (2012)), which is linear in the pixels, takes longer for
//! cells.

/// No pixel of the set in this column.
const NONE: i16 = i16::MAX;
/// Pixels that are done together.
const LANES: usize = 16;
/// So many steps along a row are made before it is seen whether more can matter.
const LOOK: usize = 4;
/// The square of this distance is the first that does not fit into 16 bits.
const SHORT: usize = 182;

/// Working memory for one image after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distances {
    /// Along the columns; [`NONE`] where there is none, or it is farther.
    columns: Vec<i16>,
    squares: Vec<f32>,
    space: Space,
}

/// Squared distances along the columns of one run of pixels and around it; of short ones twice as many are done at
/// once.
#[derive(Clone, Debug, Default)]
struct Space {
    short: Vec<i16>,
    long: Vec<f32>,
}

impl Distances {
    /// The squared distance of each pixel of an image with rows of `width` pixels to the nearest one where `set`
    /// holds; infinite when there is none. What is farther than `reach` pixels is only that, and what is farther than
    /// some 4 000 is rounded.
    pub(crate) fn squares(&mut self, set: &[bool], width: usize, reach: usize) -> &[f32] {
        self.squares.clear();
        self.squares.resize(set.len(), 0.0);
        if width == 0 {
            return &self.squares;
        }
        self.down_columns(set, width);
        let rows = set.chunks_exact(width);
        let rows = rows.zip(self.columns.chunks_exact(width));
        for ((set, columns), squares) in rows.zip(self.squares.chunks_exact_mut(width)) {
            let mut start = 0;
            while let Some(skipped) = set[start..].iter().position(|of_set| !of_set) {
                start += skipped;
                let length = set[start..].iter().position(|of_set| *of_set);
                let end = length.map_or(width, |length| start + length);
                along_row(&mut self.space, columns, squares, start..end, reach);
                start = end;
            }
        }
        &self.squares
    }

    /// The distance to the nearest pixel of the set in the same column.
    fn down_columns(&mut self, set: &[bool], width: usize) {
        let columns = &mut self.columns;
        columns.clear();
        let none = |of_set: &bool| if *of_set { 0 } else { NONE };
        columns.extend(set.iter().map(none));
        let height = set.len() / width;
        for row in 1..height {
            let (above, below) = columns.split_at_mut(row * width);
            nearer(&mut below[..width], &above[(row - 1) * width..]);
        }
        for row in (1..height).rev() {
            let (above, below) = columns.split_at_mut(row * width);
            nearer(&mut above[(row - 1) * width..], &below[..width]);
        }
    }
}

/// A row of distances, with those of the next row known.
fn nearer(to: &mut [i16], from: &[i16]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = (*to).min(from.saturating_add(1));
    }
}

/// The squares of a run of pixels that are not of the set, from the distances down the columns of the row.
fn along_row(
    space: &mut Space,
    columns: &[i16],
    squares: &mut [f32],
    run: std::ops::Range<usize>,
    reach: usize,
) {
    // The pixels of the set at its ends count.
    let (begins, ends) = (run.start > 0, run.end < columns.len());
    let around = run.start - usize::from(begins)..run.end + usize::from(ends);
    let length = run.len();
    // No pixel is farther than this, in its column or along the row.
    let most = match columns[run].iter().copied().max().unwrap_or_default() {
        NONE => reach,
        most => reach.min(usize::from(most.unsigned_abs())),
    };
    let (most, farthest) = match (begins, ends) {
        (true, true) => (most.min(length), most.min(length.div_ceil(2))),
        _ => (most, most.min(length)),
    };
    let (columns, squares) = (&columns[around.clone()], &mut squares[around]);
    if most < SHORT {
        least(&mut space.short, columns, squares, farthest);
    } else {
        least(&mut space.long, columns, squares, farthest);
    }
}

/// The least of the squares of `columns`, each plus the square of the way to it, of up to `farthest` steps.
fn least<T: Square>(around: &mut Vec<T>, columns: &[i16], squares: &mut [f32], farthest: usize) {
    let far = T::of(NONE);
    around.clear();
    around.resize(farthest, far);
    around.extend(columns.iter().copied().map(T::of));
    around.resize(around.len() + farthest + LANES, far);
    for (first, squares) in (farthest..).step_by(LANES).zip(squares.chunks_mut(LANES)) {
        let mut best = [far; LANES];
        best.copy_from_slice(&around[first..first + LANES]);
        let mut away = 1;
        while away <= farthest && greatest_of(&best) > T::way(away - 1) {
            for away in away..=farthest.min(away + LOOK - 1) {
                let before = &around[first - away..][..LANES];
                let after = &around[first + away..][..LANES];
                let square = T::way(away);
                for (best, (before, after)) in best.iter_mut().zip(before.iter().zip(after)) {
                    *best = best.least(before.least(*after).plus(square));
                }
            }
            away += LOOK;
        }
        for (square, best) in squares.iter_mut().zip(best) {
            *square = best.into();
        }
    }
}

fn greatest_of<T: Square>(best: &[T; LANES]) -> T {
    let mut greatest = best[0];
    for best in best {
        greatest = if *best > greatest { *best } else { greatest };
    }
    greatest
}

/// A squared distance.
trait Square: Copy + PartialOrd + Into<f32> {
    /// That of a distance, or [`NONE`].
    fn of(distance: i16) -> Self;
    /// That of so many steps.
    fn way(steps: usize) -> Self;
    fn plus(self, more: Self) -> Self;
    /// The lesser; one instruction, unlike `f32::min`: no value is NaN.
    fn least(self, other: Self) -> Self {
        if other < self { other } else { self }
    }
}

/// Those of less than [`SHORT`], exactly; all others are greater.
impl Square for i16 {
    fn of(distance: i16) -> Self {
        if distance < SHORT as i16 {
            distance.wrapping_mul(distance)
        } else {
            i16::MAX
        }
    }

    fn way(steps: usize) -> Self {
        // Small.
        if steps < SHORT {
            (steps * steps) as i16
        } else {
            i16::MAX
        }
    }

    fn plus(self, more: Self) -> Self {
        self.saturating_add(more)
    }
}

impl Square for f32 {
    fn of(distance: i16) -> Self {
        if distance < NONE {
            f32::from(distance).powi(2)
        } else {
            f32::INFINITY
        }
    }

    fn way(steps: usize) -> Self {
        (steps * steps) as f32
    }

    fn plus(self, more: Self) -> Self {
        self + more
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};
    use imageproc::distance_transform::euclidean_squared_distance_transform;
    use proptest::prelude::*;

    use super::*;

    /// Where what fits into 16 bits ends, and beyond.
    #[test]
    fn long_ones_are_exact_too() {
        let (width, height) = (7, 400);
        for row in [0, 17] {
            let mut set = vec![false; width * height];
            set[row * width + 2] = true;
            let mut distances = Distances::default();
            let squares = distances.squares(&set, width, width + height);
            for (at, square) in squares.iter().enumerate() {
                let [down, along] = [(at / width).abs_diff(row), (at % width).abs_diff(2)];
                assert_eq!(*square, (down * down + along * along) as f32);
            }
        }
    }

    proptest! {
        #[test]
        fn they_are_those_of_imageproc(
            (width, set) in (1_usize..40, 0.0..1.0_f64).prop_flat_map(|(width, part)| {
                let row = proptest::collection::vec(proptest::bool::weighted(part * part), width);
                let rows = proptest::collection::vec(row, 1..40);
                (Just(width), rows.prop_map(|rows| rows.concat()))
            }),
            reach in prop_oneof![0_usize..60, 150..300_usize],
        ) {
            let height = set.len() / width;
            let image = GrayImage::from_fn(width as u32, height as u32, |x, y| {
                Luma([u8::from(set[y as usize * width + x as usize])])
            });
            let expected = euclidean_squared_distance_transform(&image);
            // What was measured before leaves nothing behind.
            let mut distances = Distances::default();
            distances.squares(&[true; 50], 10, 9);
            let found = distances.squares(&set, width, reach);
            for (index, (found, expected)) in found.iter().zip(expected.iter()).enumerate() {
                let (found, far) = (f64::from(*found), (reach * reach) as f64);
                prop_assert!(found == *expected || found > far && *expected > far, "{}", index);
            }
        }
    }
}
