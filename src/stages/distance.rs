//! How far each pixel is from the nearest one of a set: the exact squared Euclidean distance, in time that is linear
//! in the pixels (Felzenszwalb & Huttenlocher, Theory of Computing 8:415 (2012)).
//!
//! Distances down the columns first, then the lower envelope of their parabolas along each row. A run of pixels
//! between two of the set is done for itself: nothing beyond the set is nearer.

/// No pixel of the set in this column; what is added to it stays below the greatest number.
const NONE: i32 = 1 << 30;

/// Working memory for one image after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distances {
    columns: Vec<i32>,
    envelope: Vec<Parabola>,
    squares: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Parabola {
    at: f64,
    /// Its value at `at`.
    least: f64,
    /// Where it begins to be the lowest.
    from: f64,
}

impl Distances {
    /// The squared distance of each pixel of an image with rows of `width` pixels to the nearest one where `set`
    /// holds; the greatest number when there is none, or when it is further.
    pub(crate) fn squares(&mut self, set: &[bool], width: usize) -> &[u32] {
        self.squares.clear();
        self.squares.resize(set.len(), 0);
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
                envelope(&mut self.envelope, columns, squares, start..end);
                start = end;
            }
        }
        &self.squares
    }

    /// The distance to the nearest pixel of the set in the same column.
    fn down_columns(&mut self, set: &[bool], width: usize) {
        let columns = &mut self.columns;
        columns.clear();
        columns.extend(set.iter().map(|of_set| if *of_set { 0 } else { NONE }));
        let height = set.len() / width;
        for row in 1..height {
            let (above, below) = columns.split_at_mut(row * width);
            nearer(&above[(row - 1) * width..], &mut below[..width]);
        }
        for row in (1..height).rev() {
            let (above, below) = columns.split_at_mut(row * width);
            nearer(&below[..width], &mut above[(row - 1) * width..]);
        }
    }
}

fn nearer(from: &[i32], to: &mut [i32]) {
    for (to, from) in to.iter_mut().zip(from) {
        // Far from the greatest number.
        *to = (*to).min(from.wrapping_add(1));
    }
}

/// The squares of a run of pixels that are not of the set, from the distances down the columns of the row.
fn envelope(
    envelope: &mut Vec<Parabola>,
    columns: &[i32],
    squares: &mut [u32],
    run: std::ops::Range<usize>,
) {
    // The pixels of the set at its ends count.
    let first = run.start.saturating_sub(1);
    let last = (run.end + 1).min(columns.len());
    envelope.clear();
    for (at, distance) in columns[first..last].iter().enumerate() {
        if *distance >= NONE {
            continue;
        }
        // Whole numbers that a float holds exactly.
        let (at, distance) = ((first + at) as f64, f64::from(*distance));
        let mut added = Parabola {
            at,
            least: distance * distance,
            from: f64::NEG_INFINITY,
        };
        while let Some(top) = envelope.last() {
            let rise = (added.least + at * at) - (top.least + top.at * top.at);
            added.from = rise / (2.0 * (at - top.at));
            if added.from > top.from {
                break;
            }
            envelope.pop();
        }
        envelope.push(added);
    }
    let mut lowest = envelope.iter().peekable();
    let mut current = lowest.next();
    for (at, square) in run.clone().zip(&mut squares[run]) {
        let at = at as f64;
        while let Some(next) = lowest.next_if(|next| next.from < at) {
            current = Some(next);
        }
        *square = current.map_or(u32::MAX, |lowest| {
            let along = at - lowest.at;
            // What is further than a number can say is cut off there.
            (along * along + lowest.least) as u32
        });
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};
    use imageproc::distance_transform::euclidean_squared_distance_transform;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_imageproc(
            (width, set) in (1_usize..40, 0.0..1.0_f64).prop_flat_map(|(width, part)| {
                let row = proptest::collection::vec(proptest::bool::weighted(part * part), width);
                let rows = proptest::collection::vec(row, 1..40);
                (Just(width), rows.prop_map(|rows| rows.concat()))
            })
        ) {
            let height = set.len() / width;
            let image = GrayImage::from_fn(width as u32, height as u32, |x, y| {
                Luma([u8::from(set[y as usize * width + x as usize])])
            });
            let expected = euclidean_squared_distance_transform(&image);
            // What was measured before leaves nothing behind.
            let mut distances = Distances::default();
            distances.squares(&[true; 50], 10);
            let found = distances.squares(&set, width);
            for (index, (found, expected)) in found.iter().zip(expected.iter()).enumerate() {
                let found = if *found == u32::MAX { f64::INFINITY } else { f64::from(*found) };
                prop_assert_eq!(found, *expected, "{}", index);
            }
        }
    }
}
