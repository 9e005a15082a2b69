//! What is wrong with the image of a cell.
//!
//! Judged inside the cell, on its tile. The thresholds were chosen on good and spoilt tiles of simulated dishes;
//! `senescope simulate --fault` records spoilt ones. A lost channel has a gap on both sides; out of focus is a
//! matter of degree.
//!
//! Not done here: SRS and TPEF exchanged look like another cell, not like a fault; only the comparison with the
//! training set notices them.

use std::sync::LazyLock;

use ndarray::ArrayView3;
use senescope_hal::ChannelName;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{CellFlags, TileWindow},
    stages::{
        infer::{Statistics, statistics::inside},
        tile::noise_correlation,
    },
};

/// Pixels of a tile between the samples whose differences are coarse; fine ones are neighbours.
const COARSE: usize = 4;
/// Fewer pairs of pixels say nothing about a channel.
const FEWEST_PAIRS: u32 = 64;
/// Smallest variance that is an image, or noise.
const NO_CONTRAST: f64 = 1e-6;
/// Where resampling makes neighbours of pure noise this alike, noise is not told from an image any more.
const TOO_COARSE: f64 = 0.6;

/// Thresholds of the image quality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityConfig {
    /// Rows of an image resemble their neighbours more than rows of noise do; below this correlation, beyond what
    /// resampling gives to noise, the channel is lost.
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
            least_coherence: 0.1,
            most_exchange: 0.25,
            least_sharpness: 0.13,
            warn_part: 0.5,
        }
    }
}

/// Sets the flags of the faults that a tile (planes of `channels` × rows × columns, cut at `window`) with these
/// statistics shows. A rule whose channels the tile does not have says nothing.
pub fn judge(
    config: &QualityConfig,
    tile: ArrayView3<'_, f32>,
    window: TileWindow,
    statistics: &Statistics,
    channels: &[ChannelName],
    flags: &mut CellFlags,
) {
    let plane = |name: &ChannelName| channels.iter().position(|channel| channel == name);
    let [srs, tpef, trans] = NAMES.each_ref().map(plane);
    let tile = tile.as_standard_layout();
    let samples = tile.as_slice().unwrap_or_default();
    let (_, rows, columns) = tile.dim();
    let plane_of = |channel: usize| Plane {
        samples: &samples[channel * rows * columns..(channel + 1) * rows * columns],
        columns,
    };
    let inside = inside(samples, rows * columns);
    let pixels = rows;
    // Pixels of the frame in one of the tile.
    let scale = window.size / pixels as f64;
    let of_noise = noise_correlation(window.y, scale, pixels);
    let saturated = flags.saturated;
    let lost = |channel: Option<usize>| {
        match coherence(plane_of(channel?), &inside)? {
            // A detector that gives one number is off, or at its limit.
            Coherence::Flat => Some(!saturated),
            Coherence::Of(_) if of_noise > TOO_COARSE => None,
            Coherence::Of(found) => {
                Some((found - of_noise) / (1.0 - of_noise) < config.least_coherence)
            }
        }
    };
    let found = [srs, tpef, trans].map(lost);
    let known = found.iter().flatten().count();
    flags.empty = known > 1 && found.iter().flatten().all(|lost| *lost);
    let [srs_lost, tpef_lost, trans_lost] = found.map(|lost| lost == Some(true));
    flags.srs_lost = srs_lost && !flags.empty;
    flags.tpef_lost = tpef_lost && !flags.empty;
    flags.trans_lost = trans_lost && !flags.empty;
    if let Some(trans) = trans {
        flags.channels_exchanged = [srs, tpef]
            .into_iter()
            .flatten()
            .any(|other| statistics.correlation(trans, other) > config.most_exchange);
        // Pixels that are larger than the tile's own were never sharp.
        flags.out_of_focus = scale >= 1.0
            && !(trans_lost || flags.channels_exchanged)
            && sharpness(plane_of(trans), &inside)
                .is_some_and(|sharpness| sharpness < config.least_sharpness);
    }
}

/// How much pixels in a cell resemble the ones below them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Coherence {
    /// There is no contrast.
    Flat,
    /// Their correlation.
    Of(f64),
}

