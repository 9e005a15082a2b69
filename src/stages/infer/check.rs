//! What `senescope ensemble check` says of a folder.

use std::path::Path;

use senescope_hal::Clock;
use serde::Serialize;

use super::{
    EngineOptions, Ensemble, EnsembleError, GoldenDeviation, NetworkSpec, Transform,
    choose::Timing, golden::deviations,
};

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
    /// The members.
    pub members: Vec<MemberReport>,
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
    /// The form in which it is computed.
    pub transform: Transform,
    /// How the forms compare; `None` when the form was given.
    pub timing: Option<Timing>,
    /// How far it is from its golden vectors.
    pub golden: GoldenDeviation,
}

impl CheckReport {
    /// Every member reproduces its golden vectors.
    pub fn passed(&self) -> bool {
        self.members
            .iter()
            .all(|member| member.golden.within_tolerance())
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
    let golden = deviations(&ensemble, usize::MAX)?;
    let manifest = ensemble.manifest();
    let spec = NetworkSpec {
        channels: manifest.channels.len(),
        pixels: manifest.tile.pixels,
        cam: true,
    };
    let members = ensemble
        .members()
        .iter()
        .zip(golden)
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
        members,
        golden_tiles: ensemble.golden_tiles().dim().0,
        ood: manifest.ood.is_some(),
    })
}
