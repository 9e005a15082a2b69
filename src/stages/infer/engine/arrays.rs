//! What goes into a network and what comes out of it, checked the same way whichever library computes it.

use std::borrow::Cow;

use ndarray::{Array2, Array3, ArrayView3};

use super::{CAM_WEIGHTS, FEATURES, LOGITS};
use crate::stages::infer::{EngineError, MemberOutput, NetworkSpec};

/// The values of a tile in the order channels, rows, columns.
///
/// # Errors
/// When the tile has another shape than the network takes, or a value that is not finite.
pub(super) fn input(
    tile: ArrayView3<'_, f32>,
    spec: NetworkSpec,
) -> Result<Cow<'_, [f32]>, EngineError> {
    let expected = spec.tile();
    if tile.shape() != expected {
        let (channels, rows, columns) = tile.dim();
        return Err(EngineError::Shape {
            found: [channels, rows, columns],
            expected,
        });
    }
    let values = match tile.to_slice() {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(tile.iter().copied().collect()),
    };
    finite("the tile", &values)?;
    Ok(values)
}

/// The same of several tiles, one after the other.
///
/// # Errors
/// As [`input`].
pub(super) fn inputs<'a>(
    tiles: &'a [ArrayView3<'_, f32>],
    spec: NetworkSpec,
) -> Result<Cow<'a, [f32]>, EngineError> {
    if let [tile] = tiles {
        return input(*tile, spec);
    }
    let mut values = Vec::with_capacity(tiles.len() * spec.tile().iter().product::<usize>());
    for tile in tiles {
        values.extend_from_slice(&input(*tile, spec)?);
    }
    Ok(Cow::Owned(values))
}

/// What a network said: logits; with `shape`, that of the features, also these and the weights of Grad-CAM.
///
/// # Errors
/// When an array has another size than it must have, or a value that is not finite.
pub(super) fn output(
    logits: &[f32],
    explained: Option<([usize; 3], &[f32], &[f32])>,
) -> Result<MemberOutput, EngineError> {
    finite(LOGITS, logits)?;
    let logits = logits
        .try_into()
        .map_err(|_| EngineError::Library("logits are not two numbers".into()))?;
    let Some((shape, features, weights)) = explained else {
        return Ok(MemberOutput {
            logits,
            features: None,
            cam_weights: None,
        });
    };
    finite(FEATURES, features)?;
    finite(CAM_WEIGHTS, weights)?;
    let wrong = |error: ndarray::ShapeError| EngineError::Library(error.to_string());
    Ok(MemberOutput {
        logits,
        features: Some(Array3::from_shape_vec(shape, features.to_vec()).map_err(wrong)?),
        cam_weights: Some(Array2::from_shape_vec((2, shape[0]), weights.to_vec()).map_err(wrong)?),
    })
}

/// The same for each of so many tiles, one after the other in the arrays.
///
/// # Errors
/// As [`output`].
pub(super) fn outputs(
    tiles: usize,
    logits: &[f32],
    explained: Option<([usize; 3], &[f32], &[f32])>,
) -> Result<Vec<MemberOutput>, EngineError> {
    let part = |values: &'_ [f32], tile: usize| {
        let each = values.len() / tiles.max(1);
        tile * each..(tile + 1) * each
    };
    (0..tiles)
        .map(|tile| {
            let explained = explained.map(|(shape, features, weights)| {
                let features = &features[part(features, tile)];
                (shape, features, &weights[part(weights, tile)])
            });
            output(&logits[part(logits, tile)], explained)
        })
        .collect()
}

fn finite(what: &'static str, values: &[f32]) -> Result<(), EngineError> {
    // Without an early end the compiler makes it a few instructions for sixteen values.
    match values
        .iter()
        .fold(true, |all, value| all & value.is_finite())
    {
        true => Ok(()),
        false => Err(EngineError::NotFinite { what }),
    }
}