/// The channels that are judged.
static NAMES: LazyLock<[ChannelName; 3]> = LazyLock::new(|| {
    [
        ChannelName::srs(),
        ChannelName::tpef(),
        ChannelName::trans(),
    ]
});

/// A channel of a tile.
#[derive(Clone, Copy)]
struct Plane<'a> {
    samples: &'a [f32],
    columns: usize,
}

impl<'a> Plane<'a> {
    /// Each row but the last with the one below it, and which of their pixels are `inside`.
    fn pairs<'b>(
        self,
        inside: &'b [bool],
    ) -> impl Iterator<Item = ([&'a [f32]; 2], [&'b [bool]; 2])> {
        let columns = self.columns.max(1);
        let rows = self.samples.chunks_exact(columns);
        let rows = rows.clone().zip(rows.skip(1));
        let inside = inside.chunks_exact(columns);
        let inside = inside.clone().zip(inside.skip(1));
        rows.zip(inside)
            .map(|((above, below), (in_above, in_below))| ([above, below], [in_above, in_below]))
    }
}

/// [`Coherence`] of a plane inside the cell; `None` when there are too few pixels to tell.
fn coherence(plane: Plane<'_>, inside: &[bool]) -> Option<Coherence> {
    let mut count = 0_u32;
    // Sums of both values, of their squares and of their product.
    let mut sums = [0.0_f64; 5];
    for ([above, below], [in_above, in_below]) in plane.pairs(inside) {
        let values = above.iter().zip(below);
        let both = in_above
            .iter()
            .zip(in_below)
            .map(|(above, below)| *above && *below);
        for ((above, below), _) in values.zip(both).filter(|(_, both)| *both) {
            let (above, below) = (f64::from(*above), f64::from(*below));
            count += 1;
            let terms = [above, below, above * above, below * below, above * below];
            for (sum, term) in sums.iter_mut().zip(terms) {
                *sum += term;
            }
        }
    }
    if count < FEWEST_PAIRS {
        return None;
    }
    let [above, below, above2, below2, product] = sums.map(|sum| sum / f64::from(count));
    let variances = [above2 - above * above, below2 - below * below];
    if variances.iter().any(|variance| *variance <= NO_CONTRAST) {
        return Some(Coherence::Flat);
    }
    let scale = (variances[0] * variances[1]).sqrt();
    Some(Coherence::Of((product - above * below) / scale))
}

