//! Dishes shared out into folds, each with both classes.

use super::survey::TrainingSet;
use crate::random::{Purpose, Stream};

/// Folds when nothing is asked for and there are fewer members.
pub(super) const USUAL: usize = 5;

/// The fold of each dish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folds {
    pub(super) count: usize,
    pub(super) of_dish: Vec<usize>,
}

impl Folds {
    /// Shares the dishes of `set` out into `wanted` folds, or fewer when a class has fewer dishes.
    ///
    /// Dishes with both classes come first, the larger before the smaller, each to the fold that it leaves the
    /// most even: so every fold has both classes as soon as each class is in as many dishes as there are folds.
    pub(super) fn new(set: &TrainingSet, wanted: usize, seed: u64) -> Self {
        let fewest = set.counts(false).dishes.min(set.counts(true).dishes);
        let count = wanted.min(fewest).max(1);
        let mut tiles = vec![[0_usize; 2]; set.dishes.len()];
        for tile in &set.tiles {
            tiles[tile.dish][usize::from(tile.senescent)] += 1;
        }
        let mut order: Vec<usize> = (0..tiles.len()).collect();
        Stream::new(seed, Purpose::Folds, 0, 0).shuffle(&mut order);
        // Stable: equal dishes stay shuffled.
        order.sort_by_key(|dish| {
            let [p, s] = tiles[*dish];
            (p == 0 || s == 0, usize::MAX - p - s)
        });
        let all = [false, true].map(|class| set.counts(class).tiles.max(1) as f64);
        let mut held = vec![[0_usize; 2]; count];
        let mut of_dish = vec![0; tiles.len()];
        for dish in order {
            let cost = |fold: usize| -> f64 {
                (0..2)
                    .map(|class| {
                        let [before, more] = [held[fold][class], tiles[dish][class]]
                            .map(|count| count as f64 / all[class]);
                        more * (2.0 * before + more)
                    })
                    .sum()
            };
            let fold = (0..count)
                .min_by(|a, b| cost(*a).total_cmp(&cost(*b)))
                .unwrap_or_default();
            of_dish[dish] = fold;
            for class in 0..2 {
                held[fold][class] += tiles[dish][class];
            }
        }
        Self { count, of_dish }
    }

    /// The fold that ends the learning of a member when `left_out` is judged on: the member's own, or the next.
    pub(super) fn stop(&self, member: usize, left_out: Option<usize>) -> usize {
        let own = member % self.count;
        if Some(own) == left_out {
            (own + 1) % self.count
        } else {
            own
        }
    }

    /// Places in `set` of the tiles whose fold is as `wanted` says.
    pub(super) fn places(&self, set: &TrainingSet, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        set.tiles
            .iter()
            .enumerate()
            .filter(|(_, tile)| wanted(self.of_dish[tile.dish]))
            .map(|(place, _)| place)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tiles_folder::TileRow;

    fn set(dishes: &[[usize; 2]]) -> Result<TrainingSet, String> {
        let mut rows = Vec::new();
        for (dish, tiles) in dishes.iter().enumerate() {
            for (class, count) in tiles.iter().enumerate() {
                rows.extend((0..*count).map(|cell| TileRow {
                    source: dish.to_string(),
                    dish: format!("dish {dish}"),
                    cell: format!("{class}-{cell}"),
                    class: Some(class == 1),
                    ..TileRow::default()
                }));
            }
        }
        TrainingSet::of(&rows)
    }

    proptest! {
        #[test]
        fn every_fold_has_both_classes_and_no_dish_is_in_two(
            dishes in proptest::collection::vec([0_usize..30, 0_usize..30], 3..25),
            wanted in 3_usize..9,
            seed in any::<u64>(),
        ) {
            let Ok(set) = set(&dishes) else { return Ok(()) };
            let folds = Folds::new(&set, wanted, seed);
            let fewest = set.counts(false).dishes.min(set.counts(true).dishes);
            prop_assert_eq!(folds.count, wanted.min(fewest));
            let mut all = 0;
            for fold in 0..folds.count {
                let places = folds.places(&set, |other| other == fold);
                all += places.len();
                for class in [false, true] {
                    prop_assert!(places.iter().any(|place| set.tiles[*place].senescent == class));
                }
            }
            prop_assert_eq!(all, set.tiles.len());
            prop_assert_eq!(&Folds::new(&set, wanted, seed), &folds);
        }
    }

    #[test]
    fn equal_dishes_make_equal_folds_and_the_seed_chooses_which() {
        let set = set(&[[10, 10]; 12]).unwrap();
        let folds = Folds::new(&set, 4, 1);
        for fold in 0..4 {
            assert_eq!(folds.places(&set, |other| other == fold).len(), 60);
        }
        assert!((2..9).any(|seed| Folds::new(&set, 4, seed) != folds));
    }

    #[test]
    fn what_ends_the_learning_is_never_what_is_judged_on() {
        let folds = Folds {
            count: 3,
            of_dish: vec![0, 1, 2],
        };
        for member in 0..7 {
            assert_eq!(folds.stop(member, None), member % 3);
            for left_out in 0..3 {
                assert_ne!(folds.stop(member, Some(left_out)), left_out);
            }
        }
    }
}
