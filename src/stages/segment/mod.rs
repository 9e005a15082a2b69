//! Finds cells in a frame while its rows arrive.
//!
//! Contract: a cell is handed out at the latest [`SegmentConfig::look_ahead_rows`] after its own last row, and
//! with the last row of the frame at the latest; no later row changes it. What is said about a cell depends
//! only on the rows up to the one that decided it, never on how they arrived. Cells are numbered in the order
//! in which they are decided, and among those decided by one row in raster order.
//!
//! Steps, each with finite support in rows: averaging to working pixels, Gaussian smoothing, background
//! and noise from blocks around each row of blocks (or around the one that was last fitted to), a score from all channels, a threshold, connected
//! components, and in a component as far as it is known a watershed of its distance transform.
//!
//! Missing rows are background; a cell that touches one is flagged. A channel that is missing or in which
//! nothing stands out has no say. Units: counts as corrected, positions in pixels of the frame.
//!
//! Not done here: nothing is said about what a cell is, and nothing about debris beyond its size.

mod background;
mod borders;
mod channel;
mod components;
mod config;
mod cut;
mod foreground;
mod holes;
mod outline;
mod plane;
mod smooth;
mod split;
#[cfg(test)]
mod tests;

use senescope_hal::ChannelName;

use crate::{
    domain::{Cell, CellFlags, Pool, Pooled},
    stages::correct::CorrectedRow,
};
use background::{Background, Grid, Samples};
use channel::{Channel, Show};
use components::{Component, Labeller};
use config::Scale;
pub use config::{MAX_LOOK_AHEAD_UM, SegmentConfig, SegmentError};
use cut::{Desk, Piece};
use plane::Plane;

/// Most pixels of a frame.
const MAX_PIXELS: u64 = 1 << 26;
/// A background is fitted again when one of so many rows of blocks in its window is new.
const STEADY: usize = 8;
/// Lists of backgrounds that are kept for the cells to come.
const KEPT: usize = 64;

/// Segments the frames of one scan, one after the other.
#[derive(Debug)]
pub struct Segmenter {
    config: SegmentConfig,
    scale: Scale,
    width: u32,
    height: u32,
    channels: Vec<Channel>,
    /// Samples at the digitiser's limit in each working pixel, by channel.
    saturated: Vec<Plane<u16>>,
    /// Working rows in which at least one channel is there.
    present: Vec<bool>,
    /// Working rows in which all channels are there.
    whole: Vec<bool>,
    /// Backgrounds by row of blocks and channel.
    backgrounds: Vec<Vec<Option<Background>>>,
    grid: Grid,
    /// Of one working row.
    score: Vec<f32>,
    mask: Vec<bool>,
    labeller: Labeller,
    closed: Vec<Component>,
    /// Working pixels of the cells that were handed out.
    taken: Plane<bool>,
    samples: Samples,
    desk: Desk,
    levels: Pool<f32>,
    progress: Progress,
}

/// How far the present frame has come: the number of rows that each step has done.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    frame: u64,
    field: u32,
    begun: bool,
    /// Rows of the frame.
    rows: u32,
    /// Working rows.
    binned: usize,
    along: usize,
    across: usize,
    /// Rows of blocks.
    measured: usize,
    labelled: usize,
    /// The row of blocks around which backgrounds were last fitted.
    fitted: Option<usize>,
    /// Cells that were handed out.
    cells: u32,
}

