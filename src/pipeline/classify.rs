//! The workers: every member of the ensemble on one tile at a time, a thread each.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use crossbeam_channel::Sender;
use senescope_hal::Clock;

use super::{
    Classified,
    analyse::TileJob,
    emit::{Step, What},
    queue::TileQueue,
};
use crate::{
    domain::Stamps,
    stages::{
        combine::{combine, decided_class},
        explain::explain,
        infer::{Ensemble, EnsembleError, Worker},
    },
};

/// Classifies tiles until the queue is closed and empty.
pub(crate) fn work(
    mut worker: Worker,
    ensemble: &Ensemble,
    clock: &dyn Clock,
    queue: &TileQueue<TileJob>,
    steps: &Sender<Step>,
) {
    while let Some(job) = queue.pop() {
        let mut answer = Answer {
            index: job.index,
            what: Some(What::Failed(job.bytes)),
            steps,
        };
        let (frame, cell) = (job.work.tile.cell.frame, job.work.tile.cell.id);
        // A defect on one tile costs that tile; a worker that is gone would cost the run.
        let classified = panic::catch_unwind(AssertUnwindSafe(|| {
            classify(&mut worker, ensemble, clock, job.work)
        }));
        match classified {
            Ok(Ok(classified)) => {
                answer.what = Some(What::Classified(Box::new(classified), job.bytes));
            }
            Ok(Err(error)) => {
                tracing::error!(frame, cell, %error, "a cell could not be classified");
            }
            Err(_) => tracing::error!(frame, cell, "a defect: classifying a cell panicked"),
        }
    }
}

fn classify(
    worker: &mut Worker,
    ensemble: &Ensemble,
    clock: &dyn Clock,
    TileJob { tile, stamps }: TileJob,
) -> Result<Classified, EnsembleError> {
    let outputs = worker.run(tile.values.view())?;
    let inferred = clock.now();
    let manifest = ensemble.manifest();
    let verdict = combine(manifest, &outputs, ensemble.ood(tile.values.view()));
    let map = explain(manifest, &outputs, decided_class(manifest, &verdict));
    let mut cell = tile.cell;
    Arc::make_mut(&mut cell).flags.outside_training_set = verdict.ood.is_some_and(|ood| ood > 1.0);
    Ok(Classified {
        cell,
        window: tile.window,
        verdict,
        map,
        stamps: Stamps { inferred, ..stamps },
    })
}

/// Exactly one step for each job, sent when it goes out of scope: also when the worker panics, because
/// the emitter waits for every index.
struct Answer<'a> {
    index: u64,
    what: Option<What>,
    steps: &'a Sender<Step>,
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if let Some(what) = self.what.take() {
            // The emitter outlives the workers; were it gone, its own result would say why.
            let _ = self.steps.send(Step {
                index: self.index,
                what,
            });
        }
    }
}
