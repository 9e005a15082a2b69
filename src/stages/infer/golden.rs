//! Golden vectors: what each member computed when the ensemble was made, by another implementation.
//!
//! `golden.npz` has `tiles` (G × channels × rows × columns) and for each member `<name>.logits` (G × 2)
//! and, when it can be explained, `<name>.cam_weights` (G × 2 × features) and `<name>.map` (G × rows ×
//! columns): the final Grad-CAM of class `senescent`. The daemon is not ready before they are reproduced.
//! An ensemble with a reference of its training set also has `statistics` (G × statistics) of the tiles.

use std::path::Path;

use ndarray::{Array2, Array3, Array4, ArrayView, ArrayView4, Dimension, Ix4};
use serde::Serialize;

use super::{
    Ensemble, EnsembleError, Manifest, Member, MemberOutput, Worker, npz::Npz, statistics,
};
use crate::{domain::Precision, stages::explain::grad_cam};

/// What is allowed of a member in binary32: for logits as they are, for weights and maps in units of their greatest
/// magnitude.
pub const TOLERANCE: f64 = 1e-4;
/// What is allowed of the mean probability of the members in bfloat16. Logits of single members move by up to 1 there,
/// so that nothing else would be a promise; 0.05 is a tenth of the way from one class to none.
pub const TOLERANCE_BF16: f64 = 0.05;
/// What is allowed for the statistics of tiles, which are of order 1.
const STATISTICS: f64 = 1e-3;
/// Most golden tiles of an ensemble.
const TILES: usize = 64;

/// The expected vectors.
pub(super) struct Golden {
    tiles: Array4<f32>,
    members: Vec<Expected>,
}

struct Expected {
    logits: Array2<f32>,
    cam: Option<(Array3<f32>, Array3<f32>)>,
}

/// The worst deviation of one quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Deviation {
    /// Index of the golden tile.
    pub tile: usize,
    /// How far off; logits as they are, weights and maps in units of their greatest magnitude.
    pub value: f64,
}

/// How far a member is from its golden vectors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GoldenDeviation {
    /// The member.
    pub member: String,
    /// Of the logits.
    pub logits: Deviation,
    /// Of the Grad-CAM weights; `None` when the member is for labels only.
    pub cam_weights: Option<Deviation>,
    /// Of the final map; `None` when the member is for labels only.
    pub map: Option<Deviation>,
}

impl GoldenDeviation {
    /// Refuses a deviation above [`TOLERANCE`].
    fn judge(&self) -> Result<(), EnsembleError> {
        [
            ("a logit", Some(self.logits)),
            ("a Grad-CAM weight", self.cam_weights),
            ("the map", self.map),
        ]
        .into_iter()
        .filter_map(|(quantity, deviation)| Some((quantity, deviation?)))
        .try_for_each(|(quantity, deviation)| {
            // Not `>`, so that a NaN is refused.
            deviation.judge(&self.member, quantity, TOLERANCE)
        })
    }

    /// Every deviation is at most [`TOLERANCE`].
    pub fn within_tolerance(&self) -> bool {
        self.judge().is_ok()
    }
}

impl Deviation {
    fn judge(
        self,
        member: &str,
        quantity: &'static str,
        tolerance: f64,
    ) -> Result<(), EnsembleError> {
        // Not `>`, so that a NaN is refused.
        if self.value <= tolerance {
            return Ok(());
        }
        Err(EnsembleError::Golden {
            member: member.to_owned(),
            tile: self.tile,
            quantity,
            deviation: self.value,
            tolerance,
        })
    }

    fn raise(&mut self, tile: usize, value: f64) {
        // A NaN stays: nothing is greater.
        if value > self.value || value.is_nan() {
            *self = Self { tile, value };
        }
    }
}

/// How far an ensemble is from its golden vectors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reproduction {
    /// The arithmetic by which it is judged.
    pub precision: Precision,
    /// Of the mean of the members' probabilities of senescence.
    pub probability: Deviation,
    /// Of each member.
    pub members: Vec<GoldenDeviation>,
}

impl Reproduction {
    /// Refuses what deviates more than is allowed: in binary32 of each member, in bfloat16 of their mean.
    ///
    /// # Errors
    /// [`EnsembleError::Golden`] with the first deviation that is too large.
    pub fn judge(&self) -> Result<(), EnsembleError> {
        match self.precision {
            Precision::F32 => self.members.iter().try_for_each(GoldenDeviation::judge),
            Precision::Bf16 => {
                let all = "all together";
                self.probability
                    .judge(all, "the probability", TOLERANCE_BF16)
            }
        }
    }
}

impl Golden {
    pub(super) fn read(
        bytes: Vec<u8>,
        path: &Path,
        manifest: &Manifest,
        members: &[Member],
    ) -> Result<Self, EnsembleError> {
        let mut npz = Npz::open(bytes, path)?;
        let tiles = npz.array::<Ix4>("tiles")?;
        let (count, channels, rows, columns) = tiles.dim();
        let pixels = manifest.tile.pixels;
        if !(1..=TILES).contains(&count)
            || (channels, rows, columns) != (manifest.channels.len(), pixels, pixels)
        {
            let reason = format!(
                "it has shape {:?}; 1 to {TILES} tiles of the manifest's shape are expected",
                tiles.shape()
            );
            return Err(npz.wrong("tiles", &reason));
        }
        if manifest.ood.is_some() {
            compare_statistics(&mut npz, tiles.view())?;
        }
        let members = members
            .iter()
            .map(|member| {
                let name = &member.entry().name;
                let cam = member
                    .features()
                    .map(|[features, _, _]| {
                        Ok((
                            npz.array_of(&format!("{name}.cam_weights"), &[count, 2, features])?,
                            npz.array_of(&format!("{name}.map"), &[count, pixels, pixels])?,
                        ))
                    })
                    .transpose()?;
                let logits = npz.array_of(&format!("{name}.logits"), &[count, 2])?;
                Ok(Expected { logits, cam })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { tiles, members })
    }

    pub(super) fn tiles(&self) -> ArrayView4<'_, f32> {
        self.tiles.view()
    }

