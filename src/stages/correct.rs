//! Counts as acquired become corrected counts: flat field, and which samples the digitiser clipped.
//!
//! The correction is a parameter beside the counts; the counts stay as they are. A corrected sample is
//! `dark + (counts − dark) / gain`: it keeps the unit and the offset of the counts, so that without a
//! flat field it equals them. Each sample is corrected from its own counts only.

use ndarray::Array2;
use senescope_hal::{ChannelMask, ScanActual};
use thiserror::Error;

use crate::stages::assemble::FrameRow;

/// The relative sensitivity over the field.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum FlatField {
    /// Not measured: 1 everywhere.
    #[default]
    None,
    /// The same in every row: one gain a column.
    Row(Vec<f32>),
    /// A gain for each pixel: rows × columns.
    Plane(Array2<f32>),
}

/// Why a correction cannot be applied.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum CorrectError {
    /// The flat field has another geometry than the scan.
    #[error(
        "the flat field of channel {channel} is {found} but the scan is {width} × {height} pixels; \
         measure it with the same scan"
    )]
    Shape {
        /// Name of the channel.
        channel: String,
        /// What was given.
        found: String,
        /// Columns of the scan.
        width: u32,
        /// Rows of the scan.
        height: u32,
    },
    /// A gain that no detector has.
    #[error(
        "the flat field of channel {channel} has the gain {gain}; gains lie between 0.01 and 100"
    )]
    Gain {
        /// Name of the channel.
        channel: String,
        /// The gain.
        gain: f32,
    },
}

#[derive(Clone, Debug)]
struct Channel {
    dark: f32,
    saturation: u16,
    flat: FlatField,
}

/// Corrects the rows of one scan.
#[derive(Clone, Debug)]
pub struct Corrector {
    channels: Vec<Channel>,
    width: usize,
    values: Vec<f32>,
    saturated: Vec<bool>,
    saturated_counts: Vec<u32>,
}

/// One row after correction; samples are channel by channel.
#[derive(Clone, Copy, Debug)]
pub struct CorrectedRow<'a> {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Row of the frame, from 0.
    pub index: u32,
    /// The channels that are there.
    pub present: ChannelMask,
    /// Corrected counts: channels × columns; zero where a channel is missing.
    pub values: &'a [f32],
    /// Samples at the digitiser's limit: channels × columns.
    pub saturated: &'a [bool],
    /// How many samples of each channel are at the digitiser's limit.
    pub saturated_counts: &'a [u32],
}

impl Corrector {
    /// A corrector without flat fields; dark counts and limits are those of the scan.
    pub fn new(scan: &ScanActual) -> Self {
        let width = scan.width as usize;
        let samples = width * scan.channels.len();
        Self {
            channels: scan
                .channels
                .iter()
                .map(|channel| Channel {
                    dark: channel.dark_counts.unwrap_or(0.0) as f32,
                    saturation: channel.saturation(),
                    flat: FlatField::None,
                })
                .collect(),
            width,
            values: vec![0.0; samples],
            saturated: vec![false; samples],
            saturated_counts: vec![0; scan.channels.len()],
        }
    }

    /// The same with the measured flat fields, one a channel in the scan's order; channels beyond the
    /// end of the list have none.
    ///
    /// # Errors
    /// When a flat field has another geometry than the scan, or a gain outside 0.01 to 100.
    pub fn with_flat_fields(
        scan: &ScanActual,
        flats: impl IntoIterator<Item = FlatField>,
    ) -> Result<Self, CorrectError> {
        let mut corrector = Self::new(scan);
        let named = corrector.channels.iter_mut().zip(&scan.channels);
        for ((channel, info), flat) in named.zip(flats) {
            let (fits, found) = match &flat {
                FlatField::None => (true, String::new()),
                FlatField::Row(gains) => (
                    gains.len() == scan.width as usize,
                    format!("a row of {}", gains.len()),
                ),
                FlatField::Plane(gains) => (
                    gains.dim() == (scan.height as usize, scan.width as usize),
                    format!("{} × {}", gains.ncols(), gains.nrows()),
                ),
            };
            let name = || info.name.as_str().to_owned();
            if !fits {
                return Err(CorrectError::Shape {
                    channel: name(),
                    found,
                    width: scan.width,
                    height: scan.height,
                });
            }
            if let Some(gain) = flat.gains().find(|gain| !(0.01..=100.0).contains(gain)) {
                return Err(CorrectError::Gain {
                    channel: name(),
                    gain,
                });
            }
            channel.flat = flat.in_rows();
        }
        Ok(corrector)
    }

