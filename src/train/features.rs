//! What a frozen backbone says of every view of every tile.

use ndarray::Array2;

use super::{TrainError, scale::Features, survey::TrainingSet, views::view};
use crate::{
    stages::infer::{EngineError, EnsembleError, Member, pool},
    tiles_folder::{TileFolder, walk},
};

/// Most memory for the pooled features of one member, in bytes. Members come one after another.
const FEATURES_LIMIT: u64 = 2 << 30;

/// Which views are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Views {
    pub(super) count: usize,
    pub(super) seed: u64,
}

/// Refuses more features than there is memory for.
pub(super) fn bounded(features: usize, tiles: usize, views: usize) -> Result<(), TrainError> {
    let bytes = [features, tiles, views, 4]
        .iter()
        .try_fold(1_u64, |product, factor| product.checked_mul(*factor as u64));
    if bytes.is_some_and(|bytes| bytes <= FEATURES_LIMIT) {
        return Ok(());
    }
    let view = 4_u64
        .saturating_mul(features.max(1) as u64)
        .saturating_mul(tiles.max(1) as u64);
    let most = FEATURES_LIMIT / view;
    Err(TrainError::Setting(format!(
        "{features} features of {views} views of {tiles} tiles need more than the {} MiB that are \
         allowed; {}",
        FEATURES_LIMIT >> 20,
        match most {
            0 => "train on fewer tiles".to_owned(),
            most => format!("at most --views {most} fit"),
        }
    )))
}

/// The pooled features of every view, and the logits that the member's present head gives to each tile.
///
/// # Errors
/// When a tile cannot be read or the member fails.
pub(super) fn features(
    folder: &mut TileFolder,
    set: &TrainingSet,
    member: &Member,
    views: Views,
    threads: usize,
    mut done: impl FnMut(),
) -> Result<(Features, Vec<[f32; 2]>), TrainError> {
    let name = &member.entry().name;
    let width = member.features().map_or(0, |[features, ..]| features);
    let mut pooled = Array2::zeros((set.tiles.len() * views.count, width));
    let mut logits = vec![[0.0; 2]; set.tiles.len()];
    walk(
        folder,
        &set.indices(),
        threads,
        || member.plan().map_err(TrainError::from),
        |plan, place, tile| {
            let mut rows = Vec::with_capacity(views.count);
            let mut first = None;
            for number in 0..views.count {
                let changed = view(&tile, views.seed, set.tiles[place].index, number);
                let answer = plan.run(changed.view()).and_then(|output| {
                    let features = output.features.as_ref().map(|maps| pool(maps.view()));
                    let missing = || EngineError::Library("no features".to_owned());
                    Ok((output.logits, features.ok_or_else(missing)?))
                });
                let (logits, features) = answer.map_err(|source| EnsembleError::Run {
                    member: name.clone(),
                    source,
                })?;
                first.get_or_insert(logits);
                rows.push(features);
            }
            Ok::<_, TrainError>((first.unwrap_or_default(), rows))
        },
        |place, (first, rows)| {
            logits[place] = first;
            for (number, row) in rows.iter().enumerate() {
                let mut slot = pooled.row_mut(place * views.count + number);
                for (slot, value) in slot.iter_mut().zip(row) {
                    *slot = *value;
                }
            }
            done();
        },
    )?;
    let features = Features {
        pooled,
        views: views.count,
    };
    Ok((features, logits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_memory_is_refused_with_what_fits() {
        assert!(bounded(1280, 3_000, 8).is_ok());
        let sentence = bounded(1280, 100_000, 8).unwrap_err().to_string();
        assert!(sentence.contains("--views 4"), "{sentence}");
        assert!(bounded(1280, 100_000, 4).is_ok());
        let sentence = bounded(1280, usize::MAX, 1).unwrap_err().to_string();
        assert!(sentence.contains("fewer tiles"), "{sentence}");
    }
}