/// Mean product of the differences between neighbours in one row and in the next, against the same of pixels
/// [`COARSE`] apart: fine contrast against coarse. Noise of two rows is independent and averages out of both.
/// `None` without coarse contrast.
fn sharpness(plane: Plane<'_>, inside: &[bool]) -> Option<f64> {
    let contrast = |lag: usize| {
        let (mut sum, mut count) = (0.0, 0_u32);
        for ([one, next], [in_one, in_next]) in plane.pairs(inside) {
            let difference = |row: &[f32], left: usize| f64::from(row[left + lag] - row[left]);
            for left in 0..plane.columns.saturating_sub(lag) {
                let right = left + lag;
                if in_one[left] && in_one[right] && in_next[left] && in_next[right] {
                    sum += difference(one, left) * difference(next, left);
                    count += 1;
                }
            }
        }
        (count >= FEWEST_PAIRS).then(|| sum / f64::from(count))
    };
    let coarse = contrast(COARSE).filter(|coarse| *coarse > 0.0)?;
    Some(contrast(1)? / coarse)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};

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

    /// Correlation of rows, or nothing.
    fn of(plane: &Array2<f32>, inside: bool) -> Option<Coherence> {
        coherence(flat(plane), &[inside; 48 * 48])
    }

    #[test]
    fn noise_is_incoherent_and_an_image_in_noise_is_not() {
        let correlation = |plane: Array2<f32>| match of(&plane, true) {
            Some(Coherence::Of(found)) => found,
            other => panic!("{other:?}"),
        };
        assert!(correlation(noise(1)).abs() < 0.1);
        assert!(correlation(waves(12.0) + 0.3 * noise(2)) > 0.6);
        assert_eq!(
            of(&Array2::from_elem((48, 48), 0.3), true),
            Some(Coherence::Flat)
        );
        assert_eq!(of(&noise(1), false), None);
    }

    #[test]
    fn a_soft_image_has_less_fine_contrast_and_noise_changes_it_little() {
        let all = [true; 48 * 48];
        let sharp = |plane: Array2<f32>| sharpness(flat(&plane), &all).unwrap();
        let (fine, soft) = (sharp(waves(8.0)), sharp(waves(24.0)));
        assert!(soft < 0.5 * fine, "{soft} {fine}");
        let noisy = sharp(waves(24.0) + 0.2 * noise(3));
        assert!((noisy - soft).abs() < 0.1, "{noisy} {soft}");
        assert_eq!(sharpness(flat(&Array2::ones((48, 48))), &all), None);
    }

    fn flat(plane: &Array2<f32>) -> Plane<'_> {
        Plane {
            samples: plane.as_slice().unwrap(),
            columns: plane.ncols(),
        }
    }

    /// The flags of a tile of TRANS, SRS and TPEF, with `scale` pixels of the frame in each of its own.
    fn judged(
        planes: [Array2<f32>; 3],
        channels: [&str; 3],
        scale: f64,
        saturated: bool,
    ) -> Vec<&'static str> {
        let mut tile = Array3::zeros((3, 48, 48));
        for (plane, mut target) in planes.iter().zip(tile.outer_iter_mut()) {
            target.assign(plane);
        }
        let mut flags = CellFlags {
            saturated,
            ..CellFlags::default()
        };
        let window = TileWindow {
            x: 0.0,
            y: 0.0,
            size: 48.0 * scale,
        };
        judge(
            &QualityConfig::default(),
            tile.view(),
            window,
            &crate::stages::infer::describe(tile.view()),
            &channels.map(ChannelName::from),
            &mut flags,
        );
        flags.names()
    }

    const NAMES: [&str; 3] = ["TRANS", "SRS", "TPEF"];

    /// Transmission, and two that follow each other and not it.
    fn sound() -> [Array2<f32>; 3] {
        let body = waves(20.0);
        let trans = waves(7.0) + 0.1 * noise(9);
        [trans, body.clone() + 0.1 * noise(4), body + 0.1 * noise(5)]
    }

    #[test]
    fn each_fault_has_its_own_name() {
        let flat = || Array2::from_elem((48, 48), 0.2);
        let with = |place: usize, plane: Array2<f32>| {
            let mut planes = sound();
            planes[place] = plane;
            judged(planes, NAMES, 2.0, false)
        };
        assert!(judged(sound(), NAMES, 2.0, false).is_empty());
        for (place, flag) in [(0, "trans_lost"), (1, "srs_lost"), (2, "tpef_lost")] {
            assert_eq!(with(place, noise(7)), [flag]);
            assert_eq!(with(place, flat()), [flag]);
        }
        assert_eq!(with(0, waves(40.0)), ["out_of_focus"]);
        assert_eq!(with(0, waves(20.0)), ["channels_exchanged"]);
        let dark = || judged([flat(), flat(), flat()], NAMES, 2.0, false);
        assert_eq!(dark(), ["empty"]);
        assert_eq!(judged([1, 2, 3].map(noise), NAMES, 2.0, false), ["empty"]);
        // One detector at its limit has no image, and another name.
        let mut limit = sound();
        limit[0] = Array2::ones((48, 48));
        assert_eq!(judged(limit, NAMES, 2.0, true), ["saturated"]);
        // Which channel is what is not known.
        assert!(judged([1, 2, 3].map(noise), ["A", "B", "C"], 2.0, false).is_empty());
    }

    #[test]
    fn what_coarse_pixels_do_to_a_tile_is_no_fault() {
        // Pixels of 0.8 µm in a tile of 0.4 µm: noise looks coherent, and nothing is sharp.
        assert!(!judged([1, 2, 3].map(noise), NAMES, 0.5, false).contains(&"empty"));
        let mut soft = sound();
        soft[0] = waves(40.0);
        assert!(judged(soft, NAMES, 0.5, false).is_empty());
    }
}
