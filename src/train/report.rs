//! `training.json`: what was trained on what, and how well it does on dishes that it has not seen.
//!
//! Nothing in it depends on the time or on the number of threads.

use serde::Serialize;

use super::{calibrate::Sets, fit::History, judge::Figures, survey::Counts};
use crate::stages::infer::ConformalLimits;

/// The report of a training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Version of this form: 1.
    pub format: u32,
    /// What was asked for.
    pub settings: Asked,
    /// Name and version of the ensemble whose backbones were used.
    pub backbones: String,
    /// Digest of its manifest.
    pub backbones_digest: String,
    /// Digest of the tiles.
    pub tiles_sha256: String,
    /// Labelled tiles of the class `proliferating`.
    pub proliferating: Counts,
    /// Labelled tiles of the class `senescent`.
    pub senescent: Counts,
    /// Tiles without a class; they were left out.
    pub unlabelled: usize,
    /// Names of the dishes of each fold.
    pub folds: Vec<Vec<String>>,
    /// The ensemble as it was, on these tiles: honest only when it was not trained on them.
    pub before: Figures,
    /// The retrained ensemble on dishes that none of its heads had seen: every fold is left out in turn.
    pub cross_validated: CrossValidated,
    /// The members.
    pub members: Vec<MemberReport>,
    /// The temperature.
    pub temperature: f64,
    /// −ln p(true class) of the answers that fitted the temperature, with it.
    pub calibrated_negative_log_likelihood: f64,
    /// Part of each class whose class is to be among the possible ones.
    pub coverage: f64,
    /// The conformal limits.
    pub limits: ConformalLimits,
    /// How sets came out when each fold's were made by the other folds' temperature and limits.
    pub sets: Sets,
    /// Limit of the distance from the training set; `null` when the tiles were too few for a reference.
    pub ood_limit: Option<f64>,
    /// What to be careful about.
    pub warnings: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Views of each tile.
    pub views: usize,
    /// Hidden units of a head.
    pub hidden: usize,
    /// The seed.
    pub seed: u64,
    /// The tiles came from the simulated microscope.
    pub simulated: bool,
}

/// Figures on dishes that no head had seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossValidated {
    /// Of all tiles together.
    pub all: Figures,
    /// Of each left-out fold.
    pub folds: Vec<Figures>,
    /// Mean of the folds' areas under the curve.
    pub mean_auc: Option<f64>,
    /// Mean of the accuracies of the dishes, each dish counted once.
    pub mean_accuracy_of_dishes: f64,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// Features of its backbone.
    pub features: usize,
    /// By itself, on dishes that its head had not seen.
    pub cross_validated: Figures,
    /// The fold that ended the training of the head that was kept.
    pub stopping_fold: usize,
    /// How that head was trained.
    pub training: History,
}
