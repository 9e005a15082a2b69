//! What the ensemble says of tiles of a folder, in their order.

use std::num::NonZeroUsize;

use ndarray::ArrayView3;

use super::{
    EvaluateError,
    structures::{Placement, placement},
};
use crate::{
    domain::Label,
    stages::{
        combine::combine,
        explain::explain,
        infer::{Ensemble, Manifest, MemberOutput},
    },
    tiles_folder::{TileFolder, walk},
};

/// What is said of one tile.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Calibrated probability of `senescent`.
    pub p: f64,
    /// That of each member alone, at the ensemble's temperature, in the manifest's order.
    pub members: Vec<f64>,
    /// Which classes are possible: proliferating, senescent.
    pub set: [bool; 2],
    /// What is published.
    pub label: Label,
    /// Distance from the training set in units of its limit.
    pub ood: Option<f64>,
    /// Where the map of the more probable class lies, when that and the cell's structures are known.
    pub placement: Option<Placement>,
}

/// Classifies the tiles of the rows `wanted`, on `threads` threads. `done` is called for each.
///
/// # Errors
/// When a tile cannot be read or a member fails.
pub(super) fn classify(
    ensemble: &Ensemble,
    folder: &mut TileFolder,
    wanted: &[usize],
    threads: NonZeroUsize,
    done: &dyn Fn(),
) -> Result<Vec<Answer>, EvaluateError> {
    let manifest = ensemble.manifest();
    // A member alone is an ensemble of one.
    let alone: Vec<Manifest> = manifest
        .members
        .iter()
        .map(|member| Manifest {
            members: vec![member.clone()],
            ..manifest.clone()
        })
        .collect();
    let indices: Vec<_> = wanted.iter().map(|row| folder.rows()[*row].index).collect();
    let open = folder.structures();
    let state = || Ok((ensemble.worker()?, open()?));
    each(
        folder,
        wanted,
        threads,
        done,
        state,
        |(worker, structures), place, tile| {
            let outputs = worker.run(tile)?;
            let answer = answer(manifest, &alone, &outputs, ensemble.ood(tile));
            let Some(structures) = structures else {
                return Ok(answer);
            };
            let senescent = manifest.senescent();
            let class = if answer.p >= 0.5 {
                senescent
            } else {
                1 - senescent
            };
            let bits = structures.read(indices[place])?;
            let map = explain(manifest, &outputs, class);
            Ok(Answer {
                placement: map.and_then(|map| placement(map.values.view(), &bits)),
                ..answer
            })
        },
    )
}

/// Distances from the training set of the tiles of the rows `wanted`.
///
/// # Errors
/// When a tile cannot be read or the ensemble has no reference.
pub(super) fn distances(
    ensemble: &Ensemble,
    folder: &mut TileFolder,
    wanted: &[usize],
    threads: NonZeroUsize,
    done: &dyn Fn(),
) -> Result<Vec<f64>, EvaluateError> {
    each(
        folder,
        wanted,
        threads,
        done,
        || Ok(()),
        |(), _, tile| {
            let distance = ensemble.ood(tile).ok_or(EvaluateError::NoReference)?;
            Ok(f64::from(distance))
        },
    )
}

fn answer(
    manifest: &Manifest,
    alone: &[Manifest],
    outputs: &[MemberOutput],
    ood: Option<f32>,
) -> Answer {
    let verdict = combine(manifest, outputs, ood);
    Answer {
        p: f64::from(verdict.p_senescent),
        members: alone
            .iter()
            .zip(outputs.chunks(1))
            .map(|(manifest, output)| f64::from(combine(manifest, output, None).p_senescent))
            .collect(),
        set: verdict.set,
        label: verdict.label,
        ood: ood.map(f64::from),
        placement: None,
    }
}

/// What `work` finds of each wanted tile, given its place among them, in their order.
fn each<S, T: Send>(
    folder: &mut TileFolder,
    wanted: &[usize],
    threads: NonZeroUsize,
    done: &dyn Fn(),
    state: impl Fn() -> Result<S, EvaluateError> + Sync,
    work: impl Fn(&mut S, usize, ArrayView3<'_, f32>) -> Result<T, EvaluateError> + Sync,
) -> Result<Vec<T>, EvaluateError> {
    let mut found: Vec<Option<T>> = wanted.iter().map(|_| None).collect();
    walk(
        folder,
        wanted,
        threads.get(),
        state,
        |state, place, tile| work(state, place, tile.view()),
        |place, result| {
            found[place] = Some(result);
            done();
        },
    )?;
    found
        .into_iter()
        .map(|result| result.ok_or(EvaluateError::Defect))
        .collect()
}
