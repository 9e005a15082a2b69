//! Makes cells of a component: fills holes, parts touching cells, and measures each.
//!
//! Of a component that goes on in the rows to come, the parts that end far enough above them are cut off,
//! and the rest waits.

use ndarray::Array2;

use super::{
    components::{Component, Run},
    config::{Scale, SegmentConfig},
    holes::Holes,
    outline,
    plane::Plane,
    split::{Necks, Parting, Window},
};
use crate::domain::{Pool, Pooled, Rect};

/// Masks and outlines that are kept for the cells to come.
const KEPT: usize = 64;
/// Most pixels of a mask that is kept.
const LARGEST_KEPT: usize = 1 << 20;

/// The mask of a cell in pixels of the frame.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bbox: Rect,
    pub(super) mask: Pooled<Array2<bool>>,
    pub(super) area_px: u32,
    pub(super) centroid_px: [f64; 2],
    pub(super) outline: Pooled<Vec<[u32; 2]>>,
}

/// The frame in which a component lies, in pixels and in working rows.
pub(super) struct Frame<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Working rows with samples.
    pub(super) present: &'a [bool],
    /// Working pixels of the cells that were handed out.
    pub(super) taken: &'a Plane<bool>,
    /// Working rows that are labelled.
    pub(super) labelled: usize,
}

/// Where components are cut, one after the other; it holds what they come to.
#[derive(Debug)]
pub(super) struct Desk {
    /// The cells, those of a component in raster order of their first pixels.
    pub(super) pieces: Vec<Piece>,
    /// Their working pixels.
    pub(super) taken: Vec<Run>,
    patch: Patch,
    holes: Holes,
    parting: Parting,
    masks: Pool<bool>,
    outlines: Pool<[u32; 2]>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            taken: Vec::new(),
            patch: Patch::default(),
            holes: Holes::default(),
            parting: Parting::default(),
            masks: Pool::new(KEPT, LARGEST_KEPT),
            outlines: Pool::new(KEPT, LARGEST_KEPT),
        }
    }
}

/// The component in a box with one pixel of margin on each side.
#[derive(Debug, Default)]
struct Patch {
    left: usize,
    top: usize,
    inside: Plane<bool>,
    /// Neither inside the component nor beyond the frame.
    outside: Plane<bool>,
}

impl Desk {
    /// Cuts a component into cells. An `open` one goes on in the rows to come: what waits for them is left of it.
    pub(super) fn cut(
        &mut self,
        component: &mut Component,
        open: bool,
        frame: &Frame<'_>,
        config: &SegmentConfig,
        scale: &Scale,
    ) {
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
        if !worth || !self.patch.show(component, open, frame, scale.unseen) {
            if !open {
                component.clear();
            }
            return;
        }
        let patch = &mut self.patch;
        let top = patch.top;
        self.holes.fill(
            &mut patch.inside,
            &mut patch.outside,
            (config.max_hole_um2 / pixel_um2) as usize,
            |row| frame.present.get(top + row - 1).is_some_and(|row| *row),
        );
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
        self.parting.measure(&patch.inside, &patch.outside);
        // The first row of a patch is empty.
        let waits = open && overdue <= 1;
        if waits && self.parting.goes_on(&patch.inside, necks, window.growing) {
            return;
        }
        self.parting.part(&patch.inside, necks, window);
        let pixel_um2 = pixel_um2 / (scale.bin * scale.bin) as f64;
        component.clear();
        for (label, bounds) in (1..).zip(self.parting.bounds()) {
            let [_, top, _, bottom] = *bounds;
            let labels = self.parting.labels();
            if bottom > window.growing && top >= overdue {
                self.patch.runs(labels, label, *bounds, component);
                continue;
            }
            let first = self.taken.len();
            self.patch.runs(labels, label, *bounds, &mut self.taken);
            let measured = self.measure(first, frame, scale.bin);
            match measured {
                Some(measured)
                    if f64::from(measured.area_px) * pixel_um2 >= config.min_area_um2 =>
                {
                    let piece = self.draw(first, measured, scale.bin);
                    self.pieces.push(piece);
                }
                _ => self.taken.truncate(first),
            }
        }
    }

    /// Measures what was taken from the run `first` on, in pixels of the frame.
    fn measure(&self, first: usize, frame: &Frame<'_>, bin: usize) -> Option<Measured> {
        let runs = &self.taken[first..];
        let left = runs.iter().map(|run| run.start).min()?;
        let right = runs.iter().map(|run| run.end).max()?;
        let (top, bottom) = (runs.first()?.row, runs.last()?.row + 1);
        let to_frame =
            |at: usize, limit: u32| u32::try_from(at * bin).map_or(limit, |at| at.min(limit));
        let (x, y) = (to_frame(left, frame.width), to_frame(top, frame.height));
        let bbox = Rect {
            x,
            y,
            width: to_frame(right, frame.width) - x,
            height: to_frame(bottom, frame.height) - y,
        };
        let (mut area, mut sum) = (0_u64, [0_u64; 2]);
        for run in runs {
            let span = |start: usize, end: usize, limit: u32| {
                let [start, end] = [start, end].map(|at| u64::from(to_frame(at, limit)));
                // Their number, and the sum of their coordinates.
                let count = end - start;
                (count, count * (start + end).saturating_sub(1) / 2)
            };
            let (columns, of_columns) = span(run.start, run.end, frame.width);
            let (rows, of_rows) = span(run.row, run.row + 1, frame.height);
            area += columns * rows;
            sum[0] += of_columns * rows - u64::from(x) * columns * rows;
            sum[1] += of_rows * columns - u64::from(y) * columns * rows;
        }
        // A frame has fewer pixels.
        let area_px = u32::try_from(area).ok().filter(|area| *area > 0)?;
        let centre = |sum: u64, start: u32| f64::from(start) + sum as f64 / f64::from(area_px);
        Some(Measured {
            bbox,
            area_px,
            centroid_px: [centre(sum[0], x), centre(sum[1], y)],
        })
    }

