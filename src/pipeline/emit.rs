//! The emitter: puts results back into the order in which cells were decided, and hands them to the sinks.
//!
//! Workers finish in any order. What waits here for an earlier result still counts against the bound of
//! the [`TileQueue`], so the waiting is bounded too.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crossbeam_channel::Receiver;
use senescope_hal::Clock;

use super::{Classified, FrameEnd, Sink, SinkError, Stop};
use crate::{
    stages::assemble::FrameBuffer,
    telemetry::{Discard, Edge, FrameQuality, Latencies},
};

/// One step of the run, in the order of `index`.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) index: u64,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum What {
    /// A cell got its verdict; the tile's memory is given back.
    Classified(Box<Classified>, usize),
    /// A network failed on the tile.
    Failed(usize),
    /// The tile had to make room.
    Shed,
    /// All cells of a frame have been decided; with its counts when a sink wants them.
    FrameEnd(FrameEnd, Option<Box<FrameBuffer>>),
}

/// The emitter's surroundings.
pub(crate) struct Emitter<'a> {
    pub(crate) clock: &'a dyn Clock,
    /// Gives back the memory of a tile.
    pub(crate) release: &'a (dyn Fn(usize) + Sync),
    pub(crate) verdicts: &'a Edge,
    pub(crate) latencies: &'a Mutex<Latencies>,
    /// Frames whose last row has been received.
    pub(crate) frames_received: &'a AtomicU64,
    /// Frames whose results have been handed on, all of them.
    pub(crate) frames_done: &'a AtomicU64,
    /// The last frame that ended, and what is wrong with it in words.
    pub(crate) quality: &'a Mutex<(FrameQuality, Vec<String>)>,
    /// Part of a frame's cells with the same fault from which on it is warned of.
    pub(crate) warn_part: f64,
    pub(crate) stop: &'a Stop,
}

/// A sink, and whether it has failed already.
struct Fed<'a> {
    sink: &'a mut Box<dyn Sink>,
    failed: bool,
}

impl Emitter<'_> {
    /// Emits until every sender is gone. The first of `sinks` is the publisher. A sink that fails gets
    /// nothing more, and the run is asked to stop; the others get what still comes. The first error is
    /// given at the end.
    pub(crate) fn run(
        &self,
        steps: &Receiver<Step>,
        sinks: &mut [Box<dyn Sink>],
    ) -> Result<(), SinkError> {
        let mut sinks: Vec<_> = sinks
            .iter_mut()
            .map(|sink| Fed {
                sink,
                failed: false,
            })
            .collect();
        let mut waiting = BTreeMap::new();
        let mut quality = FrameQuality::default();
        let mut next = 0;
        let mut result = Ok(());
        for step in steps {
            waiting.insert(step.index, step.what);
            while let Some(what) = waiting.remove(&next) {
                next += 1;
                if let Err(error) = self.step(what, &mut quality, &mut sinks) {
                    self.stop.ask();
                    result = result.and(Err(error));
                }
            }
        }
        result
    }

    fn step(
        &self,
        what: What,
        quality: &mut FrameQuality,
        sinks: &mut [Fed<'_>],
    ) -> Result<(), SinkError> {
        match what {
            What::Shed => Ok(()),
            What::Failed(bytes) => {
                self.verdicts.enter(1);
                self.verdicts.discard(Discard::EngineError, 1);
                (self.release)(bytes);
                Ok(())
            }
            What::Classified(mut classified, bytes) => {
                self.verdicts.enter(1);
                classified.stamps.emitted = self.clock.now();
                quality.add(&classified.cell.flags.names());
                let emitted = feed(sinks, |sink| sink.cell(&classified));
                if sinks.first().is_some_and(|publisher| publisher.failed) {
                    self.verdicts.discard(Discard::Cancelled, 1);
                } else {
                    self.verdicts.leave(1);
                    self.latencies
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .record(
                            &classified.stamps.latency(),
                            classified.cell.frame >= self.frames_received.load(Ordering::Relaxed),
                        );
                }
                (self.release)(bytes);
                emitted
            }
            What::FrameEnd(end, image) => {
                self.judge(&end, std::mem::take(quality));
                let emitted = feed(sinks, |sink| sink.frame(&end, image.as_deref()));
                (self.release)(image.map_or(0, |image| image.bytes()));
                if sinks.iter().all(|fed| !fed.failed) {
                    self.frames_done.fetch_max(end.frame + 1, Ordering::Release);
                }
                emitted
            }
        }
    }
}

impl Emitter<'_> {
    /// Warns of a frame that ended, and keeps it for whoever watches.
    fn judge(&self, end: &FrameEnd, quality: FrameQuality) {
        let quality = FrameQuality {
            frame: end.frame,
            missing_rows: end.missing_rows,
            ..quality
        };
        let warnings = quality.warnings(self.warn_part);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        *self.quality.lock().unwrap_or_else(PoisonError::into_inner) = (quality, warnings);
    }
}

/// Gives something to every sink that has not failed; the first error of this time.
fn feed(
    sinks: &mut [Fed<'_>],
    mut give: impl FnMut(&mut dyn Sink) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    let mut result = Ok(());
    for fed in sinks.iter_mut().filter(|fed| !fed.failed) {
        if let Err(error) = give(&mut **fed.sink) {
            fed.failed = true;
            result = result.and(Err(error));
        }
    }
    result
}
