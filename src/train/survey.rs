//! Which tiles are learned from, and whether they can be split honestly.
//!
//! The dish is what is never on both sides of a split (a donor can be given as the dish). A cell that is in
//! two dishes would be on both sides, so it is refused.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::TrainError;
use crate::{
    stages::infer::statistics::describe,
    tiles_folder::{TileFolder, TileRow, walk},
};

/// Fewest tiles of a class.
pub(super) const FEWEST_TILES: usize = 20;
/// Fewer tiles of a class than this are warned of.
pub(super) const FEW_TILES: usize = 100;
/// Fewest dishes with a class: one is learned from, one ends the learning, one is judged on.
pub(super) const FEWEST_DISHES: usize = 3;

/// One labelled tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LabelledTile {
    /// Its place in the folder.
    pub(super) index: usize,
    /// Number of its dish.
    pub(super) dish: usize,
    pub(super) senescent: bool,
}

/// The labelled tiles of a folder.
#[derive(Clone, Debug)]
pub(super) struct TrainingSet {
    pub(super) tiles: Vec<LabelledTile>,
    /// Names of the dishes, sorted.
    pub(super) dishes: Vec<String>,
    /// Tiles whose class is not known; they are left out.
    pub(super) unlabelled: usize,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Of tiles.
    pub tiles: usize,
    /// Of dishes that have such a tile.
    pub dishes: usize,
}

impl TrainingSet {
    /// The labelled tiles among `rows`; an error says in words why they cannot be learned from.
    pub(super) fn of(rows: &[TileRow]) -> Result<Self, String> {
        let labelled = || {
            rows.iter()
                .enumerate()
                .filter_map(|(index, row)| Some((index, row, row.class?)))
        };
        let nowhere = labelled().filter(|(_, row, _)| row.dish.is_empty()).count();
        if nowhere > 0 {
            return Err(format!(
                "{nowhere} labelled tiles have no dish; fill the column `dish` of tiles.csv with what was \
                 prepared by itself, the dish or the donor"
            ));
        }
        let numbers: BTreeMap<&str, ()> = labelled()
            .map(|(_, row, _)| (row.dish.as_str(), ()))
            .collect();
        let dishes: Vec<String> = numbers.keys().map(|name| (*name).to_owned()).collect();
        let number: HashMap<&str, usize> = numbers
            .keys()
            .enumerate()
            .map(|(n, name)| (*name, n))
            .collect();
        let mut cells = HashMap::new();
        let mut tiles = Vec::new();
        for (index, row, senescent) in labelled() {
            let cell = (&row.source, &row.frame, &row.cell);
            if let Some((_, other)) = cells
                .insert(cell, (index, &row.dish))
                .filter(|(_, dish)| *dish != &row.dish)
            {
                return Err(format!(
                    "cell {} of frame {} of {:?} is in the dish {other:?} and in the dish {:?}; it would be \
                     learned and judged at once: give each cell one dish",
                    row.cell, row.frame, row.source, row.dish
                ));
            }
            tiles.push(LabelledTile {
                index,
                dish: number.get(row.dish.as_str()).copied().unwrap_or_default(),
                senescent,
            });
        }
        let set = Self {
            unlabelled: rows.len() - tiles.len(),
            tiles,
            dishes,
        };
        set.enough()?;
        Ok(set)
    }

    /// How many tiles and dishes there are of a class.
    pub(super) fn counts(&self, senescent: bool) -> Counts {
        let of_class = || self.tiles.iter().filter(|tile| tile.senescent == senescent);
        let mut dishes: Vec<usize> = of_class().map(|tile| tile.dish).collect();
        dishes.sort_unstable();
        dishes.dedup();
        Counts {
            tiles: of_class().count(),
            dishes: dishes.len(),
        }
    }

    fn enough(&self) -> Result<(), String> {
        let [p, s] = [false, true].map(|class| self.counts(class));
        let told = format!(
            "there are {} proliferating tiles of {} dishes and {} senescent tiles of {} dishes",
            p.tiles, p.dishes, s.tiles, s.dishes
        );
        if p.tiles.min(s.tiles) < FEWEST_TILES {
            return Err(format!(
                "{told}; at least {FEWEST_TILES} tiles of each class are needed: label more cells in the \
                 column `class` of tiles.csv"
            ));
        }
        if p.dishes.min(s.dishes) < FEWEST_DISHES {
            return Err(format!(
                "{told}; at least {FEWEST_DISHES} dishes with each class are needed, to learn from one, end \
                 the learning by another and judge on a third: label cells of more dishes"
            ));
        }
        Ok(())
    }

