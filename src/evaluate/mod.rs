//! Judging an ensemble on labelled tiles of dishes that it has not seen.
//!
//! [`evaluate`] lets the ensemble answer every labelled tile and computes a [`Report`]; [`page`] draws it. Beside
//! the ensemble stand its members and the *oracle*, who knows the phenotype that the simulator drew for each
//! cell: the classes overlap, so that not even the oracle is always right. Tiles are read one at a time; what is
//! kept of each is a few numbers. The report depends on the tiles, the ensemble and the seed, and not on the
//! order of the tiles or the number of threads.
//!
//! Not done here: training, and the choice of tiles.

mod answer;
mod bootstrap;
mod curves;
mod error;
mod judge;
mod learning_curve;
mod metrics;
pub mod page;
mod report;
mod sample;
mod scored;
mod structures;
mod unlike;

use std::{collections::BTreeSet, num::NonZeroUsize, path::Path};

pub use answer::Answer;
pub use bootstrap::Figure;
pub use curves::{Abstention, AbstentionPoint, ReliabilityBin, RocPoint};
pub use error::EvaluateError;
pub use learning_curve::{LearningPoint, read as read_learning_curve};
pub use metrics::Metrics;
pub use report::{
    ByBorder, ByClass, ByLabel, ConformalReport, Confusion, Difference, FORMAT, Judged,
    MapOnStructure, MapOnStructures, Oracle, Part, Report, Roc, Unlike, UnlikeSet,
};
pub use structures::Placement;

use crate::{stages::infer::Ensemble, tiles_folder::TileFolder};
use sample::{Dishes, Sample, Tested};

/// How to judge.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that classify.
    pub threads: NonZeroUsize,
    /// Resamples of each interval.
    pub resamples: u32,
    /// Seed of the resamples.
    pub seed: u64,
}

/// What an ensemble is judged on.
#[derive(Debug)]
pub struct Material {
    tiles: TileFolder,
    labelled: Vec<usize>,
    unlike: Vec<(String, TileFolder)>,
}

impl Material {
    /// Opens labelled tiles for `ensemble`, and sets of tiles that are unlike its training set, by name.
    ///
    /// # Errors
    /// When a folder cannot be read, the labels do not suffice, or the ensemble has no reference of its training
    /// set that others could be unlike to.
    pub fn open<'a>(
        ensemble: &Ensemble,
        tiles: &Path,
        unlike: impl IntoIterator<Item = (&'a str, &'a Path)>,
    ) -> Result<Self, EvaluateError> {
        let manifest = ensemble.manifest();
        let shape = [
            manifest.channels.len(),
            manifest.tile.pixels,
            manifest.tile.pixels,
        ];
        let tiles = TileFolder::open(tiles, shape)?;
        let unlike = unlike
            .into_iter()
            .map(|(name, folder)| {
                let folder = TileFolder::open(folder, shape)?;
                if folder.rows().is_empty() {
                    return Err(EvaluateError::Labels {
                        table: folder.table_path().to_owned(),
                        reason: "it has no tile".to_owned(),
                    });
                }
                Ok((name.to_owned(), folder))
            })
            .collect::<Result<Vec<_>, EvaluateError>>()?;
        if !unlike.is_empty() && manifest.ood.is_none() {
            return Err(EvaluateError::NoReference);
        }
        Ok(Self {
            labelled: sample::labelled(&tiles)?,
            tiles,
            unlike,
        })
    }

    /// Number of tiles that will be looked at.
    pub fn tiles(&self) -> usize {
        let unlike: usize = self
            .unlike
            .iter()
            .map(|(_, folder)| folder.rows().len())
            .sum();
        self.labelled.len() + unlike
    }
}

