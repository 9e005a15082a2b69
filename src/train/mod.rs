//! Retraining the heads of an ensemble on a laboratory's own labelled cells, without Python.
//!
//! The backbones stay as they are and are run by the daemon's own engine; what each says of some views of
//! every tile is pooled and kept, and heads are trained on it by backpropagation in seconds. Dishes are shared
//! out into folds. Member m's head stops by fold m, and for every fold all heads are trained once more
//! without it: temperature, conformal limits and every figure of [`Report`] come from answers on dishes that
//! no head had seen. The result is an ensemble's folder as the recipe makes it.
//!
//! The same tiles, backbones and seed give the same bytes, on one machine and build, on however many threads.
//! Memory: the pooled features of one member (at most 2 GiB, refused before), and a few tiles a thread.
//!
//! Not done here: fine-tuning of the backbones (the recipe does), choosing cells, labels.

mod adam;
mod calibrate;
mod cholesky;
mod error;
mod features;
mod fit;
mod folds;
mod golden;
mod gradient;
mod judge;
mod members;
mod npz;
mod output;
mod reference;
mod report;
mod scale;
mod school;
mod survey;
mod views;
mod write;

use std::path::{Path, PathBuf};

use senescope_hal::Clock;

pub use calibrate::Sets;
pub use error::TrainError;
pub use fit::{Epoch, History};
pub use judge::Figures;
pub use report::{Asked, CrossValidated, MemberReport, Report};
pub use survey::Counts;

use crate::{
    stages::infer::{Conformal, EngineOptions, Ensemble, EnsembleError, Manifest, Training},
    tiles_folder::TileFolder,
};
use features::bounded;
use folds::{Folds, USUAL};
use output::Output;
use school::School;
use survey::TrainingSet;
use write::Content;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of labelled tiles.
    pub tiles: PathBuf,
    /// The ensemble whose backbones are used.
    pub backbones: PathBuf,
    /// The folder to make.
    pub out: PathBuf,
    /// Folds of the dishes, at least 3; without it as many as members and at least 5. There are never more
    /// than dishes of the rarer class.
    pub folds: Option<usize>,
    /// Views of each tile, itself among them; at least 1.
    pub views: usize,
    /// Hidden units of a head; at least 1.
    pub hidden: usize,
    /// Everything random follows from it.
    pub seed: u64,
    /// Worker threads; at least 1.
    pub threads: usize,
    /// Part of each class whose class is to be among the possible ones, 0.5 to 0.9999.
    pub coverage: f64,
    /// Name of the new ensemble; without it that of the backbones and `-retrained`.
    pub name: Option<String>,
    /// Version of the new ensemble.
    pub version: String,
    /// The tiles came from the simulated microscope.
    pub simulated: bool,
    /// How networks are computed.
    pub engine: EngineOptions,
}

/// How far a training is: called often, from several threads.
pub type Progress<'a> = dyn Fn(Step) + Sync + 'a;

/// A step of a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A part begins that has so many steps.
    Begin(String, usize),
    /// One step of the part is done.
    Done,
}

/// Trains new heads and writes the ensemble's folder.
///
/// # Errors
/// When the tiles or the backbones cannot be used, or the result cannot be written; nothing is written then.
pub fn train(
    settings: &Settings,
    clock: &dyn Clock,
    progress: &Progress<'_>,
) -> Result<Report, TrainError> {
    let output = Output::claim(&settings.out)?;
    let ensemble = Ensemble::load(&settings.backbones, &settings.engine, clock)?;
    let manifest = named(settings, ensemble.manifest())?;
    let channels = manifest.channels.len();
    let pixels = manifest.tile.pixels;
    let unfit = |reason| TrainError::Unfit {
        folder: settings.tiles.clone(),
        reason,
    };
    let mut folder = TileFolder::open(&settings.tiles, [channels, pixels, pixels])?;
    let set = TrainingSet::of(folder.rows()).map_err(unfit)?;
    for member in ensemble.members() {
        let Some([features, ..]) = member.features() else {
            return Err(EnsembleError::Member {
                path: settings.backbones.join(&member.entry().file),
                reason: "gives no `features`, the last map of its backbone, so no head can be put onto it; \
                         use an ensemble whose members have it (`cam` is true)"
                    .to_owned(),
            }
            .into());
        };
        bounded(features, set.tiles.len(), settings.views)?;
    }
    let tiles = set.tiles.len();
    progress(Step::Begin("comparing tiles".to_owned(), tiles));
    let statistics = set
        .survey(&mut folder, settings.threads, || progress(Step::Done))?
        .map_err(unfit)?;
    let usual = ensemble.members().len().max(USUAL);
    let folds = Folds::new(&set, settings.folds.unwrap_or(usual), settings.seed);
    let sha256 = folder.sha256()?;
    let school = School {
        settings,
        ensemble: &ensemble,
        set: &set,
        folds: &folds,
        progress,
    };
    let taught = school.members(&mut folder)?;
    let golden = golden::golden(&mut folder, &set, &ensemble, &taught.heads, settings.seed)?;
    let reference = reference::reference(&statistics, &set, &folds);
    let report = school.report(
        &taught,
        &sha256,
        reference.as_ref().map(|(_, limit)| *limit),
    );
    let content = Content {
        manifest: Manifest {
            temperature: report.temperature,
            conformal: Conformal {
                coverage: report.coverage,
                limits: report.limits,
            },
            training: Training {
                tiles_sha256: sha256,
                tiles: tiles as u64,
                dishes: set.dishes.len() as u64,
                ..manifest.training.clone()
            },
            ..manifest
        },
        report: &report,
        golden,
        reference,
    };
    content.write(output, settings, &ensemble, &taught.heads, clock)?;
    Ok(report)
}

/// The manifest of the backbones under the new name, which must be a valid one.
fn named(settings: &Settings, base: &Manifest) -> Result<Manifest, TrainError> {
    let usual = || format!("{}-retrained", base.name.trim_end_matches("-retrained"));
    let manifest = Manifest {
        name: settings.name.clone().unwrap_or_else(usual),
        version: settings.version.clone(),
        training: Training {
            recipe: "senescope train".to_owned(),
            seed: settings.seed,
            simulated: settings.simulated,
            ..base.training.clone()
        },
        conformal: Conformal {
            coverage: settings.coverage,
            ..base.conformal
        },
        ..base.clone()
    };
    let bytes = json(&manifest)?;
    Manifest::parse(&bytes, Path::new("the new manifest"))
        .map_err(|error| TrainError::Setting(error.to_string()))
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, TrainError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| TrainError::Arithmetic(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
