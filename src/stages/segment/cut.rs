//! Makes cells of a component: fills holes, parts touching cells, and measures each.
//!
//! Of a component that goes on in the rows to come, the parts that end far enough above them are cut off,
//! and the rest waits.

use image::{GrayImage, Luma};
use imageproc::contours::{BorderType, Contour, find_contours};
use ndarray::Array2;

use super::{
    components::{Component, Run},
    config::{Scale, SegmentConfig},
    plane::Plane,
    split::{self, Necks, Window},
};
use crate::domain::Rect;

/// The mask of a cell in pixels of the frame.
pub(super) struct Piece {
    pub(super) bbox: Rect,
    pub(super) mask: Array2<bool>,
    pub(super) area_px: u32,
    pub(super) centroid_px: [f64; 2],
    pub(super) outline: Vec<[u32; 2]>,
}

/// The frame in which a component lies, in pixels and in working rows.
pub(super) struct Frame<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Working rows with samples.
    pub(super) present: &'a [bool],
    pub(super) score: &'a Plane<f32>,
    /// Working pixels of the cells that were handed out.
    pub(super) taken: &'a Plane<bool>,
    /// Working rows that are labelled.
    pub(super) labelled: usize,
}

/// What a component comes to.
#[derive(Default)]
pub(super) struct Cut {
    /// The cells, in raster order of their first pixels.
    pub(super) pieces: Vec<Piece>,
    /// Their working pixels.
    pub(super) taken: Vec<Run>,
    /// What waits for the rows to come.
    pub(super) rest: Component,
}

/// The component in a box with one pixel of margin on each side.
struct Patch {
    left: usize,
    top: usize,
    inside: Plane<bool>,
    /// Neither inside the component nor beyond the frame.
    outside: Plane<bool>,
}

/// Cuts a component into cells. An `open` one goes on in the rows to come.
pub(super) fn cut(
    component: Component,
    open: bool,
    frame: &Frame<'_>,
    config: &SegmentConfig,
    scale: &Scale,
) -> Cut {
    let pixel_um2 = scale.working_um * scale.working_um;
    let pixels: usize = component.iter().map(|run| run.end - run.start).sum();
    // Filling cannot make a cell of a speck: no hole is larger than what surrounds it by this much.
    let speck = (pixels as f64) * pixel_um2 * 4.0 < config.min_area_um2;
    let settled = if open {
        frame.labelled.saturating_sub(scale.settled)
    } else {
        usize::MAX
    };
    let begun = component.iter().any(|run| run.row < settled);
    let worth = begun && !speck;
    let patch = worth.then(|| Patch::new(&component, open, frame, scale.unseen));
    let Some(mut patch) = patch.flatten() else {
        return Cut {
            rest: if open { component } else { Component::new() },
            ..Cut::default()
        };
    };
    patch.fill_holes(frame, (config.max_hole_um2 / pixel_um2) as usize);
    let landscape = split::distances(&patch.inside, &patch.outside);
    let necks = Necks {
        fraction: config.split_neck as f32,
        depth: (config.split_depth_um / scale.working_um) as f32,
        least_pixels: (config.min_area_um2 / pixel_um2) as usize,
    };
    let late = frame.labelled.saturating_sub(scale.settled + scale.block);
    let window = Window {
        late: patch.row_of(late),
        growing: patch.row_of(settled),
    };
    let overdue = patch.row_of(frame.labelled.saturating_sub(scale.tallest));
    let parts = split::part(&landscape, necks, window);
    let pixel_um2 = pixel_um2 / (scale.bin * scale.bin) as f64;
    let mut cut = Cut::default();
    for (label, bounds) in (1..).zip(parts.bounds) {
        let part = |row: usize, column: usize| parts.labels.row(row)[column] == label;
        let [_, top, _, bottom] = bounds;
        if bottom > window.growing && top >= overdue {
            cut.rest.extend(patch.runs(part, bounds));
            continue;
        }
        let piece = measure(part, bounds, [patch.left, patch.top], frame, scale.bin)
            .filter(|piece| f64::from(piece.area_px) * pixel_um2 >= config.min_area_um2);
        if let Some(piece) = piece {
            cut.taken.extend(patch.runs(part, bounds));
            cut.pieces.push(piece);
        }
    }
    cut
}

impl Patch {
    fn new(component: &Component, open: bool, frame: &Frame<'_>, unseen: usize) -> Option<Self> {
        let top = component.iter().map(|run| run.row).min()?;
        let last = component.iter().map(|run| run.row).max()?;
        let left = component.iter().map(|run| run.start).min()?;
        let right = component.iter().map(|run| run.end).max()?;
        // Rows whose pixels are known, and the row at which the component ends at the latest.
        let (known, end) = if open {
            (frame.labelled, frame.labelled + unseen)
        } else {
            (last + 2, last + 1)
        };
        let (width, height) = (right - left + 2, end - top + 2);
        let mut inside = Plane::new(width, height);
        let mut outside = Plane::new(width, height);
        for run in component {
            inside.row_mut(run.row - top + 1)[run.start - left + 1..run.end - left + 1].fill(true);
        }
        for row in 0..height {
            let at = row + top;
            if !(1..=frame.score.height()).contains(&at) || (at > known && at <= end) {
                continue;
            }
            let target = outside.row_mut(row).iter_mut().zip(inside.row(row));
            for (column, (outside, inside)) in target.enumerate() {
                let in_frame = (1..=frame.score.width()).contains(&(column + left));
                *outside = in_frame
                    && !inside
                    && !(at <= known && frame.taken.row(at - 1)[column + left - 1]);
            }
        }
        Some(Self {
            left,
            top,
            inside,
            outside,
        })
    }