    /// Corrects one sample of `channel`; the counts themselves for a channel that the scan lacks.
    pub fn sample(&self, channel: usize, row: u32, column: u32, counts: u16) -> f32 {
        let counts = f32::from(counts);
        self.channels.get(channel).map_or(counts, |channel| {
            match channel.flat.gain(row as usize, column as usize) {
                Some(gain) => corrected(counts, channel.dark, gain),
                None => counts,
            }
        })
    }

    /// Corrects a row. The result lives until the next call.
    pub fn apply(&mut self, row: FrameRow<'_>) -> CorrectedRow<'_> {
        let frame = row.frame();
        let width = self.width;
        for (index, channel) in self.channels.iter().enumerate() {
            let range = index * width..(index + 1) * width;
            let values = &mut self.values[range.clone()];
            let saturated = &mut self.saturated[range];
            match row.channel(index) {
                Some(samples) if samples.len() == width => {
                    for (value, counts) in values.iter_mut().zip(samples) {
                        *value = f32::from(*counts);
                    }
                    if let Some(gains) = channel.flat.row(row.index() as usize) {
                        for (value, gain) in values.iter_mut().zip(gains) {
                            *value = corrected(*value, channel.dark, *gain);
                        }
                    }
                    for (saturated, counts) in saturated.iter_mut().zip(samples) {
                        *saturated = *counts >= channel.saturation;
                    }
                }
                _ => {
                    values.fill(0.0);
                    saturated.fill(false);
                }
            }
            self.saturated_counts[index] = count(saturated);
        }
        CorrectedRow {
            frame: frame.frame(),
            field: frame.field(),
            index: row.index(),
            present: frame.present(row.index()),
            values: &self.values,
            saturated: &self.saturated,
            saturated_counts: &self.saturated_counts,
        }
    }
}

/// How many samples of a row are marked.
fn count(marked: &[bool]) -> u32 {
    // As many as a byte counts at a time.
    let parts = marked.chunks(usize::from(u8::MAX));
    parts
        .map(|part| {
            let count = part
                .iter()
                .fold(0, |count: u8, marked| count.wrapping_add(u8::from(*marked)));
            u32::from(count)
        })
        .sum()
}

fn corrected(counts: f32, dark: f32, gain: f32) -> f32 {
    dark + (counts - dark) / gain
}

impl FlatField {
    fn gain(&self, row: usize, column: usize) -> Option<f32> {
        match self {
            Self::None => None,
            Self::Row(gains) => gains.get(column).copied(),
            Self::Plane(gains) => gains.get((row, column)).copied(),
        }
    }

    /// The same with the rows of a plane one after the other in memory.
    fn in_rows(self) -> Self {
        match self {
            Self::Plane(gains) => Self::Plane(gains.as_standard_layout().into_owned()),
            other => other,
        }
    }

    /// The gains of a row; `None` where there are none.
    fn row(&self, row: usize) -> Option<&[f32]> {
        match self {
            Self::None => None,
            Self::Row(gains) => Some(gains),
            Self::Plane(gains) => {
                let columns = gains.ncols();
                gains.as_slice()?.get(row * columns..(row + 1) * columns)
            }
        }
    }

    fn gains(&self) -> Box<dyn Iterator<Item = f32> + '_> {
        match self {
            Self::None => Box::new(std::iter::empty()),
            Self::Row(gains) => Box::new(gains.iter().copied()),
            Self::Plane(gains) => Box::new(gains.iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests;
