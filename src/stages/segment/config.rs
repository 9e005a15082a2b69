//! Settings of the segmentation in physical units, and what they come to in pixels.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// No cell waits for rows further below its last one than this.
pub const MAX_LOOK_AHEAD_UM: f64 = 20.0;

/// Settings of the segmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentConfig {
    /// Pixels are averaged to about this edge before anything else; larger ones stay as they are. In µm.
    pub working_pixel_um: f64,
    /// Standard deviation of the Gaussian that smooths each channel, in µm.
    pub smoothing_um: f64,
    /// Edge of the blocks over which background and noise are measured, in µm.
    pub block_um: f64,
    /// How far above a row its background is measured, in µm.
    pub behind_um: f64,
    /// How far below a row its background is measured, in µm.
    pub ahead_um: f64,
    /// A pixel is in a cell above this fraction of the typical contrast of cells …
    pub threshold_contrast: f64,
    /// … and this many standard deviations of the background's noise.
    pub threshold_noise: f64,
    /// Smallest cell, in µm².
    pub min_area_um2: f64,
    /// What is still growing at this height is cut off there, in µm.
    pub max_height_um: f64,
    /// Largest hole that is filled, in µm².
    pub max_hole_um2: f64,
    /// A cell is flagged when this part of its samples in one channel is at the digitiser's limit, above 0 to 1.
    pub saturated_part: f64,
    /// Touching cells are parted where the neck between them is narrower than this fraction of the
    /// smaller one …
    pub split_neck: f64,
    /// … and by at least this much, in µm.
    pub split_depth_um: f64,
    /// Touching cells are parted this far below the last row of the upper one at the latest; what is told
    /// from its neighbour only later stays with it. In µm.
    pub split_ahead_um: f64,
    /// Until its end is seen, a cell is taken to go on this far, in µm.
    pub split_unseen_um: f64,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self {
            working_pixel_um: 0.4,
            smoothing_um: 0.5,
            block_um: 3.2,
            behind_um: 100.0,
            ahead_um: 7.0,
            threshold_contrast: 0.3,
            threshold_noise: 4.0,
            min_area_um2: 60.0,
            max_height_um: 150.0,
            max_hole_um2: 150.0,
            saturated_part: 0.01,
            split_neck: 0.88,
            split_depth_um: 0.8,
            split_ahead_um: 8.8,
            split_unseen_um: 4.0,
        }
    }
}

/// Why a scan cannot be segmented.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum SegmentError {
    /// A setting out of its range.
    #[error("segment.{key} is {value} but must lie between {low} and {high}")]
    Setting {
        /// Name of the setting.
        key: &'static str,
        /// What it is.
        value: f64,
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
    /// A pixel size that no scan has.
    #[error(
        "a pixel of {pixel_size_um} µm cannot be segmented; pixels lie between 0.02 and 5 µm, \
         so state the right pixel size"
    )]
    PixelSize {
        /// The pixel size in µm.
        pixel_size_um: f64,
    },
    /// A frame without pixels or with more than can be held.
    #[error(
        "a frame of {width} × {height} pixels cannot be segmented; it must have 1 to {limit} pixels"
    )]
    Size {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Most pixels.
        limit: u64,
    },
    /// More channels than a strip can carry.
    #[error("{channels} channels cannot be segmented; a scan has 1 to 32")]
    Channels {
        /// How many there are.
        channels: usize,
    },
    /// The settings ask for more look-ahead than is allowed.
    #[error(
        "the settings of segment ask for a look-ahead of {look_ahead_um:.1} µm at {pixel_size_um} µm a pixel, \
         more than {MAX_LOOK_AHEAD_UM} µm; make block_um or smoothing_um smaller"
    )]
    LookAhead {
        /// What they ask for.
        look_ahead_um: f64,
        /// At this pixel size.
        pixel_size_um: f64,
    },
}

impl SegmentConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// With the first setting that is out of its range.
    pub fn validate(&self) -> Result<(), SegmentError> {
        let ranges = [
            ("working_pixel_um", self.working_pixel_um, 0.1, 2.0),
            ("smoothing_um", self.smoothing_um, 0.0, 3.0),
            ("block_um", self.block_um, 1.0, 10.0),
            ("behind_um", self.behind_um, 10.0, 1000.0),
            ("ahead_um", self.ahead_um, 0.0, MAX_LOOK_AHEAD_UM),
            ("threshold_contrast", self.threshold_contrast, 0.05, 0.95),
            ("threshold_noise", self.threshold_noise, 1.0, 50.0),
            ("min_area_um2", self.min_area_um2, 1.0, 100_000.0),
            ("max_height_um", self.max_height_um, 20.0, 1000.0),
            ("max_hole_um2", self.max_hole_um2, 0.0, 100_000.0),
            ("saturated_part", self.saturated_part, 1e-6, 1.0),
            ("split_neck", self.split_neck, 0.0, 1.0),
            ("split_depth_um", self.split_depth_um, 0.0, 50.0),
            (
                "split_ahead_um",
                self.split_ahead_um,
                0.0,
                MAX_LOOK_AHEAD_UM,
            ),
            ("split_unseen_um", self.split_unseen_um, 0.0, 50.0),
        ];
        for (key, value, low, high) in ranges {
            // Also refuses what is not a number.
            if !(low..=high).contains(&value) {
                return Err(SegmentError::Setting {
                    key,
                    value,
                    low,
                    high,
                });
            }
        }
        Ok(())
    }

    /// How many rows below a cell's last one decide it at the latest.
    ///
    /// # Errors
    /// When a setting or the pixel size is out of its range, or the look-ahead is more than
    /// [`MAX_LOOK_AHEAD_UM`].
    pub fn look_ahead_rows(&self, pixel_size_um: f64) -> Result<u32, SegmentError> {
        Scale::new(self, pixel_size_um).map(|scale| scale.look_ahead_rows())
    }

    /// The same in µm.
    ///
    /// # Errors
    /// As [`SegmentConfig::look_ahead_rows`].
    pub fn look_ahead_um(&self, pixel_size_um: f64) -> Result<f64, SegmentError> {
        self.look_ahead_rows(pixel_size_um)
            .map(|rows| f64::from(rows) * pixel_size_um)
    }
}

