//! What is wrong with the image of a cell, before a network sees it.
//!
//! Judged inside the cell, on a tile's own values: no rule depends on gain or laser power. The thresholds
//! lie in the gap between good and spoilt tiles of simulated dishes; `senescope simulate --fault` makes spoilt
//! ones.
//!
//! Not done here: SRS and TPEF exchanged look like another cell, not like a fault; only the comparison with the
//! training set notices them.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use senescope_hal::ChannelName;
use serde::{Deserialize, Serialize};

use crate::{domain::CellFlags, stages::infer::Statistics};

/// Pixels of a tile between the samples whose differences are coarse; fine ones are neighbours.
const COARSE: usize = 4;

/// Thresholds of the image quality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityConfig {
    /// Rows of an image resemble their neighbours; below this correlation the channel is lost in noise.
    pub least_coherence: f64,
    /// Transmission does not follow SRS or TPEF; above this correlation channels are exchanged.
    pub most_exchange: f64,
    /// Transmission is sharp: below this ratio of fine to coarse contrast the cell is out of focus.
    pub least_sharpness: f64,
    /// A frame is warned of when this part of its cells has the same fault.
    pub warn_part: f64,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self {
            least_coherence: 0.27,
            most_exchange: 0.25,
            least_sharpness: 0.13,
            warn_part: 0.5,
        }
    }
}

/// Sets the flags of the faults that a tile (planes of `channels` × rows × columns) with these statistics shows.
/// A rule whose channels the tile does not have says nothing.
pub(crate) fn judge(
    config: &QualityConfig,
    tile: ArrayView3<'_, f32>,
    statistics: &Statistics,
    channels: &[ChannelName],
    flags: &mut CellFlags,
) {
    let plane = |name: ChannelName| channels.iter().position(|channel| *channel == name);
    let (srs, tpef) = (plane(ChannelName::srs()), plane(ChannelName::tpef()));
    let trans = plane(ChannelName::trans());
    let inside = inside(tile);
    let lost = |channel: Option<usize>| {
        // At the digitiser's limit there is no image either, and that has a name of its own.
        !flags.saturated
            && channel.is_some_and(|channel| {
                coherence(tile.index_axis(Axis(0), channel), &inside)
                    .is_some_and(|coherence| coherence < config.least_coherence)
            })
    };
    let [srs_lost, tpef_lost, trans_lost] = [srs, tpef, trans].map(lost);
    flags.empty = srs_lost && tpef_lost && trans_lost;
    flags.srs_lost = srs_lost && !flags.empty;
    flags.tpef_lost = tpef_lost && !flags.empty;
    flags.trans_lost = trans_lost && !flags.empty;
    if let Some(trans) = trans {
        flags.channels_exchanged = [srs, tpef]
            .into_iter()
            .flatten()
            .any(|other| statistics.correlation(trans, other) > config.most_exchange);
        flags.out_of_focus = !(flags.saturated || trans_lost || flags.channels_exchanged)
            && sharpness(tile.index_axis(Axis(0), trans), &inside)
                .is_some_and(|sharpness| sharpness < config.least_sharpness);
    }
}

/// Where the tile shows its cell.
fn inside(tile: ArrayView3<'_, f32>) -> Array2<bool> {
    tile.map_axis(Axis(0), |values| values.iter().any(|value| *value != 0.0))
}

/// Correlation of each pixel in the cell with the one below it. Noise of rows is independent, so a channel
/// without an image has none, but for what the resampling shares. `None` without contrast.
fn coherence(plane: ArrayView2<'_, f32>, inside: &Array2<bool>) -> Option<f64> {
    let mut pairs = Vec::new();
    for (rows, inside) in plane
        .axis_windows(Axis(0), 2)
        .into_iter()
        .zip(inside.axis_windows(Axis(0), 2))
    {
        for (values, inside) in rows.axis_iter(Axis(1)).zip(inside.axis_iter(Axis(1))) {
            if inside[0] && inside[1] {
                pairs.push((f64::from(values[0]), f64::from(values[1])));
            }
        }
    }
    let count = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (above, below) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let product = mean(&|pair| (pair.0 - above) * (pair.1 - below));
    let squares = [
        mean(&|pair| (pair.0 - above).powi(2)),
        mean(&|pair| (pair.1 - below).powi(2)),
    ];
    let scale = (squares[0] * squares[1]).sqrt();
    (scale > 0.0).then(|| product / scale)
}