    /// Places of the tiles in the folder.
    pub(super) fn indices(&self) -> Vec<usize> {
        self.tiles.iter().map(|tile| tile.index).collect()
    }

    /// Reads every labelled tile once: its image statistics, in the order of the set.
    ///
    /// # Errors
    /// When a tile cannot be read; the same tile is in two dishes, or has two classes.
    pub(super) fn survey(
        &self,
        folder: &mut TileFolder,
        threads: usize,
        mut done: impl FnMut(),
    ) -> Result<Result<Vec<Vec<f64>>, String>, TrainError> {
        let mut found = vec![([0_u8; 32], Vec::new()); self.tiles.len()];
        walk(
            folder,
            &self.indices(),
            threads,
            || Ok::<_, TrainError>(()),
            |(), _, tile| {
                let mut digest = Sha256::new();
                for value in &tile {
                    digest.update(value.to_le_bytes());
                }
                Ok((
                    digest.finalize().into(),
                    describe(tile.view()).values().to_vec(),
                ))
            },
            |place, result| {
                found[place] = result;
                done();
            },
        )?;
        let mut seen = HashMap::new();
        for (tile, (digest, _)) in self.tiles.iter().zip(&found) {
            let Some(other) = seen.insert(digest, tile) else {
                continue;
            };
            if other.dish != tile.dish {
                let [one, two] = [other, tile].map(|tile| &self.dishes[tile.dish]);
                return Ok(Err(format!(
                    "tiles {} and {} are the same image, one in the dish {one:?} and one in the dish {two:?}; \
                     it would be learned and judged at once: remove one, or give both the same dish",
                    other.index, tile.index
                )));
            }
            if other.senescent != tile.senescent {
                return Ok(Err(format!(
                    "tiles {} and {} are the same image with two classes; correct or empty one of them",
                    other.index, tile.index
                )));
            }
        }
        Ok(Ok(found
            .into_iter()
            .map(|(_, statistics)| statistics)
            .collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `each` tiles of each class in each of `dishes` dishes.
    fn rows(dishes: usize, each: usize) -> Vec<TileRow> {
        (0..2 * dishes * each)
            .map(|number| TileRow {
                source: "s".to_owned(),
                dish: format!("d{}", number % dishes),
                frame: "0".to_owned(),
                cell: number.to_string(),
                class: Some((number / dishes).is_multiple_of(2)),
                ..TileRow::default()
            })
            .collect()
    }

    fn refusal(rows: &[TileRow]) -> String {
        TrainingSet::of(rows).unwrap_err()
    }

    #[test]
    fn what_suffices_is_taken_and_the_unlabelled_left_out() {
        let mut rows = rows(3, 10);
        rows.push(TileRow::default());
        let set = TrainingSet::of(&rows).unwrap();
        assert_eq!(
            (set.tiles.len(), set.unlabelled, set.dishes.len()),
            (60, 1, 3)
        );
        let expected = Counts {
            tiles: 30,
            dishes: 3,
        };
        assert_eq!([false, true].map(|class| set.counts(class)), [expected; 2]);
    }

    #[test]
    fn too_few_are_refused_with_the_numbers() {
        let sentence = refusal(&rows(3, 6));
        assert!(
            sentence.contains("18 proliferating tiles of 3 dishes"),
            "{sentence}"
        );
        let sentence = refusal(&rows(2, 50));
        assert!(
            sentence.contains("100 senescent tiles of 2 dishes"),
            "{sentence}"
        );
        assert!(refusal(&[]).contains("0 proliferating"));
    }

    #[test]
    fn a_cell_in_two_dishes_and_a_tile_in_none_are_refused() {
        let mut leaking = rows(3, 10);
        let (cell, dish) = (leaking[0].cell.clone(), leaking[1].dish.clone());
        leaking[1].cell = cell;
        let sentence = refusal(&leaking);
        assert!(
            sentence.contains(&dish) && sentence.contains("d0"),
            "{sentence}"
        );
        let mut nowhere = rows(3, 10);
        nowhere[4].dish.clear();
        assert!(refusal(&nowhere).contains("1 labelled tiles have no dish"));
    }
}
