//! Frames as pictures: what a person wants to see of a recording at a glance.
//!
//! Left, the three channels (SRS yellow, TPEF green, TRANS grey) with the outline of each cell: orange for
//! senescent, blue for proliferating, white for uncertain; dashed where the cell lies outside the training
//! set. Right, the transmission with the Grad-CAM maps over the cells.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use ndarray::{Array2, ArrayView2};
use senescope_hal::{ChannelName, ScanActual};

use super::{Failure, maps, output::unwritable};
use crate::{
    domain::{Cell, Heatmap, Label, TileWindow},
    pipeline::{Classified, FrameEnd, Sink, SinkError},
    stages::assemble::FrameBuffer,
};

/// Pixels between the two panels.
const MARGIN: u32 = 8;
/// Quantiles of a channel that become black and full intensity.
const DISPLAY_RANGE: (f64, f64) = (0.01, 0.995);

/// Writes a picture of every frame into a folder.
pub(crate) struct Pictures {
    dir: PathBuf,
    channels: [Option<usize>; 3],
    cells: Vec<Drawn>,
}

struct Drawn {
    outline: Vec<[u32; 2]>,
    label: Label,
    outside: bool,
    mask: (Array2<bool>, u32, u32),
    map: Option<(Heatmap, TileWindow)>,
}

impl Pictures {
    /// Makes the folder if need be.
    pub(crate) fn create(dir: &Path, scan: &ScanActual) -> Result<Self, Failure> {
        maps::make(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            channels: [
                ChannelName::srs(),
                ChannelName::tpef(),
                ChannelName::trans(),
            ]
            .map(|name| scan.channel(&name)),
            cells: Vec::new(),
        })
    }

    fn draw(&self, frame: &FrameBuffer) -> RgbImage {
        let (width, height) = (frame.width(), frame.height());
        let [srs, tpef, trans] = self.channels.map(|channel| {
            channel
                .and_then(|index| frame.channel(index))
                .map(|plane| displayed(&plane))
        });
        let at = |plane: &Option<Array2<f32>>, x: u32, y: u32| {
            plane
                .as_ref()
                .and_then(|plane| plane.get((y as usize, x as usize)))
                .copied()
                .unwrap_or(0.0)
        };
        let heat = self.heat(width, height);
        let mut picture = RgbImage::new(2 * width + MARGIN, height);
        for y in 0..height {
            for x in 0..width {
                let (srs, tpef, trans) = (at(&srs, x, y), at(&tpef, x, y), at(&trans, x, y));
                let grey = 0.25 * trans;
                picture.put_pixel(
                    x,
                    y,
                    rgb([grey + srs, grey + 0.7 * srs + 0.6 * tpef, grey + 0.3 * tpef]),
                );
                let dim = 0.6 * trans;
                let colour = match heat.get((y as usize, x as usize)) {
                    Some(heat) if *heat >= 0.0 => blend(dim, *heat),
                    _ => rgb([dim; 3]),
                };
                picture.put_pixel(width + MARGIN + x, y, colour);
            }
        }
        for cell in &self.cells {
            let colour = match cell.label {
                Label::Senescent => Rgb([255, 140, 0]),
                Label::Proliferating => Rgb([80, 170, 255]),
                Label::Uncertain | Label::Atypical => Rgb([255, 255, 255]),
            };
            for (step, [x, y]) in cell.outline.iter().copied().enumerate() {
                let gap = cell.outside && step % 8 >= 4;
                for panel in [0, width + MARGIN] {
                    if !gap && x < width && y < height {
                        picture.put_pixel(panel + x, y, colour);
                    }
                }
            }
        }
        picture
    }

    /// The maps over the frame: -1 where there is no cell.
    fn heat(&self, width: u32, height: u32) -> Array2<f32> {
        let mut heat = Array2::from_elem((height as usize, width as usize), -1.0_f32);
        for cell in &self.cells {
            let Some((map, window)) = &cell.map else {
                continue;
            };
            let (mask, x0, y0) = &cell.mask;
            let scale = map.values.nrows() as f64 / window.size;
            for ((row, column), _) in mask.indexed_iter().filter(|(_, inside)| **inside) {
                let (x, y) = (*x0 as usize + column, *y0 as usize + row);
                let index = |at: usize, origin: f64| {
                    ((at as f64 + 0.5 - origin) * scale).floor().max(0.0) as usize
                };
                if let (Some(to), Some(value)) = (
                    heat.get_mut((y, x)),
                    map.values.get((index(y, window.y), index(x, window.x))),
                ) {
                    *to = *value;
                }
            }
        }
        heat
    }
}

impl Sink for Pictures {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        let cell: &Cell = &classified.cell;
        self.cells.push(Drawn {
            outline: cell.outline.to_vec(),
            label: classified.verdict.label,
            outside: cell.flags.outside_training_set,
            mask: ((*cell.mask).clone(), cell.bbox.x, cell.bbox.y),
            map: classified
                .maps
                .first()
                .map(|map| (map.clone(), classified.window)),
        });
        Ok(())
    }

    fn frame(&mut self, end: &FrameEnd, image: Option<&FrameBuffer>) -> Result<(), SinkError> {
        if let Some(frame) = image {
            let path = self.dir.join(format!("frame-{:06}.png", end.frame));
            self.draw(frame)
                .save(&path)
                .map_err(|error| SinkError::from(unwritable(&path, &error)))?;
        }
        self.cells.clear();
        Ok(())
    }

    fn wants_images(&self) -> bool {
        true
    }
}

/// Counts stretched between the quantiles of [`DISPLAY_RANGE`], in [0, 1].
fn displayed(plane: &ArrayView2<'_, u16>) -> Array2<f32> {
    let mut sorted: Vec<u16> = plane.iter().copied().collect();
    sorted.sort_unstable();
    let at = |quantile: f64| {
        let index = (quantile * sorted.len().saturating_sub(1) as f64).round() as usize;
        sorted.get(index).copied().map_or(0.0, f32::from)
    };
    let (low, high) = (at(DISPLAY_RANGE.0), at(DISPLAY_RANGE.1));
    let span = (high - low).max(1.0);
    plane.map(|counts| ((f32::from(*counts) - low) / span).clamp(0.0, 1.0))
}

fn rgb(channels: [f32; 3]) -> Rgb<u8> {
    Rgb(channels.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8))
}

/// Grey with heat over it: black, red, yellow, white.
fn blend(grey: f32, heat: f32) -> Rgb<u8> {
    let hot = [3.0 * heat, 3.0 * heat - 1.0, 3.0 * heat - 2.0].map(|value| value.clamp(0.0, 1.0));
    let weight = 0.25 + 0.55 * heat;
    rgb(hot.map(|value| (1.0 - weight) * grey + weight * value))
}