/// Judges `ensemble`. `done` is called for each tile that was looked at.
///
/// # Errors
/// When a tile cannot be read, a member fails, or no interval can be given.
pub fn evaluate(
    ensemble: &Ensemble,
    mut material: Material,
    learning_curve: Option<Vec<LearningPoint>>,
    options: &Options,
    done: &dyn Fn(),
) -> Result<Report, EvaluateError> {
    let Options {
        threads,
        resamples,
        seed,
    } = *options;
    let folder = &mut material.tiles;
    let answers = answer::classify(ensemble, folder, &material.labelled, threads, done)?;
    let rows: Vec<_> = material
        .labelled
        .iter()
        .map(|index| &folder.rows()[*index])
        .collect();
    let dishes = Dishes::of(rows.iter().map(|row| row.dish.as_str()));
    let tested: Vec<_> = rows
        .iter()
        .zip(answers)
        .map(|(row, answer)| Tested::new(row, &dishes, answer))
        .collect();
    let part = |chosen: &dyn Fn(&Tested) -> bool| {
        let tiles = tested.iter().filter(|tile| chosen(tile));
        Sample::new(tiles, dishes.len(), resamples, seed)
    };
    let sample = part(&|_| true);
    let known = part(&|tile| tile.p_oracle.is_some());

    let manifest = ensemble.manifest();
    let tiles_sha256 = folder.sha256()?;
    let judged = Judged {
        ensemble: manifest.name.clone(),
        version: manifest.version.clone(),
        manifest_sha256: ensemble.digest().to_owned(),
        members: manifest
            .members
            .iter()
            .map(|member| member.name.clone())
            .collect(),
        simulated: manifest.training.simulated,
        training_tiles: manifest.training.tiles,
        training_dishes: manifest.training.dishes,
        trained_on_these_tiles: manifest.training.tiles_sha256 == tiles_sha256,
        program: concat!("senescope ", env!("CARGO_PKG_VERSION")).to_owned(),
        engine: ensemble.engine().to_string(),
        tiles_sha256,
        tiles: tested.len(),
        tiles_left_out: folder.rows().len() - tested.len(),
        dishes: dishes.len(),
        instruments: rows
            .iter()
            .map(|row| row.instrument.as_str())
            .filter(|name| !name.is_empty())
            .collect::<BTreeSet<_>>()
            .len(),
        share_senescent: f64::from(sample.resampling.tiles()[1]) / tested.len() as f64,
        resamples,
        seed,
    };
    let scored = sample.ensemble();
    let members = judge::members(&sample, &manifest.members);
    let unlike = match unlike::false_alarms(&sample)? {
        None => None,
        Some(held_out) => {
            let mut sets = Vec::new();
            for (name, folder) in &mut material.unlike {
                let all: Vec<_> = (0..folder.rows().len()).collect();
                let distances = answer::distances(ensemble, folder, &all, threads, done)?;
                let digest = folder.sha256()?;
                sets.push(unlike::judge(
                    name,
                    digest,
                    folder.rows(),
                    &distances,
                    &sample,
                )?);
            }
            Some(Unlike { held_out, sets })
        }
    };
    Ok(Report {
        format: FORMAT,
        judged,
        ensemble: metrics::judge(&scored, &sample.resampling)?,
        members: members
            .iter()
            .map(|(name, scored)| Ok((name.clone(), metrics::judge(scored, &sample.resampling)?)))
            .collect::<Result<_, EvaluateError>>()?,
        oracle: judge::oracle(&known)?,
        ensemble_minus_best_member: judge::against_best(&sample, &scored, &members)?,
        by_border: judge::by_border(part)?,
        confusion: judge::confusion(&sample),
        conformal: judge::conformal(&sample, &manifest.conformal)?,
        abstention: curves::abstention(&scored, &sample.resampling)?,
        reliability: curves::reliability(&scored, &sample.resampling, &sample.ones)?,
        roc: judge::roc(&sample, &scored, &members, &known),
        map_on_structures: structures::judge(&sample)?,
        unlike,
        learning_curve,
    })
}