impl Segmenter {
    /// A segmenter for frames of this geometry. Its memory is a small multiple of one frame.
    ///
    /// # Errors
    /// When a setting, the geometry or the number of channels is out of its range, or the look-ahead
    /// would be more than [`MAX_LOOK_AHEAD_UM`].
    pub fn new(
        config: &SegmentConfig,
        width: u32,
        height: u32,
        pixel_size_um: f64,
        channels: &[ChannelName],
    ) -> Result<Self, SegmentError> {
        let scale = Scale::new(config, pixel_size_um)?;
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels > MAX_PIXELS {
            return Err(SegmentError::Size {
                width,
                height,
                limit: MAX_PIXELS,
            });
        }
        if channels.is_empty() || channels.len() > 32 {
            return Err(SegmentError::Channels {
                channels: channels.len(),
            });
        }
        let columns = (width as usize).div_ceil(scale.bin);
        let rows = (height as usize).div_ceil(scale.bin);
        Ok(Self {
            config: config.clone(),
            width,
            height,
            channels: channels
                .iter()
                .map(|name| Channel::new(Show::of(name), columns, rows, &scale))
                .collect(),
            saturated: vec![Plane::new(columns, rows); channels.len()],
            present: vec![false; rows],
            whole: vec![false; rows],
            backgrounds: vec![vec![None; channels.len()]; rows.div_ceil(scale.block)],
            grid: Grid::new(columns, rows, scale.block),
            score: vec![0.0; columns],
            mask: vec![false; columns],
            labeller: Labeller::default(),
            closed: Vec::new(),
            taken: Plane::new(columns, rows),
            samples: Samples::default(),
            desk: Desk::default(),
            levels: Pool::new(KEPT, channels.len()),
            progress: Progress::default(),
            scale,
        })
    }

    /// How many rows below a cell's last one decide it at the latest.
    pub fn look_ahead_rows(&self) -> u32 {
        self.scale.look_ahead_rows()
    }

    /// Takes the next row and appends the cells that it decides to `found`.
    ///
    /// A row that was passed over counts as missing, one that comes again is ignored, and a row of another
    /// frame ends the present one.
    pub fn push_row(&mut self, row: &CorrectedRow<'_>, found: &mut Vec<Cell>) {
        if !self.progress.begun || self.progress.frame != row.frame {
            self.finish(found);
            self.begin(row.frame, row.field);
        }
        if row.index < self.progress.rows || row.index >= self.height {
            return;
        }
        while self.progress.rows < row.index {
            self.advance(None, found);
        }
        self.advance(Some(row), found);
    }

    /// Ends the present frame; the rows that it lacks are missing. Nothing happens when its last row was
    /// pushed.
    pub fn finish(&mut self, found: &mut Vec<Cell>) {
        while self.progress.begun && self.progress.rows < self.height {
            self.advance(None, found);
        }
    }

    fn begin(&mut self, frame: u64, field: u32) {
        self.progress = Progress {
            frame,
            field,
            begun: true,
            ..Progress::default()
        };
        self.labeller.reset();
        for channel in &mut self.channels {
            channel.valid.fill(false);
        }
        self.present.fill(false);
        self.whole.fill(false);
        self.taken.fill(false);
    }

    fn advance(&mut self, row: Option<&CorrectedRow<'_>>, found: &mut Vec<Cell>) {
        self.bin(row);
        self.progress.rows += 1;
        let last = self.progress.rows == self.height;
        if last || (self.progress.rows as usize).is_multiple_of(self.scale.bin) {
            self.progress.binned += 1;
            self.process(last, found);
        }
    }

    /// Adds a row to its working row.
    fn bin(&mut self, row: Option<&CorrectedRow<'_>>) {
        let bin = self.scale.bin;
        let target = self.progress.binned;
        let offset = self.progress.rows as usize - target * bin;
        let rows = bin.min(self.height as usize - target * bin);
        let width = self.width as usize;
        let (mut any, mut all) = (false, true);
        for (index, channel) in self.channels.iter_mut().enumerate() {
            let range = index * width..(index + 1) * width;
            let samples = row
                .filter(|row| row.present.has(index))
                .and_then(|row| row.values.get(range.clone()).zip(row.saturated.get(range)));
            let counts = channel.counts.row_mut(target);
            let saturated = self.saturated[index].row_mut(target);
            if offset == 0 {
                counts.fill(0.0);
                saturated.fill(0);
            }
            channel.valid[target] = samples.is_some() && (offset == 0 || channel.valid[target]);
            any |= channel.valid[target];
            all &= channel.valid[target];
            let Some((values, limits)) = samples else {
                continue;
            };
            // The usual widths are done with their loops unrolled.
            match bin {
                1 => add_binned_by::<1>(values, rows, counts),
                2 => add_binned_by::<2>(values, rows, counts),
                3 => add_binned_by::<3>(values, rows, counts),
                4 => add_binned_by::<4>(values, rows, counts),
                _ => add_binned(values.chunks(bin), rows, counts),
            }
            if row.is_some_and(|row| row.saturated_counts[index] > 0) {
                for (at_limit, limits) in saturated.iter_mut().zip(limits.chunks(bin)) {
                    *at_limit += limits.iter().map(|limit| u16::from(*limit)).sum::<u16>();
                }
            }
        }
        self.present[target] = any;
        self.whole[target] = all;
    }

