//! How well tiles that are unlike the training set are told from those that are like it.

use super::{
    EvaluateError, Figure,
    bootstrap::Weights,
    metrics::auc,
    report::UnlikeSet,
    sample::{Dishes, Sample},
    scored::{Row, Scored},
};
use crate::tiles_folder::TileRow;

/// Share of the judged tiles whose distance is above the limit; `None` when there is no distance.
pub(super) fn false_alarms(sample: &Sample<'_>) -> Result<Option<Figure>, EvaluateError> {
    let Some(rows) = distances(sample) else {
        return Ok(None);
    };
    let [figure] = sample
        .resampling
        .figures(|weights| [flagged(&rows, weights)])?;
    Ok(Some(figure))
}

/// Judges one set of tiles by their `distances` against the judged tiles.
pub(super) fn judge(
    name: &str,
    tiles_sha256: String,
    rows: &[TileRow],
    distances_of_set: &[f64],
    sample: &Sample<'_>,
) -> Result<UnlikeSet, EvaluateError> {
    let like = distances(sample).ok_or(EvaluateError::NoReference)?;
    let dishes = Dishes::of(rows.iter().map(|row| row.dish.as_str()));
    let named = rows.iter().all(|row| !row.dish.is_empty()) && dishes.len() > 1;
    let unit = |index: usize| {
        if named {
            dishes.number(&rows[index].dish)
        } else {
            index
        }
    };
    let units = if named { dishes.len() } else { rows.len() };
    // The dishes of the judged tiles come first, so that one list of weights serves both.
    let first = sample.ones.len();
    let unlike: Vec<_> = distances_of_set
        .iter()
        .enumerate()
        .map(|(index, distance)| Row {
            p: *distance,
            senescent: true,
            dish: first + unit(index),
        })
        .collect();
    let both = Scored::new(like.into_iter().chain(unlike.iter().copied()));
    // Dishes are drawn among the judged ones and among these, each as many as there are. No class is missed:
    // here they only tell the two sets apart.
    let tiles = (0..rows.len()).map(|index| (unit(index), true));
    let of_set = sample.resampling.of_others(units, tiles);
    let [flagged, auc] = of_set.figures_beside(&sample.resampling, |set, held_out| {
        let weights = [held_out, set].concat();
        [flagged(&unlike, &weights), auc(&both, &weights)]
    })?;
    Ok(UnlikeSet {
        name: name.to_owned(),
        tiles_sha256,
        tiles: rows.len(),
        resampled: if named { "dishes" } else { "tiles" },
        flagged,
        auc,
    })
}

/// The judged tiles with their distances in the place of a probability.
fn distances(sample: &Sample<'_>) -> Option<Vec<Row>> {
    sample
        .tiles
        .iter()
        .map(|tile| {
            Some(Row {
                p: tile.answer.ood?,
                senescent: false,
                dish: tile.dish,
            })
        })
        .collect()
}

fn flagged(rows: &[Row], weights: &Weights) -> f64 {
    let (mut above, mut all) = (0, 0);
    for row in rows {
        all += weights[row.dish];
        above += weights[row.dish] * u32::from(row.p > 1.0);
    }
    f64::from(above) / f64::from(all)
}
