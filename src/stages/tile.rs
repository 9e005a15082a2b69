//! Cuts the tile of a cell: a square of fixed physical size around it, masked to it, normalised and
//! resampled to the networks' pixels.
//!
//! The square is centred on the middle of the cell's bounding box, so that whatever fits in is whole. Its
//! image fades to the background beyond a margin around the cell: what a tile shows is the cell's own, and
//! no row after [`Cell::decided_row`] is read, so that a tile cannot depend on what is scanned later. Rows
//! that are missing are background. Order: subtract background and scale ([`Rule`]), fade, resample (area
//! average when shrinking, bilinear when enlarging), clip to [−1, 1]; sums are float64 in a fixed order.
//!
//! Raw counts go in; flat fields are not applied.

mod fade;
mod resample;

use std::sync::Arc;

use ndarray::Array3;
use senescope_hal::{ChannelInfo, ChannelName, ScanActual};
use thiserror::Error;

use crate::{
    domain::{Cell, Pool, Rect, Tile, TileWindow},
    stages::infer::{Manifest, Rule},
};

use fade::Fade;
use resample::Resampler;
pub(crate) use resample::noise_correlation;

/// Smallest and largest pixel in µm that tiles are cut from.
pub const PIXEL_SIZE_UM: [f64; 2] = [0.02, 5.0];

/// Why no tile can be cut from a scan.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TileError {
    /// The scan lacks a channel of the ensemble.
    #[error(
        "the ensemble wants the channel {channel} and the scan has {}: enable or map it, or use another \
         ensemble",
        available.join(", ")
    )]
    MissingChannel {
        /// What is wanted.
        channel: ChannelName,
        /// What there is.
        available: Vec<String>,
    },
    /// The pixels are too small or too large.
    #[error(
        "a pixel of {pixel_size_um} µm cannot be resampled to tiles; {} to {} µm is allowed, check \
         `pixel_size_um`",
        PIXEL_SIZE_UM[0],
        PIXEL_SIZE_UM[1]
    )]
    PixelSize {
        /// What the scan has.
        pixel_size_um: f64,
    },
}

/// Cuts the tiles of one scan.
#[derive(Clone, Debug)]
pub struct Cutter {
    channels: Vec<Plane>,
    width: u32,
    height: u32,
    /// Edge of the window in pixels of the frame.
    size: f64,
    pixels: usize,
    margin: f64,
    taper: f64,
    fade: Fade,
    resampler: Resampler,
    tiles: Pool<f32>,
}

/// Tiles whose memory is kept for those to come.
const KEPT: usize = 64;

/// Where a plane of the tile comes from.
#[derive(Clone, Copy, Debug)]
struct Plane {
    /// Channel of the scan.
    index: usize,
    rule: Rule,
    span: f64,
    /// Counts without light.
    zero: f64,
}

/// A rectangle of the frame; empty when `right <= left` or `bottom <= top`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Region {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Region {
    fn width(&self) -> usize {
        self.right.saturating_sub(self.left)
    }

    fn height(&self) -> usize {
        self.bottom.saturating_sub(self.top)
    }
}

