//! One channel of the frame so far: working pixels, their smoothing, and block statistics.

use senescope_hal::ChannelName;

use super::{config::Scale, plane::Plane, smooth};

/// How cells show in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// Cells are brighter than the medium.
    Bright,
    /// Cells are as often darker as brighter. Such a channel has a background but no say in what is a
    /// cell: its edges are those of debris and of uneven lines as well.
    Both,
}

impl Show {
    pub(super) fn of(name: &ChannelName) -> Self {
        if *name == ChannelName::trans() {
            Self::Both
        } else {
            Self::Bright
        }
    }
}

/// Mean and spread of the smoothed pixels of a block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    pub(super) mean: f32,
    pub(super) deviation: f32,
    /// At least half of its rows are there.
    pub(super) valid: bool,
}

/// All that is known of a channel in the present frame. Rows are working rows.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) show: Show,
    /// Mean counts.
    pub(super) counts: Plane<f32>,
    /// All rows of the frame that make up the working row are there.
    pub(super) valid: Vec<bool>,
    along: Plane<f32>,
    /// Smoothed counts.
    pub(super) signal: Plane<f32>,
    /// Blocks of the signal.
    pub(super) blocks: Plane<Block>,
    /// Shift, sum and sum of squares of each block of a row.
    sums: Vec<[f64; 3]>,
}

impl Channel {
    pub(super) fn new(show: Show, width: usize, height: usize, scale: &Scale) -> Self {
        Self {
            show,
            counts: Plane::new(width, height),
            valid: vec![false; height],
            along: Plane::new(width, height),
            signal: Plane::new(width, height),
            blocks: Plane::new(width.div_ceil(scale.block), height.div_ceil(scale.block)),
            sums: vec![[0.0; 3]; width.div_ceil(scale.block)],
        }
    }

    /// Smooths `row` along itself.
    pub(super) fn smooth_along(&mut self, row: usize, scale: &Scale) {
        let to = self.along.row_mut(row);
        smooth::along(&scale.kernel, self.counts.row(row), to);
    }

    /// Smooths across `row`. Needs the kernel's radius of rows smoothed along themselves below it.
    pub(super) fn smooth_across(&mut self, row: usize, scale: &Scale) {
        smooth::across(
            &scale.kernel,
            &self.along,
            &self.valid,
            row,
            self.signal.row_mut(row),
        );
    }

    /// Measures a row of blocks whose pixels are all smoothed.
    pub(super) fn measure_blocks(&mut self, block_row: usize, scale: &Scale) {
        let blocks = self.blocks.row_mut(block_row);
        let sums = &mut self.sums;
        measure(
            &self.signal,
            &self.valid,
            block_row,
            scale.block,
            sums,
            blocks,
        );
    }
}

/// Mean and spread of a row of blocks with edges of `edge` pixels.
fn measure(
    plane: &Plane<f32>,
    valid: &[bool],
    block_row: usize,
    edge: usize,
    sums: &mut [[f64; 3]],
    blocks: &mut [Block],
) {
    let first = block_row * edge;
    let last = (first + edge).min(valid.len());
    let rows = (first..last).filter(|row| valid[*row]).count();
    for (sums, pixels) in sums.iter_mut().zip(plane.row(first).chunks(edge)) {
        // Keeps the squares small beside the spread.
        *sums = [f64::from(pixels[0]), 0.0, 0.0];
    }
    // Row by row, so that the sums of one block do not wait for each other.
    for row in (first..last).filter(|row| valid[*row]) {
        for ([shift, sum, squares], pixels) in sums.iter_mut().zip(plane.row(row).chunks(edge)) {
            for value in pixels {
                let value = f64::from(*value) - *shift;
                *sum += value;
                *squares += value * value;
            }
        }
    }
    let width = plane.width();
    for (column, (block, [shift, sum, squares])) in blocks.iter_mut().zip(sums).enumerate() {
        let columns = edge.min(width - column * edge);
        let pixels = (rows * columns).max(1) as f64;
        let mean = *sum / pixels;
        *block = Block {
            mean: (mean + *shift) as f32,
            deviation: (*squares / pixels - mean * mean).max(0.0).sqrt() as f32,
            valid: rows > 0 && 2 * rows >= last - first,
        };
    }
}