    /// Draws what was taken from the run `first` on.
    fn draw(&self, first: usize, measured: Measured, bin: usize) -> Piece {
        let Measured {
            bbox,
            area_px,
            centroid_px,
        } = measured;
        let (left, top) = (bbox.x as usize, bbox.y as usize);
        let (width, height) = (bbox.width as usize, bbox.height as usize);
        let mut bits = self.masks.take();
        bits.resize(width * height, false);
        for run in &self.taken[first..] {
            let rows = run.row * bin - top..((run.row + 1) * bin - top).min(height);
            let columns = run.start * bin - left..(run.end * bin - left).min(width);
            for row in rows {
                bits[row * width..(row + 1) * width][columns.clone()].fill(true);
            }
        }
        // There are as many as the shape says.
        let mask = Array2::from_shape_vec((height, width), bits).unwrap_or_default();
        let mut points = self.outlines.take();
        outline::follow(&mask, &mut points);
        for [x, y] in &mut points {
            *x += bbox.x;
            *y += bbox.y;
        }
        Piece {
            bbox,
            area_px,
            centroid_px,
            mask: self.masks.lend(mask),
            outline: self.outlines.lend(points),
        }
    }
}

/// Size and place of a piece in pixels of the frame.
struct Measured {
    bbox: Rect,
    area_px: u32,
    centroid_px: [f64; 2],
}

impl Patch {
    /// Shows a component; false when it has no pixels.
    fn show(
        &mut self,
        component: &Component,
        open: bool,
        frame: &Frame<'_>,
        unseen: usize,
    ) -> bool {
        let (mut rows, mut columns) = ([usize::MAX, 0], [usize::MAX, 0]);
        for run in component {
            rows = [rows[0].min(run.row), rows[1].max(run.row)];
            columns = [columns[0].min(run.start), columns[1].max(run.end)];
        }
        if component.is_empty() {
            return false;
        }
        let ([top, last], [left, right]) = (rows, columns);
        // Rows whose pixels are known, and the row at which the component ends at the latest.
        let (known, end) = if open {
            (frame.labelled, frame.labelled + unseen)
        } else {
            (last + 2, last + 1)
        };
        let (width, height) = (right - left + 2, end - top + 2);
        (self.left, self.top) = (left, top);
        self.inside.reshape(width, height);
        self.outside.reshape(width, height);
        for run in component {
            let row = self.inside.row_mut(run.row - top + 1);
            row[run.start - left + 1..run.end - left + 1].fill(true);
        }
        // The columns of the patch that lie in the frame.
        let taken = frame.taken;
        let shown = usize::from(left == 0)..width.min(taken.width() + 1 - left);
        for row in 0..height {
            let at = row + top;
            if !(1..=taken.height()).contains(&at) || (at > known && at <= end) {
                continue;
            }
            let outside = &mut self.outside.row_mut(row)[shown.clone()];
            let inside = &self.inside.row(row)[shown.clone()];
            for (outside, inside) in outside.iter_mut().zip(inside) {
                *outside = !inside;
            }
            if at <= known {
                let taken = &taken.row(at - 1)[shown.start + left - 1..shown.end + left - 1];
                for (outside, taken) in outside.iter_mut().zip(taken) {
                    *outside &= !taken;
                }
            }
        }
        true
    }

    /// The row of the patch that shows a working row.
    fn row_of(&self, row: usize) -> usize {
        row.saturating_add(1).saturating_sub(self.top)
    }

    /// Appends the working pixels of the part `label` within `bounds` (left, top, right, bottom, the last two
    /// excluded) to `runs`.
    fn runs(&self, labels: &Plane<u32>, label: u32, bounds: [usize; 4], runs: &mut Vec<Run>) {
        let [left, top, right, bottom] = bounds;
        for row in top..bottom {
            let line = &labels.row(row)[left..right];
            let mut column = 0;
            while let Some(skipped) = line[column..].iter().position(|at| *at == label) {
                let start = column + skipped;
                let length = line[start..].iter().take_while(|at| **at == label).count();
                column = start + length;
                runs.push(Run {
                    row: row + self.top - 1,
                    start: left + start + self.left - 1,
                    end: left + column + self.left - 1,
                });
            }
        }
    }
}