impl Cutter {
    /// A cutter of the tiles that `manifest` describes from the frames of `scan`.
    ///
    /// # Errors
    /// When the scan lacks a channel, or its pixels are outside [`PIXEL_SIZE_UM`].
    pub fn new(manifest: &Manifest, scan: &ScanActual) -> Result<Self, TileError> {
        let pixel_size_um = scan.pixel_size_um;
        let [low, high] = PIXEL_SIZE_UM;
        if !(low..=high).contains(&pixel_size_um) {
            return Err(TileError::PixelSize { pixel_size_um });
        }
        let channels = manifest
            .normalisation
            .iter()
            .map(|rule| {
                let index =
                    scan.channel(&rule.channel)
                        .ok_or_else(|| TileError::MissingChannel {
                            channel: rule.channel.clone(),
                            available: scan
                                .channels
                                .iter()
                                .map(|channel| channel.name.to_string())
                                .collect(),
                        })?;
                Ok(Plane {
                    index,
                    rule: rule.rule,
                    span: rule.span,
                    zero: zero(&scan.channels[index]),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let [margin, taper] =
            [manifest.tile.margin_um, manifest.tile.taper_um].map(|um| um / pixel_size_um);
        let samples = channels.len() * manifest.tile.pixels.pow(2);
        Ok(Self {
            channels,
            width: scan.width,
            height: scan.height,
            size: manifest.tile.size_um / pixel_size_um,
            pixels: manifest.tile.pixels,
            margin,
            taper,
            fade: Fade::new(margin, taper),
            resampler: Resampler::default(),
            tiles: Pool::new(KEPT, samples),
        })
    }

    /// Cuts the tile of `cell`. `rows` gives the counts of a row by channel of the scan and row of the
    /// frame, `None` when they are missing. Sets the flag `larger_than_tile` where it is due.
    pub fn cut<'a>(
        &mut self,
        mut cell: Arc<Cell>,
        rows: impl Fn(usize, u32) -> Option<&'a [u16]>,
    ) -> Tile {
        let Rect {
            x,
            y,
            width,
            height,
        } = cell.bbox;
        let middle = |start: u32, length: u32| f64::from(start) + f64::from(length) / 2.0;
        let window = TileWindow {
            x: middle(x, width) - self.size / 2.0,
            y: middle(y, height) - self.size / 2.0,
            size: self.size,
        };
        if f64::from(width.max(height)) > self.size && !cell.flags.larger_than_tile {
            Arc::make_mut(&mut cell).flags.larger_than_tile = true;
        }
        let region = self.region(&cell, window);
        let scale = self.size / self.pixels as f64;
        let resampler = &mut self.resampler;
        let across = region.left..region.right;
        let down = region.top..region.bottom;
        resampler.across.fill(window.x, scale, self.pixels, across);
        resampler.down.fill(window.y, scale, self.pixels, down);
        let fade = self.fade.of(&cell, region);
        let (width, height) = (region.width(), region.height());
        let pixels = self.pixels;
        let mut values = self.tiles.take();
        values.resize(self.channels.len() * pixels * pixels, 0.0);
        let planes = values.chunks_exact_mut((pixels * pixels).max(1));
        for (channel, plane) in self.channels.iter().zip(planes) {
            let background = cell
                .background
                .get(channel.index)
                .map_or(0.0, |counts| f64::from(*counts));
            let row = |row: u32| rows(channel.index, row);
            let gain = channel.gain(&cell, background, row);
            let image = |y: usize, line: &mut [f64]| {
                // A row index of the frame fits: the region lies in it.
                let counts = u32::try_from(region.top + y)
                    .ok()
                    .and_then(row)
                    .and_then(|counts| counts.get(region.left..region.right));
                let Some(counts) = counts else { return false };
                let shares = &fade[y * width..(y + 1) * width];
                for ((value, share), counts) in line.iter_mut().zip(shares).zip(counts) {
                    *value = share * ((f64::from(*counts) - background) * gain);
                }
                true
            };
            resampler.resample([height, width], image, |(y, x), line| {
                let target = &mut plane[y * pixels + x..][..line.len()];
                for (target, value) in target.iter_mut().zip(line) {
                    *target = value.clamp(-1.0, 1.0) as f32;
                }
            });
        }
        // There are as many as the shape says.
        let shape = (self.channels.len(), pixels, pixels);
        let values = Array3::from_shape_vec(shape, values).unwrap_or_default();
        Tile {
            cell,
            window,
            values: self.tiles.lend(values),
        }
    }

    /// What of the frame can be seen in the tile: the cell with margin and taper, inside the window, the
    /// frame and the rows that decided the cell.
    fn region(&self, cell: &Cell, window: TileWindow) -> Region {
        // One more than the fade reaches, for the second sample of a bilinear pair.
        let reach = (self.margin + self.taper).ceil() + 1.0;
        let span = |start: u32, end: u32, window: f64, limit: u32| {
            let low = (f64::from(start) - reach).max((window - reach).floor());
            let high = (f64::from(end) + reach).min((window + self.size + reach).ceil());
            let limit = f64::from(limit);
            // Whole numbers inside the frame.
            (
                low.clamp(0.0, limit) as usize,
                high.clamp(0.0, limit) as usize,
            )
        };
        let bbox = cell.bbox;
        let rows = self.height.min(cell.decided_row.saturating_add(1));
        let (left, right) = span(bbox.x, bbox.right(), window.x, self.width);
        let (top, bottom) = span(bbox.y, bbox.bottom(), window.y, rows);
        Region {
            left,
            top,
            right,
            bottom,
        }
    }
}

impl Plane {
    /// What a count above the background is worth.
    fn gain<'a>(
        &self,
        cell: &Cell,
        background: f64,
        rows: impl Fn(u32) -> Option<&'a [u16]>,
    ) -> f64 {
        let unit = match self.rule {
            Rule::Relative => background - self.zero,
            Rule::MeanInCell => {
                let (mut count, mut sum, mut squares) = (0_u32, 0.0, 0.0);
                let left = cell.bbox.x as usize;
                for (mask, y) in cell.mask.outer_iter().zip(cell.bbox.y..) {
                    let counts = rows(y).and_then(|row| row.get(left..)).unwrap_or_default();
                    for (_, counts) in mask.iter().zip(counts).filter(|(inside, _)| **inside) {
                        let signal = f64::from(*counts) - background;
                        count += 1;
                        sum += signal;
                        squares += signal * signal;
                    }
                }
                let count = f64::from(count.max(1));
                let mean = sum / count;
                let deviation = (squares / count - mean * mean).max(0.0).sqrt();
                mean.max(deviation / 2.0)
            }
        };
        1.0 / (self.span * unit.max(1.0))
    }
}

/// The counts that the channel has without light.
fn zero(channel: &ChannelInfo) -> f64 {
    let of_scale = -channel.offset / channel.scale;
    match channel.dark_counts {
        Some(dark) if dark.is_finite() => dark,
        _ if of_scale.is_finite() => of_scale,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
