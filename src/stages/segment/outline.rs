//! The outer boundary of a mask in one piece.
//!
//! Border following as in Suzuki & Abe, CVGIP 30:32 (1985): from the first pixel in raster order, its neighbours in
//! the eight directions counter-clockwise.

use ndarray::Array2;

/// The eight neighbours clockwise from the left one: columns to the right and rows down.
const AROUND: [[isize; 2]; 8] = [
    [-1, 0],
    [-1, -1],
    [0, -1],
    [1, -1],
    [1, 0],
    [1, 1],
    [0, 1],
    [-1, 1],
];

/// Appends the boundary pixels of `mask` (column, row) to `points`, each as often as the boundary passes it; the last
/// is followed by the first. Of a mask in several pieces it is that of the one with the first pixel.
pub(super) fn follow(mask: &Array2<bool>, points: &mut Vec<[u32; 2]>) {
    let (height, width) = mask.dim();
    let inside = mask.as_slice().unwrap_or_default();
    let Some(first) = inside.iter().position(|inside| *inside) else {
        return;
    };
    let first = [first % width, first / width];
    let near = |[x, y]: [usize; 2], direction: usize| {
        let [right, down] = AROUND[direction];
        let (x, y) = (x.wrapping_add_signed(right), y.wrapping_add_signed(down));
        (x < width && y < height && inside[y * width + x]).then_some([x, y])
    };
    // A mask fits into a frame, whose edges have 32 bits.
    let point = |[x, y]: [usize; 2]| [x as u32, y as u32];
    let Some(begin) = (0..AROUND.len()).find(|direction| near(first, *direction).is_some()) else {
        points.push(point(first));
        return;
    };
    // The direction in which the boundary came to its present pixel, seen from there.
    let (mut at, mut from) = (first, begin);
    loop {
        points.push(point(at));
        let next = (1..=AROUND.len())
            .map(|turn| (from + AROUND.len() - turn) % AROUND.len())
            .find_map(|direction| Some((near(at, direction)?, direction)));
        // There is the one that it came from.
        let Some((next, direction)) = next else {
            return;
        };
        let back = (direction + AROUND.len() / 2) % AROUND.len();
        if next == first && back == begin {
            return;
        }
        (at, from) = (next, back);
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};
    use imageproc::contours::{BorderType, Contour, find_contours};
    use proptest::prelude::*;

    use super::*;

    /// The piece of a random mask that has its first pixel, neighbours in rows and columns connected.
    fn piece(mut mask: Array2<bool>) -> Array2<bool> {
        let mut piece = Array2::from_elem(mask.dim(), false);
        let first = mask.indexed_iter().find(|(_, inside)| **inside);
        let mut todo: Vec<_> = first.map(|(at, _)| at).into_iter().collect();
        while let Some((y, x)) = todo.pop() {
            if mask.get((y, x)) == Some(&true) {
                mask[(y, x)] = false;
                piece[(y, x)] = true;
                todo.extend([(y + 1, x), (y, x + 1)]);
                todo.extend(y.checked_sub(1).map(|y| (y, x)));
                todo.extend(x.checked_sub(1).map(|x| (y, x)));
            }
        }
        piece
    }

    proptest! {
        #[test]
        fn it_is_the_outer_contour_of_imageproc(
            mask in (1_usize..24, 1_usize..24, 0.3..1.0_f64).prop_flat_map(|(height, width, part)| {
                proptest::collection::vec(proptest::bool::weighted(part), height * width)
                    .prop_map(move |bits| Array2::from_shape_vec((height, width), bits).unwrap())
            })
        ) {
            let mask = piece(mask);
            let (height, width) = mask.dim();
            // The border follower of imageproc needs background around the shape.
            let image = GrayImage::from_fn(width as u32 + 2, height as u32 + 2, |x, y| {
                let at = (y as usize).checked_sub(1).zip((x as usize).checked_sub(1));
                Luma([u8::from(at.and_then(|at| mask.get(at)) == Some(&true))])
            });
            let contours: Vec<Contour<u32>> = find_contours(&image);
            let expected: Vec<_> = contours
                .into_iter()
                .filter(|contour| contour.border_type == BorderType::Outer)
                .max_by_key(|contour| contour.points.len())
                .map(|contour| contour.points.iter().map(|p| [p.x - 1, p.y - 1]).collect())
                .unwrap_or_default();
            let mut found = Vec::new();
            follow(&mask, &mut found);
            prop_assert_eq!(found, expected);
        }
    }
}
