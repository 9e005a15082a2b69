//! What the ensemble says of tiles of a folder: workers beside one reader, results in the tiles' order.

use std::{num::NonZeroUsize, thread};

use crossbeam_channel::bounded;
use ndarray::{Array3, ArrayView3};

use super::EvaluateError;
use crate::{
    domain::Label,
    stages::{
        combine::combine,
        infer::{Ensemble, Manifest, MemberOutput},
    },
    tiles_folder::TileFolder,
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
    let workers = (0..threads.get())
        .map(|_| ensemble.worker())
        .collect::<Result<Vec<_>, _>>()?;
    each(folder, wanted, workers, done, |worker, tile| {
        let outputs = worker.run(tile)?;
        Ok(answer(manifest, &alone, &outputs, ensemble.ood(tile)))
    })
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
    each(folder, wanted, vec![(); threads.get()], done, |(), tile| {
        let distance = ensemble.ood(tile).ok_or(EvaluateError::NoReference)?;
        Ok(f64::from(distance))
    })
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
    }
}

/// Does `job` with each wanted tile. One thread reads, one thread a worker computes, this one puts in order.
fn each<W: Send, T: Send>(
    folder: &mut TileFolder,
    wanted: &[usize],
    workers: Vec<W>,
    done: &dyn Fn(),
    job: impl Fn(&mut W, ArrayView3<'_, f32>) -> Result<T, EvaluateError> + Sync,
) -> Result<Vec<T>, EvaluateError> {
    let job = &job;
    // As many tiles wait as can be computed at once: reading is never what is waited for.
    let (to_workers, tiles) = bounded::<(usize, Array3<f32>)>(workers.len());
    let (to_here, results) = bounded(workers.len());
    let mut answers: Vec<Option<T>> = wanted.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for mut worker in workers {
            let (tiles, to_here) = (tiles.clone(), to_here.clone());
            scope.spawn(move || {
                for (place, tile) in tiles {
                    let result = job(&mut worker, tile.view());
                    if to_here.send((place, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(tiles);
        scope.spawn(move || {
            for (place, index) in wanted.iter().enumerate() {
                let left = match folder.read(*index) {
                    Ok(tile) => to_workers.send((place, tile)).is_err(),
                    Err(error) => {
                        // Whoever does not listen any more knows of another failure.
                        let _ = to_here.send((place, Err(error.into())));
                        true
                    }
                };
                if left {
                    break;
                }
            }
        });
        // A failure drops the receiver, at which everybody stops.
        for (place, result) in results {
            answers[place] = Some(result?);
            done();
        }
        Ok::<_, EvaluateError>(())
    })?;
    answers
        .into_iter()
        .map(|answer| answer.ok_or(EvaluateError::Defect))
        .collect()
}