    /// Lets `worker` run the first `limit` tiles (at least one): how far each member, and all together, are off.
    pub(super) fn compare(
        &self,
        worker: &mut Worker,
        precision: Precision,
        senescent: usize,
        limit: usize,
    ) -> Result<Reproduction, EnsembleError> {
        let mut probability = Deviation::default();
        let mut members: Vec<_> = worker
            .names()
            .map(|name| GoldenDeviation {
                member: name.to_owned(),
                logits: Deviation::default(),
                cam_weights: None,
                map: None,
            })
            .collect();
        for (index, tile) in self.tiles.outer_iter().enumerate().take(limit.max(1)) {
            let outputs = worker.run(tile)?;
            for ((expected, output), deviation) in
                self.members.iter().zip(&outputs).zip(&mut members)
            {
                expected.compare(index, output, senescent, deviation);
            }
            let expected = self
                .members
                .iter()
                .map(|member| member.logits.row(index).to_vec());
            let found = outputs.iter().map(|output| output.logits.to_vec());
            let off = mean_probability(found, senescent) - mean_probability(expected, senescent);
            probability.raise(index, off.abs());
        }
        Ok(Reproduction {
            precision,
            probability,
            members,
        })
    }
}

/// Refuses statistics that this program does not find in the tiles: the limit would mean something else.
fn compare_statistics(npz: &mut Npz, tiles: ArrayView4<'_, f32>) -> Result<(), EnsembleError> {
    let (count, channels, ..) = tiles.dim();
    let shape = [count, statistics::count(channels)];
    let expected: Array2<f32> = npz.array_of("statistics", &shape)?;
    for (index, (tile, expected)) in tiles.outer_iter().zip(expected.outer_iter()).enumerate() {
        let found = statistics::describe(tile);
        let differs = found
            .values()
            .iter()
            .zip(expected)
            .position(|(found, expected)| (found - f64::from(*expected)).abs() > STATISTICS);
        if let Some(statistic) = differs {
            let reason = format!("statistic {statistic} of tile {index} is not reproduced");
            return Err(npz.wrong("statistics", &reason));
        }
    }
    Ok(())
}

impl Expected {
    fn compare(
        &self,
        tile: usize,
        output: &MemberOutput,
        senescent: usize,
        deviation: &mut GoldenDeviation,
    ) {
        let logits = ArrayView::from(&output.logits);
        let expected = self.logits.index_axis(ndarray::Axis(0), tile);
        deviation
            .logits
            .raise(tile, greatest_difference(logits, expected));
        let (Some((weights, maps)), Some(found)) = (&self.cam, &output.cam_weights) else {
            return;
        };
        let weights = weights.index_axis(ndarray::Axis(0), tile);
        let map = maps.index_axis(ndarray::Axis(0), tile);
        deviation.cam_weights.get_or_insert_default().raise(
            tile,
            greatest_difference(found.view(), weights) / greatest(weights),
        );
        let found = grad_cam(output, senescent, map.nrows());
        deviation.map.get_or_insert_default().raise(
            tile,
            found.map_or(f64::NAN, |found| {
                greatest_difference(found.values.view(), map) / greatest(map)
            }),
        );
    }
}

/// The mean over members of the softmax of their logits, at one class.
fn mean_probability(logits: impl ExactSizeIterator<Item = Vec<f32>>, class: usize) -> f64 {
    let members = logits.len().max(1) as f64;
    let probability = |logits: Vec<f32>| {
        let of_class = logits.get(class).copied().unwrap_or(f32::NAN);
        let ratios = logits.iter().map(|other| f64::from(other - of_class).exp());
        1.0 / ratios.sum::<f64>()
    };
    logits.map(probability).sum::<f64>() / members
}

fn greatest_difference<D: Dimension>(a: ArrayView<'_, f32, D>, b: ArrayView<'_, f32, D>) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs())
        .fold(0.0, f64::max)
}

/// The greatest magnitude, for relative deviations; 1 when all are 0.
fn greatest<D: Dimension>(array: ArrayView<'_, f32, D>) -> f64 {
    match array
        .iter()
        .map(|value| f64::from(value.abs()))
        .fold(0.0, f64::max)
    {
        0.0 => 1.0,
        greatest => greatest,
    }
}

/// Runs the first `limit` golden tiles (at least one) and compares.
pub(super) fn reproduce(ensemble: &Ensemble, limit: usize) -> Result<Reproduction, EnsembleError> {
    let mut worker = ensemble.worker()?;
    let precision = ensemble.engine().precision;
    let senescent = ensemble.manifest().senescent();
    ensemble
        .golden()
        .compare(&mut worker, precision, senescent, limit)
}

/// Runs the first `limit` golden tiles (at least one) and refuses the ensemble when its vectors are not reproduced.
///
/// # Errors
/// When a deviation is above what is allowed or a member fails.
pub fn check_golden(ensemble: &Ensemble, limit: usize) -> Result<Reproduction, EnsembleError> {
    let reproduction = reproduce(ensemble, limit)?;
    reproduction.judge()?;
    Ok(reproduction)
}
