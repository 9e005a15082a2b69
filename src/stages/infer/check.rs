//! What `senescope ensemble check` says of a folder.

use std::path::Path;

use senescope_hal::Clock;
use serde::Serialize;

use super::{
    EngineOptions, Ensemble, EnsembleError, GoldenDeviation, NetworkSpec, Timing, Transform, Trial,
    golden::{Deviation, reproduce},
};
use crate::domain::EngineId;

/// A checked ensemble. That it exists says that digests, shapes and the manifest are right.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Name of the ensemble.
    pub name: String,
    /// Version of the ensemble.
    pub version: String,
    /// Digest of the manifest: the `model` of messages.
    pub digest: String,
    /// Names of the classes in the order of the logits.
    pub classes: Vec<String>,
    /// Names of the channels in the order of a tile's planes.
    pub channels: Vec<String>,
    /// Channels, rows and columns of a tile.
    pub tile: [usize; 3],
    /// What computed the networks.
    pub engine: EngineId,
    /// So many tiles it computes together when they wait; 1 when that is not faster, or not the same.
    pub batch: usize,
    /// What became of each library when the engine is `auto`.
    pub trials: Vec<Trial>,
    /// The members.
    pub members: Vec<MemberReport>,
    /// How far the mean probability of senescence of all members is from the golden one.
    pub probability: Deviation,
    /// The ensemble reproduces its golden vectors, as is required of the engine's precision.
    pub right: bool,
    /// Golden tiles that were run.
    pub golden_tiles: usize,
    /// There is a reference of the training set.
    pub ood: bool,
}

/// A checked member.
#[derive(Clone, Debug, Serialize)]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The digest that the file has.
    pub sha256: String,
    /// Features, rows and columns of the last map; `None` when it is for labels only.
    pub features: Option<[usize; 3]>,
    /// The form in which the embedded library computes it; `None` when another library does.
    pub transform: Option<Transform>,
    /// How the forms compare; `None` when the form was given.
    pub timing: Option<Timing>,
    /// How far it is from its golden vectors.
    pub golden: GoldenDeviation,
}

impl CheckReport {
    /// The ensemble reproduces its golden vectors.
    pub fn passed(&self) -> bool {
        self.right
    }
}

/// Loads the ensemble in `folder`, times its members and runs all golden vectors. A deviation is no error:
/// see [`CheckReport::passed`].
///
/// # Errors
/// When the ensemble cannot be loaded or a member fails.
pub fn check(
    folder: &Path,
    options: &EngineOptions,
    clock: &dyn Clock,
) -> Result<CheckReport, EnsembleError> {
    let ensemble = Ensemble::load(folder, options, clock)?;
    let golden = reproduce(&ensemble, usize::MAX)?;
    let right = golden.judge().is_ok();
    let manifest = ensemble.manifest();
    let spec = NetworkSpec {
        channels: manifest.channels.len(),
        pixels: manifest.tile.pixels,
        cam: true,
    };
    let members = ensemble
        .members()
        .iter()
        .zip(golden.members)
        .map(|(member, golden)| MemberReport {
            name: member.entry().name.clone(),
            file: member.entry().file.clone(),
            sha256: member.entry().sha256.clone(),
            features: member.features(),
            transform: member.transform(),
            timing: member.timing(),
            golden,
        })
        .collect();
    Ok(CheckReport {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: ensemble.digest().to_owned(),
        classes: manifest.classes.clone(),
        channels: manifest.channels.iter().map(ToString::to_string).collect(),
        tile: spec.tile(),
        engine: ensemble.engine().clone(),
        batch: ensemble.batch(),
        trials: ensemble.trials().to_vec(),
        members,
        probability: golden.probability,
        right,
        golden_tiles: ensemble.golden_tiles().dim().0,
        ood: manifest.ood.is_some(),
    })
}