    /// The row of the patch that shows a working row.
    fn row_of(&self, row: usize) -> usize {
        row.saturating_add(1).saturating_sub(self.top)
    }

    /// The working pixels of a part of the patch within `bounds` (left, top, right, bottom, the last two
    /// excluded).
    fn runs(&self, part: impl Fn(usize, usize) -> bool, bounds: [usize; 4]) -> Vec<Run> {
        let [left, top, right, bottom] = bounds;
        let mut runs = Vec::new();
        for row in top..bottom {
            let mut column = left;
            while column < right {
                let start = column;
                while column < right && part(row, column) {
                    column += 1;
                }
                if column > start {
                    runs.push(Run {
                        row: row + self.top - 1,
                        start: start + self.left - 1,
                        end: column + self.left - 1,
                    });
                }
                column += 1;
            }
        }
        runs
    }

    /// Fills what is enclosed by the component, has at most `most` pixels and no missing row.
    fn fill_holes(&mut self, frame: &Frame<'_>, most: usize) {
        let (width, height) = (self.inside.width(), self.inside.height());
        let mut seen = self.inside.clone();
        let mut hole = Vec::new();
        for start in 0..width * height {
            if seen.row(start / width)[start % width] {
                continue;
            }
            let mut enclosed = true;
            hole.clear();
            hole.push(start);
            seen.row_mut(start / width)[start % width] = true;
            let mut next = 0;
            while let Some(pixel) = hole.get(next).copied() {
                next += 1;
                let (row, column) = (pixel / width, pixel % width);
                let missing = |row: usize| !frame.present.get(row).is_some_and(|present| *present);
                if row == 0
                    || column == 0
                    || row + 1 == height
                    || column + 1 == width
                    || !self.outside.row(row)[column]
                    || missing(self.top + row - 1)
                {
                    enclosed = false;
                }
                let near = [
                    (row.wrapping_sub(1), column),
                    (row, column.wrapping_sub(1)),
                    (row, column + 1),
                    (row + 1, column),
                ];
                for (row, column) in near {
                    if row < height && column < width && !seen.row(row)[column] {
                        seen.row_mut(row)[column] = true;
                        hole.push(row * width + column);
                    }
                }
            }
            if enclosed && hole.len() <= most {
                for pixel in &hole {
                    self.inside.row_mut(pixel / width)[pixel % width] = true;
                    self.outside.row_mut(pixel / width)[pixel % width] = false;
                }
            }
        }
    }
}

/// Measures the part of a patch within `bounds` (left, top, right, bottom, the last two excluded) in
/// pixels of the frame. `origin` is where the patch without its margin begins.
fn measure(
    part: impl Fn(usize, usize) -> bool,
    bounds: [usize; 4],
    origin: [usize; 2],
    frame: &Frame<'_>,
    bin: usize,
) -> Option<Piece> {
    let [left, top, right, bottom] = bounds;
    // The margin is one pixel.
    let to_frame = |at: usize, origin: usize, limit: u32| {
        u32::try_from((at + origin).saturating_sub(1) * bin).map_or(limit, |at| at.min(limit))
    };
    let x = to_frame(left, origin[0], frame.width);
    let y = to_frame(top, origin[1], frame.height);
    let bbox = Rect {
        x,
        y,
        width: to_frame(right, origin[0], frame.width) - x,
        height: to_frame(bottom, origin[1], frame.height) - y,
    };
    let shape = (bbox.height as usize, bbox.width as usize);
    let mask = Array2::from_shape_fn(shape, |(row, column)| {
        part(top + row / bin, left + column / bin)
    });
    let (mut area_px, mut sum) = (0_u32, [0_u64; 2]);
    for ((row, column), _) in mask.indexed_iter().filter(|(_, inside)| **inside) {
        area_px += 1;
        sum[0] += column as u64;
        sum[1] += row as u64;
    }
    if area_px == 0 {
        return None;
    }
    let centre = |sum: u64, start: u32| f64::from(start) + sum as f64 / f64::from(area_px);
    Some(Piece {
        bbox,
        area_px,
        centroid_px: [centre(sum[0], x), centre(sum[1], y)],
        outline: outline(&mask, bbox),
        mask,
    })
}

/// The outer boundary of a mask in one piece, in pixels of the frame.
fn outline(mask: &Array2<bool>, bbox: Rect) -> Vec<[u32; 2]> {
    // The border follower needs background around the shape.
    let image = GrayImage::from_fn(bbox.width + 2, bbox.height + 2, |x, y| {
        let at = (y as usize).checked_sub(1).zip((x as usize).checked_sub(1));
        let inside = at.and_then(|at| mask.get(at)).is_some_and(|inside| *inside);
        Luma([u8::from(inside)])
    });
    let contours: Vec<Contour<u32>> = find_contours(&image);
    contours
        .into_iter()
        .filter(|contour| contour.border_type == BorderType::Outer)
        .max_by_key(|contour| contour.points.len())
        .map(|contour| {
            contour
                .points
                .iter()
                .map(|point| [point.x + bbox.x - 1, point.y + bbox.y - 1])
                .collect()
        })
        .unwrap_or_default()
}
