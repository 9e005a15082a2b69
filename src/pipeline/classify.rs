//! The workers: one member of the ensemble on one tile at a time, a thread each.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use senescope_hal::Clock;

use super::{Classified, analyse::TileJob, emit::What, fan::Fan};
use crate::{
    config::Settings,
    domain::Stamps,
    stages::{
        combine::{combine, decided_class},
        explain::{explain, explain_in_full},
        infer::{Ensemble, EnsembleError, MemberOutput, Worker, describe},
        quality,
    },
};

/// Classifies tiles until the queue is closed and empty.
pub(crate) fn work(
    mut worker: Worker,
    ensemble: &Ensemble,
    settings: &Settings,
    clock: &dyn Clock,
    fan: &Fan<'_>,
) {
    while let Some((share, member)) = fan.next() {
        let cell = &share.job.tile.cell;
        let (frame, cell) = (cell.frame, cell.id);
        // A defect on one tile costs that tile; a worker that is gone would cost the run.
        let computed = panic::catch_unwind(AssertUnwindSafe(|| {
            if fails(settings, cell) {
                return Err(EnsembleError::Asked);
            }
            let output = worker.run_member(member, share.job.tile.values.view())?;
            if let Some(outputs) = share.keep(member, output) {
                let classified = classify(&outputs, ensemble, clock, &share.job);
                share.answer(|_, bytes| What::Classified(Box::new(classified), bytes));
            }
            Ok::<_, EnsembleError>(())
        }));
        match computed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(frame, cell, %error, "a cell could not be classified");
            }
            Err(_) => tracing::error!(frame, cell, "a defect: classifying a cell panicked"),
        }
    }
}

/// Whether the cell of this number is to fail: whatever the order in which cells are classified.
fn fails(settings: &Settings, cell: u32) -> bool {
    let every = settings.engine.fail_every;
    every > 0 && cell.is_multiple_of(every)
}

/// What follows from the outputs of all members for a tile.
pub(crate) fn classify(
    outputs: &[MemberOutput],
    ensemble: &Ensemble,
    clock: &dyn Clock,
    job: &TileJob,
) -> Classified {
    let inferred = clock.now();
    let manifest = ensemble.manifest();
    let TileJob { tile, settings, .. } = job;
    let statistics = describe(tile.values.view());
    let verdict = combine(manifest, outputs, ensemble.ood_of(&statistics));
    let class = decided_class(manifest, &verdict);
    let maps = if settings.publish.member_maps {
        explain_in_full(manifest, outputs, class)
    } else {
        explain(manifest, outputs, class).into_iter().collect()
    };
    let mut cell = Arc::clone(&tile.cell);
    let flags = &mut Arc::make_mut(&mut cell).flags;
    flags.outside_training_set = verdict.ood.is_some_and(|ood| ood > 1.0);
    quality::judge(
        &settings.quality,
        tile.values.view(),
        tile.window,
        &statistics,
        &manifest.channels,
        flags,
    );
    Classified {
        label_seq: 0,
        cell,
        window: tile.window,
        verdict,
        maps,
        stamps: Stamps {
            inferred,
            ..job.stamps
        },
        engine: ensemble.engine_name(),
        settings: Arc::clone(settings),
        source: job.source.clone(),
    }
}