/// The settings in pixels. Everything but `bin` counts working pixels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    /// Edge of a working pixel in pixels of the frame.
    pub(super) bin: usize,
    /// Edge of a working pixel in µm.
    pub(super) working_um: f64,
    /// The smoothing kernel from its centre outwards; its sum over both sides is 1.
    pub(super) kernel: Vec<f32>,
    /// Edge of a block.
    pub(super) block: usize,
    /// Blocks above that count for a row of blocks.
    pub(super) behind: usize,
    /// Blocks below that count for a row of blocks.
    pub(super) ahead: usize,
    /// Rows below a part of an open component with which it is handed out.
    pub(super) settled: usize,
    /// Most rows of a part.
    pub(super) tallest: usize,
    /// Rows that an open component is taken to go on.
    pub(super) unseen: usize,
}

impl Scale {
    pub(super) fn new(config: &SegmentConfig, pixel_size_um: f64) -> Result<Self, SegmentError> {
        config.validate()?;
        if !(0.02..=5.0).contains(&pixel_size_um) {
            return Err(SegmentError::PixelSize { pixel_size_um });
        }
        // The quotients are at most 1000 µm / 0.02 µm.
        let bin = ((config.working_pixel_um / pixel_size_um + 1e-9) as usize).max(1);
        let working_um = pixel_size_um * bin as f64;
        let block = ((config.block_um / working_um).round() as usize).max(1);
        let block_um = block as f64 * working_um;
        let mut scale = Self {
            bin,
            working_um,
            kernel: kernel(config.smoothing_um / working_um),
            block,
            behind: (config.behind_um / block_um).ceil() as usize,
            ahead: (config.ahead_um / block_um) as usize,
            settled: ((config.split_ahead_um / working_um).round() as usize).max(1),
            tallest: (config.max_height_um / working_um).ceil() as usize,
            unseen: (config.split_unseen_um / working_um).round() as usize,
        };
        let look_ahead_um = |scale: &Self| f64::from(scale.look_ahead_rows()) * pixel_size_um;
        while scale.ahead > 0 && look_ahead_um(&scale) > MAX_LOOK_AHEAD_UM {
            scale.ahead -= 1;
        }
        if look_ahead_um(&scale) > MAX_LOOK_AHEAD_UM {
            return Err(SegmentError::LookAhead {
                look_ahead_um: look_ahead_um(&scale),
                pixel_size_um,
            });
        }
        Ok(scale)
    }

    /// Rows that smoothing needs on each side.
    pub(super) fn radius(&self) -> usize {
        self.kernel.len() - 1
    }

    pub(super) fn look_ahead_rows(&self) -> u32 {
        let working = (1 + self.ahead) * self.block + self.radius() + self.settled;
        u32::try_from(self.bin * working).unwrap_or(u32::MAX)
    }
}

/// A Gaussian cut off at 2.5 standard deviations.
fn kernel(sigma: f64) -> Vec<f32> {
    if sigma < 0.3 {
        return vec![1.0];
    }
    let radius = (2.5 * sigma).ceil() as usize;
    let weight = |at: usize| (-0.5 * (at as f64 / sigma).powi(2)).exp();
    let sum = weight(0) + 2.0 * (1..=radius).map(weight).sum::<f64>();
    (0..=radius).map(|at| (weight(at) / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_default_look_ahead_is_bounded_at_every_pixel_size(pixel_size_um in 0.02..=5.0_f64) {
            let config = SegmentConfig::default();
            let um = config.look_ahead_um(pixel_size_um).unwrap();
            prop_assert!(um > 0.0 && um <= MAX_LOOK_AHEAD_UM, "{um}");
        }

        #[test]
        fn a_kernel_keeps_the_mean(sigma in 0.0..100.0_f64) {
            let kernel = kernel(sigma);
            let sum = 2.0 * kernel.iter().sum::<f32>() - kernel[0];
            prop_assert!((sum - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let config = SegmentConfig {
            block_um: f64::NAN,
            ..SegmentConfig::default()
        };
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("segment.block_um"), "{error}");
        let defaults = SegmentConfig::default();
        for size in [0.0, -1.0, f64::NAN, 6.0] {
            assert!(matches!(
                defaults.look_ahead_rows(size),
                Err(SegmentError::PixelSize { .. })
            ));
        }
    }

    #[test]
    fn too_much_look_ahead_is_refused() {
        let config = SegmentConfig {
            block_um: 10.0,
            smoothing_um: 3.0,
            working_pixel_um: 2.0,
            ..SegmentConfig::default()
        };
        assert!(matches!(
            config.look_ahead_rows(3.4),
            Err(SegmentError::LookAhead { .. })
        ));
    }
}