    /// Does every step as far as the rows reach.
    fn process(&mut self, last: bool, found: &mut Vec<Cell>) {
        let total = self.taken.height();
        let reach = |done: usize, needs: usize| {
            if last {
                total
            } else {
                done.saturating_sub(needs)
            }
        };
        let along = self.progress.binned;
        let across = reach(along, self.scale.radius());
        let measured = if last {
            self.backgrounds.len()
        } else {
            across / self.scale.block
        };
        for channel in &mut self.channels {
            for row in self.progress.along..along {
                channel.smooth_along(row, &self.scale);
            }
            for row in self.progress.across..across {
                channel.smooth_across(row, &self.scale);
            }
            for row in self.progress.measured..measured {
                channel.measure_blocks(row, &self.scale);
            }
        }
        self.progress.along = along;
        self.progress.across = across;
        self.progress.measured = measured;
        let decidable = if measured == self.backgrounds.len() {
            measured
        } else {
            measured.saturating_sub(self.scale.ahead)
        };
        while self.progress.labelled < decidable {
            let block_row = self.progress.labelled;
            self.progress.labelled += 1;
            self.fit_backgrounds(block_row);
            let first = block_row * self.scale.block;
            for row in first..(first + self.scale.block).min(total) {
                self.label(row, block_row);
            }
            if last && block_row + 1 == self.backgrounds.len() {
                self.labeller.finish(&mut self.closed);
            }
            self.hand_out((first + self.scale.block).min(total), found);
        }
    }

    fn fit_backgrounds(&mut self, block_row: usize) {
        let first = block_row.saturating_sub(self.scale.behind);
        let last = (block_row + self.scale.ahead + 1).min(self.backgrounds.len());
        let (before, here) = self.backgrounds.split_at_mut(block_row);
        // And not used for rows that were not in its window.
        let often = ((last - first) / STEADY).clamp(1, self.scale.ahead + 1);
        let fitted = &mut self.progress.fitted;
        let again = fitted.is_none_or(|fitted| block_row - fitted >= often);
        if again {
            *fitted = Some(block_row);
        }
        for (index, channel) in self.channels.iter().enumerate() {
            if !again
                && let Some(before) = before.last()
                && before[index].is_some()
            {
                here[0][index] = before[index];
                continue;
            }
            self.samples.clear();
            for row in first..last {
                let blocks = channel.blocks.row(row);
                self.samples.add_row(&self.grid, row, blocks);
            }
            here[0][index] = match channel.show {
                Show::Bright => Background::fit(&mut self.samples),
                Show::Both => Background::through_middle(&mut self.samples),
            };
        }
    }

    /// The background of each channel in counts at a place in working coordinates, as it was known for the
    /// rows there; 0 for a channel of which nothing is known.
    fn background_at(&self, x: f64, y: f64) -> Pooled<Vec<f32>> {
        let block_row = (y.max(0.0) as usize / self.scale.block).min(self.backgrounds.len() - 1);
        let (x, y) = (self.grid.x(x), self.grid.y(y));
        let mut levels = self.levels.take();
        levels.reserve_exact(self.channels.len());
        let backgrounds = self.backgrounds[block_row].iter();
        levels.extend(backgrounds.map(|known| known.map_or(0.0, |known| known.level.level(x, y))));
        self.levels.lend(levels)
    }

    fn label(&mut self, row: usize, block_row: usize) {
        let backgrounds = &self.backgrounds[block_row];
        let looks = self
            .channels
            .iter()
            .zip(backgrounds)
            .filter_map(|(channel, background)| {
                let background = (*background)?;
                channel.valid[row].then(|| foreground::Look {
                    signal: channel.signal.row(row),
                    background,
                })
            });
        let (columns, y) = (self.grid.columns(), self.grid.y(row as f64));
        let scores = &mut self.score;
        match foreground::score(&self.config, looks, columns, y, scores) {
            Some(threshold) => {
                for (pixel, score) in self.mask.iter_mut().zip(scores) {
                    *pixel = *score > threshold;
                }
            }
            None => self.mask.fill(false),
        }
        self.labeller.push(&self.mask, &mut self.closed);
    }

