//! Tiles with the probability that one predictor gives them.

use super::bootstrap::Weights;

/// One tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    /// Probability of `senescent` in [0, 1].
    pub(super) p: f64,
    /// The truth.
    pub(super) senescent: bool,
    /// Number of its dish.
    pub(super) dish: usize,
}

impl Row {
    /// The class is the right one: senescent from p = 0.5 on, as the published map's class is decided.
    pub(super) fn right(&self) -> bool {
        (self.p >= 0.5) == self.senescent
    }
}

/// Tiles in the order of their probability. Ties are put in order by what else is known of them, so that every
/// sum is the same to the last bit in whichever order the tiles came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scored(Vec<Row>);

impl Scored {
    pub(super) fn new(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by(|a, b| {
            a.p.total_cmp(&b.p)
                .then(a.senescent.cmp(&b.senescent))
                .then(a.dish.cmp(&b.dish))
        });
        Self(rows)
    }

    /// The tiles by rising probability.
    pub(super) fn rows(&self) -> &[Row] {
        &self.0
    }

    /// Tiles by rising probability, each with how often its dish counts.
    pub(super) fn weighted(
        &self,
        weights: &Weights,
    ) -> impl DoubleEndedIterator<Item = (&Row, f64)> {
        self.0.iter().map(|row| (row, f64::from(weights[row.dish])))
    }

    /// Tiles of one probability together, by rising probability: how often proliferating and senescent ones count.
    pub(super) fn groups(
        &self,
        weights: &Weights,
    ) -> impl DoubleEndedIterator<Item = (f64, [f64; 2])> {
        self.0.chunk_by(|a, b| a.p == b.p).map(|group| {
            let mut counts = [0.0; 2];
            for row in group {
                counts[usize::from(row.senescent)] += f64::from(weights[row.dish]);
            }
            (group[0].p, counts)
        })
    }
}
