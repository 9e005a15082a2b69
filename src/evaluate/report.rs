//! What `report.json` says. Shares and probabilities are in [0, 1]; every figure has a 95 % interval from
//! resampling whole dishes. The same inputs give the same bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Abstention, Figure, LearningPoint, Metrics, ReliabilityBin, RocPoint};
use crate::stages::infer::ConformalLimits;

/// Version of this form.
pub const FORMAT: u32 = 1;

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Version of this form: 1.
    pub format: u32,
    /// What was judged, on what.
    pub judged: Judged,
    /// The ensemble.
    pub ensemble: Metrics<Figure>,
    /// Each member alone, at the ensemble's temperature.
    pub members: BTreeMap<String, Metrics<Figure>>,
    /// Somebody who knows the true phenotype; `null` when no tile says what it would answer.
    pub oracle: Option<Oracle>,
    /// The ensemble against the member with the greatest accuracy.
    pub ensemble_minus_best_member: Difference,
    /// Cells wholly in the field, and cells that its border cuts; a part with cells of one class or of one dish
    /// only is `null`.
    pub by_border: ByBorder,
    /// Tiles by true class and what was said of them.
    pub confusion: Confusion,
    /// The classes that are possible at the stated coverage.
    pub conformal: ConformalReport,
    /// Accuracy when the least certain cells are left out.
    pub abstention: Abstention,
    /// The reliability diagram of the ensemble.
    pub reliability: Vec<ReliabilityBin>,
    /// ROC curves.
    pub roc: Roc,
    /// Whether the maps lie on the structures by which the classes differ; `null` when no tile says where those
    /// are, or no member has a map.
    pub map_on_structures: Option<MapOnStructures>,
    /// Which tiles are told to be unlike the training set; `null` when the ensemble has no reference of it.
    pub unlike: Option<Unlike>,
    /// Accuracies from a table that was made elsewhere.
    pub learning_curve: Option<Vec<LearningPoint>>,
}

/// What was judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Name of the ensemble.
    pub ensemble: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its manifest, which has the digests of its files.
    pub manifest_sha256: String,
    /// Its members, in the manifest's order.
    pub members: Vec<String>,
    /// It was trained on simulated cells.
    pub simulated: bool,
    /// Tiles that it was trained on.
    pub training_tiles: u64,
    /// Dishes that they came from.
    pub training_dishes: u64,
    /// It was trained on these very tiles: the figures say nothing about other dishes.
    pub trained_on_these_tiles: bool,
    /// The program that judged.
    pub program: String,
    /// The inference library.
    pub engine: String,
    /// SHA-256 over the digests of both files of tiles.
    pub tiles_sha256: String,
    /// Tiles whose class is known: those that were judged on.
    pub tiles: usize,
    /// Tiles that were left out: the class is not known, or less than half of the cell is in the field.
    pub tiles_left_out: usize,
    /// Dishes of the judged tiles.
    pub dishes: usize,
    /// Microscopes of the judged tiles; 0 when the table does not name them.
    pub instruments: usize,
    /// Share of the judged tiles that are senescent.
    pub share_senescent: f64,
    /// Resamples of each interval.
    pub resamples: u32,
    /// Seed of the resamples.
    pub seed: u64,
}

/// The oracle, on the tiles where its answer is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Oracle {
    /// Tiles where it is known.
    pub tiles: usize,
    /// Its figures there.
    #[serde(flatten)]
    pub metrics: Metrics<Figure>,
    /// Accuracy of the ensemble there minus that of the oracle, both on the same resamples.
    pub ensemble_minus_oracle: Figure,
}

/// The ensemble against one member.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The member.
    pub member: String,
    /// Accuracy of the ensemble minus that of the member, both on the same resamples.
    pub accuracy: Figure,
}

/// Cells by whether the border of the field cuts them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ByBorder {
    /// Cells wholly in the field.
    pub whole: Option<Part>,
    /// Cells with the flag `touches_border`.
    pub cut_by_the_border: Option<Part>,
}

/// A part of the tiles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Its tiles.
    pub tiles: usize,
    /// Their dishes.
    pub dishes: usize,
    /// The ensemble on them.
    pub ensemble: Metrics<Figure>,
    /// The oracle on those of them where it is known.
    pub oracle: Option<Metrics<Figure>>,
}

/// Something of each class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ByClass<T> {
    /// Of proliferating cells.
    pub proliferating: T,
    /// Of senescent cells.
    pub senescent: T,
}

/// Something of each label that is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ByLabel<T> {
    /// Of cells that are called proliferating.
    pub proliferating: T,
    /// Of cells that are called senescent.
    pub senescent: T,
    /// Of cells of which both classes are possible.
    pub uncertain: T,
    /// Of cells of which no class is possible, or that are unlike the training set.
    pub atypical: T,
}

/// Numbers of tiles, first by true class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confusion {
    /// By the more probable class.
    pub decided: ByClass<ByClass<u32>>,
    /// By the label that is published.
    pub published: ByClass<ByLabel<u32>>,
}

/// Conformal prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConformalReport {
    /// The coverage that the manifest states.
    pub stated_coverage: f64,
    /// Its limits.
    pub limits: ConformalLimits,
    /// Share of the cells of each class that have it among the possible ones.
    pub observed_coverage: ByClass<Figure>,
    /// Mean number of possible classes.
    pub mean_set_size: Figure,
    /// Shares of the labels that are published.
    pub labels: ByLabel<Figure>,
}

/// ROC curves of at most 200 points each, from (0, 0) to (1, 1).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Roc {
    /// Of the ensemble.
    pub ensemble: Vec<RocPoint>,
    /// Of each member.
    pub members: BTreeMap<String, Vec<RocPoint>>,
    /// Of the oracle.
    pub oracle: Option<Vec<RocPoint>>,
}

/// Where the ensemble's map of the decided class lies in simulated cells, by that class and kind of structure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapOnStructures {
    /// Mean part of the map's mass that is in the true cell at all.
    pub in_cell: Figure,
    /// Cells that are called proliferating.
    pub proliferating: BTreeMap<&'static str, MapOnStructure>,
    /// Cells that are called senescent.
    pub senescent: BTreeMap<&'static str, MapOnStructure>,
}

/// One kind of structure, over the cells that have it. Shares are of what is inside the true cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MapOnStructure {
    /// Cells that have it.
    pub tiles: usize,
    /// Mean share of the map's mass that is on it.
    pub map: Figure,
    /// The same of a map of equal mass placed at random: its mean share of the area.
    pub by_chance: Figure,
    /// The same of the map turned by 180° about the middle of the tile.
    pub turned: Figure,
    /// `map` by `by_chance`.
    pub ratio: Figure,
    /// `map` by `turned`.
    pub ratio_to_turned: Figure,
}

/// Which tiles are told to be unlike the training set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unlike {
    /// Share of the judged tiles above the limit: false alarms.
    pub held_out: Figure,
    /// Other tiles, in the order in which they were given.
    pub sets: Vec<UnlikeSet>,
}

/// A set of tiles that is unlike the training set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnlikeSet {
    /// Its name.
    pub name: String,
    /// SHA-256 over the digests of its files.
    pub tiles_sha256: String,
    /// Its tiles.
    pub tiles: usize,
    /// What was resampled: `dishes`, or `tiles` when the table does not name at least two dishes.
    pub resampled: &'static str,
    /// Share of them above the limit.
    pub flagged: Figure,
    /// Area under the ROC curve by which the distance tells them from the judged tiles.
    pub auc: Figure,
}
