//! All heads of one member: the one that is kept, and one for each fold that it leaves out.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    TrainError,
    fit::{History, Lesson, fit},
    folds::Folds,
    scale::Features,
    survey::TrainingSet,
};
use crate::random::{Purpose, Stream};
use crate::stages::infer::DenseHead;

/// What was found of one member.
pub(super) struct Trained {
    pub(super) head: DenseHead,
    pub(super) history: History,
    /// Log-odds of senescence of each tile by the head that had not seen its fold.
    pub(super) odds: Vec<f64>,
}

/// What the heads of one member are trained on.
pub(super) struct Course<'a> {
    pub(super) set: &'a TrainingSet,
    pub(super) folds: &'a Folds,
    pub(super) features: &'a Features,
    /// Index of the class senescent among the logits.
    pub(super) senescent: usize,
    /// Number of the member.
    pub(super) member: usize,
    pub(super) hidden: usize,
    pub(super) seed: u64,
}

/// Log-odds of senescence of a pair of logits.
pub(super) fn log_odds(logits: [f64; 2], senescent: usize) -> f64 {
    logits[senescent] - logits[1 - senescent]
}

impl Course<'_> {
    /// Trains the head that leaves out the fold `left_out`, or the one that is kept.
    fn head(&self, left_out: Option<usize>) -> Result<(DenseHead, History), TrainError> {
        let stop = self.folds.stop(self.member, left_out);
        let classes: Vec<usize> = self
            .set
            .tiles
            .iter()
            .map(|tile| {
                if tile.senescent {
                    self.senescent
                } else {
                    1 - self.senescent
                }
            })
            .collect();
        let lesson = Lesson {
            features: self.features,
            classes: &classes,
            learn: &self
                .folds
                .places(self.set, |fold| fold != stop && Some(fold) != left_out),
            stop: &self.folds.places(self.set, |fold| fold == stop),
            hidden: self.hidden,
        };
        let part = left_out.map_or(0, |fold| fold as u64 + 1);
        let mut stream = Stream::new(self.seed, Purpose::Head, self.member as u64, part);
        fit(&lesson, &mut stream)
    }

    /// Trains all heads, `threads` at a time.
    ///
    /// # Errors
    /// When the loss of one is not finite.
    pub(super) fn run(
        &self,
        threads: usize,
        done: impl Fn() + Sync,
    ) -> Result<Trained, TrainError> {
        let count = self.folds.count + 1;
        let next = AtomicUsize::new(0);
        let heads: Vec<_> = (0..count).map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, count) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(slot) = heads.get(number) else {
                            return;
                        };
                        let head = self.head(number.checked_sub(1));
                        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
                        done();
                    }
                });
            }
        });
        let mut heads = heads
            .into_iter()
            .filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
        let missing = || TrainError::Arithmetic("a head was not trained".to_owned());
        let (head, history) = heads.next().ok_or_else(missing)??;
        let mut odds = vec![0.0; self.set.tiles.len()];
        for (fold, head) in heads.enumerate() {
            let (head, _) = head?;
            for place in self.folds.places(self.set, |other| other == fold) {
                let row = self.features.pooled.row(place * self.features.views);
                let logits = head.logits(&row.to_vec());
                odds[place] = log_odds([logits[0], logits[1]], self.senescent);
            }
        }
        Ok(Trained {
            head,
            history,
            odds,
        })
    }
}