    /// Cuts the components as far as they are known and hands out their cells.
    fn hand_out(&mut self, labelled: usize, found: &mut Vec<Cell>) {
        let frame = cut::Frame {
            width: self.width,
            height: self.height,
            present: &self.present,
            taken: &self.taken,
            labelled,
        };
        let (config, scale) = (&self.config, &self.scale);
        for mut component in self.closed.drain(..) {
            self.desk.cut(&mut component, false, &frame, config, scale);
            self.labeller.take_back(component);
        }
        for component in self.labeller.open() {
            self.desk.cut(component, true, &frame, config, scale);
        }
        for run in self.desk.taken.drain(..) {
            self.taken.row_mut(run.row)[run.start..run.end].fill(true);
        }
        // No two begin with the same pixel.
        let first = |piece: &Piece| piece.outline.first().map_or([0, 0], |[x, y]| [*y, *x]);
        let mut pieces = std::mem::take(&mut self.desk.pieces);
        pieces.sort_unstable_by_key(first);
        for piece in pieces.drain(..) {
            found.push(self.cell(piece));
            self.progress.cells += 1;
        }
        self.desk.pieces = pieces;
    }

    fn cell(&self, piece: Piece) -> Cell {
        let bin = self.scale.bin;
        let rows = piece.bbox.y as usize / bin..(piece.bbox.bottom() as usize).div_ceil(bin);
        // The rows next to the cell count: the cell may have gone on there.
        let near = rows.start.saturating_sub(1)..(rows.end + 1).min(self.whole.len());
        let [x, y] = piece.centroid_px.map(|at| (at + 0.5) / bin as f64 - 0.5);
        let flags = CellFlags {
            touches_border: piece.bbox.x == 0
                || piece.bbox.y == 0
                || piece.bbox.right() == self.width
                || piece.bbox.bottom() == self.height,
            incomplete: !self.whole[near].iter().all(|whole| *whole),
            saturated: self.is_saturated(&piece),
            ..CellFlags::default()
        };
        Cell {
            frame: self.progress.frame,
            field: self.progress.field,
            id: self.progress.cells,
            bbox: piece.bbox,
            background: self.background_at(x, y),
            decided_row: self.progress.rows - 1,
            flags,
            mask: piece.mask,
            centroid_px: piece.centroid_px,
            area_px: piece.area_px,
            outline: piece.outline,
        }
    }

    fn is_saturated(&self, piece: &Piece) -> bool {
        let bin = self.scale.bin;
        let (x, y) = (piece.bbox.x as usize, piece.bbox.y as usize);
        self.saturated.iter().any(|plane| {
            // The box of a cell begins with a whole working pixel.
            let rows = piece.mask.outer_iter().step_by(bin).zip(y / bin..);
            let at_limit: u64 = rows
                .flat_map(|(mask, row)| {
                    let pixels = mask
                        .into_iter()
                        .step_by(bin)
                        .zip(&plane.row(row)[x / bin..]);
                    pixels.filter_map(|(inside, at_limit)| inside.then_some(u64::from(*at_limit)))
                })
                .sum();
            at_limit as f64 >= self.config.saturated_part * f64::from(piece.area_px)
        })
    }
}

/// [`add_binned`] for working pixels of `BIN` pixels.
fn add_binned_by<const BIN: usize>(samples: &[f32], rows: usize, counts: &mut [f32]) {
    let (whole, rest) = samples.as_chunks::<BIN>();
    add_binned(whole, rows, counts);
    if let Some(last) = counts.get_mut(whole.len()..) {
        add_binned(rest.chunks(BIN), rows, last);
    }
}

/// Adds the means of a row's samples to their working pixels, of which it is one of `rows`.
fn add_binned<'a, S: AsRef<[f32]> + 'a>(
    samples: impl IntoIterator<Item = S>,
    rows: usize,
    counts: &mut [f32],
) {
    for (count, samples) in counts.iter_mut().zip(samples) {
        let samples = samples.as_ref();
        let part = (samples.len() * rows) as f32;
        *count += samples.iter().sum::<f32>() / part;
    }
}
