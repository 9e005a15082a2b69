//! The workers: one member of the ensemble at a time on a tile, or on some, a thread each. Labels before maps.
//!
//! A map is made when no tile waits, or when so many are owed that their memory matters; when a live board's tiles
//! have waited for long, it is not made at all.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    slice,
    sync::Arc,
};

use senescope_hal::Clock;

use super::{
    Classified,
    analyse::TileJob,
    emit::What,
    fan::{Fan, Owed, Share, Task},
};
use crate::{
    config::Settings,
    domain::{Heatmap, Stamps},
    stages::{
        combine::{combine, decided_class},
        explain::{explain, explain_in_full},
        infer::{Ensemble, EnsembleError, Manifest, MemberOutput, Worker, describe},
        quality,
    },
    telemetry::{Discard, Spent, Work},
};

/// Cells whose maps one worker may owe: their networks' outputs take most of a megabyte each.
const OWED: usize = 8;

/// What workers have in common.
pub(crate) struct Surroundings<'a> {
    pub(crate) ensemble: &'a Ensemble,
    pub(crate) settings: &'a Settings,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) spent: &'a Spent,
}

/// Maps that are to be made.
struct Explanation {
    outputs: Vec<MemberOutput>,
    class: usize,
    in_full: bool,
    owed: Owed,
}

/// Classifies tiles until the queue is closed and empty.
pub(crate) fn work(mut worker: Worker, surroundings: &Surroundings<'_>, fan: &Fan<'_>) {
    let mut owed: VecDeque<Explanation> = VecDeque::with_capacity(OWED);
    loop {
        while owed.len() + fan.batch() > OWED
            && let Some(oldest) = owed.pop_front()
        {
            match fan.is_pressed() {
                true => oldest.owed.pay(Err(Discard::EngineBusy)),
                false => surroundings.explain(oldest),
            }
        }
        match fan.next(owed.is_empty()) {
            Task::Member(shares, member) => {
                surroundings.run(&mut worker, &shares, member, &mut owed);
            }
            Task::Nothing => owed
                .pop_front()
                .into_iter()
                .for_each(|oldest| surroundings.explain(oldest)),
            Task::Closed => break,
        }
    }
    for oldest in owed {
        surroundings.explain(oldest);
    }
}

impl Surroundings<'_> {
    /// Lets a member answer about tiles; with the last of a tile's members its label leaves, and what its maps are made
    /// from is owed.
    ///
    /// A defect on one tile costs that tile; a worker that is gone would cost the run.
    fn run(
        &self,
        worker: &mut Worker,
        shares: &[Share],
        member: usize,
        owed: &mut VecDeque<Explanation>,
    ) {
        let infer = AssertUnwindSafe(|| {
            if shares.iter().any(|share| fails(self.settings, &share.job)) {
                return Err(EnsembleError::Asked);
            }
            let tiles = shares.iter().map(|share| share.job.tile.values.view());
            let tiles: Vec<_> = tiles.collect();
            let run = || worker.run_member(member, &tiles);
            self.spent
                .on_each(self.clock, Work::Infer, tiles.len(), run)
        });
        match (panic::catch_unwind(infer), shares) {
            (Ok(Ok(outputs)), _) => {
                let answers = shares.iter().zip(outputs);
                owed.extend(answers.filter_map(|(share, output)| self.keep(share, member, output)));
            }
            (Ok(Err(error)), [share]) => {
                let (frame, cell) = share.name();
                tracing::error!(frame, cell, %error, "a cell could not be classified");
            }
            (Err(_), [share]) => share.tell_defect(),
            // Which of them it was is seen one by one.
            (answer, _) => {
                if let Ok(Err(error)) = answer {
                    tracing::debug!(%error, "tiles are tried again one by one");
                }
                for share in shares {
                    self.run(worker, slice::from_ref(share), member, owed);
                }
            }
        }
    }

    /// Keeps what a member says of a tile.
    fn keep(&self, share: &Share, member: usize, output: MemberOutput) -> Option<Explanation> {
        let kept = AssertUnwindSafe(|| {
            let outputs = share.keep(member, output)?;
            let combine = || classify(&outputs, self.ensemble, self.clock, &share.job);
            let (classified, class) = self.spent.on(self.clock, Work::Combine, combine);
            let owed = share.answer(|_, bytes| What::Classified {
                cell: Box::new(classified),
                bytes,
                owed: outputs.iter().any(|output| output.cam_weights.is_some()),
            })?;
            Some(Explanation {
                outputs,
                class,
                in_full: share.job.settings.publish.member_maps,
                owed,
            })
        });
        panic::catch_unwind(kept).unwrap_or_else(|_| {
            share.tell_defect();
            None
        })
    }

    fn explain(&self, explanation: Explanation) {
        let Explanation {
            outputs,
            class,
            in_full,
            owed,
        } = explanation;
        let manifest = self.ensemble.manifest();
        let make = || maps(manifest, &outputs, class, in_full);
        let made = panic::catch_unwind(AssertUnwindSafe(|| {
            self.spent.on(self.clock, Work::Explain, make)
        }));
        match made {
            Ok(maps) => owed.pay(Ok(maps)),
            // What is owed tells of it.
            Err(_) => tracing::error!("a defect: explaining a cell panicked"),
        }
    }
}

fn maps(
    manifest: &Manifest,
    outputs: &[MemberOutput],
    class: usize,
    in_full: bool,
) -> Vec<Heatmap> {
    if in_full {
        explain_in_full(manifest, outputs, class)
    } else {
        explain(manifest, outputs, class).into_iter().collect()
    }
}

/// Whether the cell of this number is to fail: whatever the order in which cells are classified.
fn fails(settings: &Settings, job: &TileJob) -> bool {
    let every = settings.engine.fail_every;
    every > 0 && job.tile.cell.id.is_multiple_of(every)
}

/// What follows from the outputs of all members for a tile, but for its maps: those are of the class at the index that
/// is given with it.
pub(crate) fn classify(
    outputs: &[MemberOutput],
    ensemble: &Ensemble,
    clock: &dyn Clock,
    job: &TileJob,
) -> (Classified, usize) {
    let inferred = clock.now();
    let manifest = ensemble.manifest();
    let TileJob { tile, settings, .. } = job;
    let statistics = describe(tile.values.view());
    let verdict = combine(manifest, outputs, ensemble.ood_of(&statistics));
    let class = decided_class(manifest, &verdict);
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
    let classified = Classified {
        label_seq: 0,
        cell,
        window: tile.window,
        verdict,
        maps: Vec::new(),
        maps_shed: false,
        stamps: Stamps {
            inferred,
            ..job.stamps
        },
        engine: ensemble.engine_name(),
        settings: Arc::clone(settings),
        source: job.source.clone(),
    };
    (classified, class)
}
