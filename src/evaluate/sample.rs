//! The labelled tiles of a folder, with what was said of them.

use std::collections::BTreeMap;

use super::{
    Answer, EvaluateError,
    bootstrap::Resampling,
    scored::{Row, Scored},
};
use crate::tiles_folder::{TileFolder, TileRow};

/// How tiles of cells that the border of the field cuts are flagged.
const AT_BORDER: &str = "touches_border";

/// Numbers of dishes by their names. The order of the tiles does not change them.
pub(super) struct Dishes(BTreeMap<String, usize>);

impl Dishes {
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut dishes: BTreeMap<_, _> =
            names.into_iter().map(|name| (name.to_owned(), 0)).collect();
        for (number, value) in dishes.values_mut().enumerate() {
            *value = number;
        }
        Self(dishes)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The number of a dish that it was made of.
    pub(super) fn number(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// A labelled tile.
pub(super) struct Tested {
    pub(super) dish: usize,
    pub(super) senescent: bool,
    pub(super) p_oracle: Option<f64>,
    pub(super) cut: bool,
    pub(super) answer: Answer,
}

impl Tested {
    /// One of `dishes`, of the row `row`, whose class is known.
    pub(super) fn new(row: &TileRow, dishes: &Dishes, answer: Answer) -> Self {
        Self {
            dish: dishes.number(&row.dish),
            senescent: row.class == Some(true),
            p_oracle: row.p_oracle,
            cut: row.flags.iter().any(|flag| flag == AT_BORDER),
            answer,
        }
    }
}

/// Some of the labelled tiles and resamples of their dishes.
pub(super) struct Sample<'a> {
    pub(super) tiles: Vec<&'a Tested>,
    pub(super) resampling: Resampling,
    /// Every dish once.
    pub(super) ones: Vec<u32>,
}

impl<'a> Sample<'a> {
    pub(super) fn new(
        tiles: impl IntoIterator<Item = &'a Tested>,
        dishes: usize,
        resamples: u32,
        seed: u64,
    ) -> Self {
        let tiles: Vec<_> = tiles.into_iter().collect();
        let classes = tiles.iter().map(|tile| (tile.dish, tile.senescent));
        Self {
            resampling: Resampling::new(dishes, classes, resamples, seed),
            ones: vec![1; dishes],
            tiles,
        }
    }

    /// The tiles with the probability that a predictor gives them; those that it gives none are left out.
    pub(super) fn scored(&self, p: impl Fn(&Tested) -> Option<f64>) -> Scored {
        Scored::new(self.tiles.iter().filter_map(|tile| {
            Some(Row {
                p: p(tile)?,
                senescent: tile.senescent,
                dish: tile.dish,
            })
        }))
    }

    /// The tiles with the ensemble's probability.
    pub(super) fn ensemble(&self) -> Scored {
        self.scored(|tile| Some(tile.answer.p))
    }
}

/// Rows of `folder` whose class is known.
///
/// # Errors
/// When they do not suffice to judge: they must name their dishes, and have both classes and two dishes.
pub(super) fn labelled(folder: &TileFolder) -> Result<Vec<usize>, EvaluateError> {
    let short = |reason: String| EvaluateError::Labels {
        table: folder.table_path().to_owned(),
        reason,
    };
    let rows = folder.rows();
    let known: Vec<_> = (0..rows.len())
        .filter(|index| rows[*index].class.is_some())
        .collect();
    if known.is_empty() {
        return Err(short(format!(
            "none of its {} tile(s) has a class: fill in the column `class` with proliferating or senescent",
            rows.len()
        )));
    }
    if let Some(index) = known.iter().find(|index| rows[**index].dish.is_empty()) {
        return Err(short(format!(
            "row {} has a class and no dish: fill in the column `dish`, since intervals come from resampling dishes",
            index + 1
        )));
    }
    let senescent = known
        .iter()
        .filter(|index| rows[**index].class == Some(true))
        .count();
    if senescent == 0 || senescent == known.len() {
        return Err(short(format!(
            "all {} tiles whose class is known are {}: tiles of both classes are needed",
            known.len(),
            if senescent == 0 {
                "proliferating"
            } else {
                "senescent"
            },
        )));
    }
    let dishes = Dishes::of(known.iter().map(|index| rows[*index].dish.as_str()));
    if dishes.len() < 2 {
        return Err(short(
            "all tiles whose class is known are of one dish: intervals come from resampling dishes, add tiles of \
             other dishes"
                .to_owned(),
        ));
    }
    Ok(known)
}
