//! How many cells of a truth were found.

use std::collections::BTreeMap;

use ndarray::Array2;

/// Counts of matched and unmatched cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matches {
    pub(crate) hits: u32,
    pub(crate) missed: u32,
    pub(crate) invented: u32,
}

impl Matches {
    pub(crate) fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.missed += other.missed;
        self.invented += other.invented;
    }

    /// 1 when there was nothing to find and nothing was found.
    pub(crate) fn f1(self) -> f64 {
        let all = 2 * self.hits + self.missed + self.invented;
        if all == 0 {
            1.0
        } else {
            f64::from(2 * self.hits) / f64::from(all)
        }
    }
}

/// Matches labels at an intersection over union above one half, which makes a match unique.
///
/// A true cell with less than `least` pixels in the frame is no cell to be found: it is neither hit nor
/// missed, and what lies mostly on such cells is not invented.
pub(crate) fn match_labels(truth: &Array2<u32>, found: &Array2<u32>, least: f64) -> Matches {
    let mut shared: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for (truth, found) in truth.iter().zip(found) {
        *shared.entry((*truth, *found)).or_default() += 1.0;
    }
    let area = |of: fn(&(u32, u32)) -> u32| {
        let mut areas: BTreeMap<u32, f64> = BTreeMap::new();
        for (pair, pixels) in &shared {
            *areas.entry(of(pair)).or_default() += pixels;
        }
        areas
    };
    let (true_areas, found_areas) = (area(|pair| pair.0), area(|pair| pair.1));
    let counts = |label: &u32| *label != 0 && true_areas[label] >= least;
    let hits: Vec<u32> = shared
        .iter()
        .filter(|((truth, found), _)| counts(truth) && *found != 0)
        .filter(|((truth, found), pixels)| {
            2.0 * **pixels > true_areas[truth] + found_areas[found] - **pixels
        })
        .map(|((_, found), _)| *found)
        .collect();
    let invented = found_areas
        .keys()
        .filter(|found| **found != 0 && !hits.contains(found));
    let invented = invented.filter(|found| {
        let on_fragments: f64 = shared
            .iter()
            .filter(|((truth, label), _)| label == *found && *truth != 0 && !counts(truth))
            .map(|(_, pixels)| pixels)
            .sum();
        2.0 * on_fragments <= found_areas[found]
    });
    let invented = invented.count() as u32;
    let all = true_areas.keys().filter(|label| counts(label)).count() as u32;
    let hits = hits.len() as u32;
    Matches {
        hits,
        missed: all - hits,
        invented,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_not_enough_and_fragments_do_not_count() {
        let row =
            |labels: &[u32]| Array2::from_shape_vec((1, labels.len()), labels.to_vec()).unwrap();
        let truth = row(&[1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 3]);
        let found = row(&[7, 7, 7, 0, 0, 8, 8, 0, 0, 0, 9]);
        let matches = match_labels(&truth, &found, 2.0);
        assert_eq!((matches.hits, matches.missed, matches.invented), (1, 1, 1));
        assert_eq!(match_labels(&truth, &truth, 2.0).f1(), 1.0);
        assert_eq!(match_labels(&truth, &row(&[0; 11]), 2.0).f1(), 0.0);
    }
}