/// Mean product of the differences between neighbours in one row and in the next, against the same of pixels
/// [`COARSE`] apart: fine contrast against coarse. Noise of two rows is independent and averages out of both.
/// `None` without coarse contrast.
fn sharpness(plane: ArrayView2<'_, f32>, inside: &Array2<bool>) -> Option<f64> {
    let contrast = |lag: usize| {
        let (mut sum, mut count) = (0.0, 0_u32);
        for row in 0..plane.nrows().saturating_sub(1) {
            for column in 0..plane.ncols().saturating_sub(lag) {
                let corners = [(row, column), (row, column + lag)];
                let below = corners.map(|(row, column)| (row + 1, column));
                if corners.iter().chain(&below).all(|place| inside[*place]) {
                    let [one, next] = [corners, below]
                        .map(|[left, right]| f64::from(plane[right]) - f64::from(plane[left]));
                    sum += one * next;
                    count += 1;
                }
            }
        }
        (count > 0).then(|| sum / f64::from(count))
    };
    let coarse = contrast(COARSE).filter(|coarse| *coarse > 0.0)?;
    Some(contrast(1)? / coarse)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// Pixels that look random, in [−1, 1].
    fn noise(seed: u32) -> Array2<f32> {
        let mut state = seed;
        Array2::from_shape_simple_fn((48, 48), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
    }

    /// Waves of a length in pixels, across and down.
    fn waves(length: f32) -> Array2<f32> {
        let turn = core::f32::consts::TAU / length;
        Array2::from_shape_fn((48, 48), |(row, column)| {
            0.01 + 0.4 * ((row as f32 * turn).sin() + (column as f32 * turn).sin())
        })
    }

    #[test]
    fn noise_is_incoherent_and_an_image_in_noise_is_not() {
        let all = Array2::from_elem((48, 48), true);
        assert!(coherence(noise(1).view(), &all).unwrap().abs() < 0.1);
        let image = waves(12.0) + 0.3 * noise(2);
        assert!(coherence(image.view(), &all).unwrap() > 0.6);
        assert_eq!(coherence(Array2::ones((48, 48)).view(), &all), None);
        let nowhere = Array2::from_elem((48, 48), false);
        assert_eq!(coherence(noise(1).view(), &nowhere), None);
    }

    #[test]
    fn a_soft_image_has_less_fine_contrast_and_noise_changes_it_little() {
        let all = Array2::from_elem((48, 48), true);
        let sharp = |plane: Array2<f32>| sharpness(plane.view(), &all).unwrap();
        let (fine, soft) = (sharp(waves(8.0)), sharp(waves(24.0)));
        assert!(soft < 0.5 * fine, "{soft} {fine}");
        let noisy = sharp(waves(24.0) + 0.2 * noise(3));
        assert!((noisy - soft).abs() < 0.1, "{noisy} {soft}");
        assert_eq!(sharpness(Array2::ones((48, 48)).view(), &all), None);
    }

    #[test]
    fn a_tile_of_noise_in_all_channels_is_empty_and_one_without_the_channels_has_no_fault() {
        let mut tile = Array3::zeros((3, 48, 48));
        for (seed, mut plane) in (1..).zip(tile.outer_iter_mut()) {
            plane.assign(&noise(seed));
        }
        let statistics = crate::stages::infer::describe(tile.view());
        let known = [
            ChannelName::trans(),
            ChannelName::srs(),
            ChannelName::tpef(),
        ];
        let mut flags = CellFlags::default();
        let config = QualityConfig::default();
        judge(&config, tile.view(), &statistics, &known, &mut flags);
        assert_eq!(flags.names(), ["empty"]);
        let others = ["A", "B", "C"].map(ChannelName::from);
        let mut flags = CellFlags::default();
        judge(&config, tile.view(), &statistics, &others, &mut flags);
        assert_eq!(flags, CellFlags::default());
    }
}
