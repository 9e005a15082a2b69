//! Golden vectors of a retrained ensemble.
//!
//! The recipe computes them by PyTorch and ONNX Runtime. Here there is neither: the maps of the backbone are
//! what this engine says, and only what follows them is computed by another way than the file's graph, in
//! float64 by the formulas of the head. They show that the head was put onto the backbone rightly, and on
//! another machine that it computes the same; they do not show that this engine computes the backbone rightly.
//! The golden vectors of the ensemble that the backbones come from do.

use ndarray::{Array1, Array2, Array3, Array4, Axis};

use super::{TrainError, npz, survey::TrainingSet};
use crate::random::{Purpose, Stream};
use crate::{
    stages::{
        explain::grad_cam,
        infer::{DenseHead, Ensemble, MemberOutput, Worker, pool, statistics},
    },
    tiles_folder::TileFolder,
};

/// Golden tiles of each class.
const EACH: usize = 3;
/// A hidden unit this close to the bend of its ReLU may fall on its other side elsewhere.
const BEND: f64 = 1e-4;
/// Tiles of a class that are looked at for one that is not close to a bend.
const LOOKED_AT: usize = 40;

/// What the members with their new heads say of a tile.
fn answers(
    worker: &mut Worker,
    heads: &[DenseHead],
    tile: &Array3<f32>,
) -> Result<(Vec<MemberOutput>, bool), TrainError> {
    let mut safe = true;
    let mut answers = Vec::with_capacity(heads.len());
    for (output, head) in worker.run(tile.view())?.into_iter().zip(heads) {
        let Some(features) = output.features else {
            return Err(TrainError::Arithmetic(
                "a member gave no features".to_owned(),
            ));
        };
        let (_, rows, columns) = features.dim();
        let pooled = pool(features.view());
        safe &= head
            .before(&pooled)
            .iter()
            .all(|before| before.abs() > BEND);
        let logits = head.logits(&pooled);
        answers.push(MemberOutput {
            logits: [logits[0] as f32, logits[1] as f32],
            cam_weights: Some(head.cam_weights(&pooled, rows * columns)),
            features: Some(features),
        });
    }
    Ok((answers, safe))
}

/// Chooses tiles of both classes at random and gives `golden.npz` for members with these `heads`.
///
/// # Errors
/// When a tile cannot be read or a member fails.
pub(super) fn golden(
    folder: &mut TileFolder,
    set: &TrainingSet,
    ensemble: &Ensemble,
    heads: &[DenseHead],
    seed: u64,
) -> Result<Vec<u8>, TrainError> {
    let manifest = ensemble.manifest();
    let pixels = manifest.tile.pixels;
    let mut worker = ensemble.worker()?;
    let mut chosen = Vec::new();
    for class in [false, true] {
        let mut order: Vec<usize> = set
            .tiles
            .iter()
            .filter(|tile| tile.senescent == class)
            .map(|tile| tile.index)
            .collect();
        Stream::new(seed, Purpose::Golden, u64::from(class), 0).shuffle(&mut order);
        let mut others = Vec::new();
        let mut found = 0;
        for index in order.into_iter().take(LOOKED_AT) {
            let tile = folder.read(index)?;
            let (answers, safe) = answers(&mut worker, heads, &tile)?;
            if safe {
                chosen.push((tile, answers));
                found += 1;
            } else if others.len() < EACH {
                others.push((tile, answers));
            }
            if found == EACH {
                break;
            }
        }
        chosen.extend(others.into_iter().take(EACH - found));
    }
    let count = chosen.len();
    let width = statistics::count(manifest.channels.len());
    let mut tiles = Array4::zeros((count, manifest.channels.len(), pixels, pixels));
    let mut rows = Array2::zeros((count, width));
    for (at, (tile, _)) in chosen.iter().enumerate() {
        tiles.index_axis_mut(Axis(0), at).assign(tile);
        let described = statistics::describe(tile.view());
        rows.row_mut(at).assign(&Array1::from_iter(
            described.values().iter().map(|value| *value as f32),
        ));
    }
    let mut arrays = vec![
        ("tiles".to_owned(), tiles.into_dyn()),
        ("statistics".to_owned(), rows.into_dyn()),
    ];
    for (number, (member, head)) in manifest.members.iter().zip(heads).enumerate() {
        let mut logits = Array2::zeros((count, 2));
        let mut weights = Array3::zeros((count, 2, head.hidden_weights.ncols()));
        let mut maps = Array3::zeros((count, pixels, pixels));
        for (at, (_, answers)) in chosen.iter().enumerate() {
            let answer = &answers[number];
            logits
                .row_mut(at)
                .assign(&Array1::from_vec(answer.logits.to_vec()));
            if let Some(found) = &answer.cam_weights {
                weights.index_axis_mut(Axis(0), at).assign(found);
            }
            if let Some(found) = grad_cam(answer, manifest.senescent(), pixels) {
                maps.index_axis_mut(Axis(0), at).assign(&found.values);
            }
        }
        let name = |what: &str| format!("{}.{what}", member.name);
        arrays.extend([
            (name("logits"), logits.into_dyn()),
            (name("cam_weights"), weights.into_dyn()),
            (name("map"), maps.into_dyn()),
        ]);
    }
    let views: Vec<_> = arrays
        .iter()
        .map(|(name, array)| (name.clone(), array.view()))
        .collect();
    npz::archive(&views)
}
