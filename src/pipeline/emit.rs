//! The emitter: puts results back into the order in which cells were decided, and hands them to the sinks.
//!
//! Workers finish in any order. What waits here for an earlier result still counts against the bound of
//! the [`TileQueue`], so the waiting is bounded too.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crossbeam_channel::Receiver;
use senescope_hal::Clock;

use super::{Classified, FrameEnd, Sink, SinkError, publish_sink::PublishSink};
use crate::{
    config::Effective,
    control::Stop,
    recording::Skipped,
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
    Failed { cell: u32, bytes: usize },
    /// The cell was not given to the networks.
    Skipped(Skipped),
    /// All cells of a frame have been decided; with its counts when a sink wants them.
    FrameEnd(FrameEnd, Option<Box<FrameBuffer>>),
}

/// The emitter's surroundings.
pub(crate) struct Emitter<'a> {
    pub(crate) clock: &'a dyn Clock,
    /// Publishes each label, before the sinks get it.
    pub(crate) publisher: PublishSink,
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
    /// The settings with which the run began.
    pub(crate) settings: Arc<Effective>,
    pub(crate) stop: &'a Stop,
}

/// A sink, and whether it has failed already.
struct Fed<'a> {
    sink: &'a mut Box<dyn Sink>,
    failed: bool,
}

/// What is told at the end of the present frame.
#[derive(Default)]
struct Frame {
    quality: FrameQuality,
    skipped: Vec<Skipped>,
}

impl Emitter<'_> {
    /// Emits until every sender is gone. When the publisher or a sink fails it gets nothing more, and the run is
    /// asked to stop; the others get what still comes. The first error is given at the end.
    pub(crate) fn run(
        &self,
        steps: &Receiver<Step>,
        sinks: &mut [Box<dyn Sink>],
    ) -> Result<(), SinkError> {
        let fed = |sink| Fed {
            sink,
            failed: false,
        };
        let mut outlets = Outlets {
            publisher_failed: false,
            in_force: Arc::clone(&self.settings),
            sinks: sinks.iter_mut().map(fed).collect(),
        };
        let mut waiting = BTreeMap::new();
        let mut frame = Frame::default();
        let mut next = 0;
        let mut result = Ok(());
        for step in steps {
            waiting.insert(step.index, step.what);
            while let Some(what) = waiting.remove(&next) {
                next += 1;
                if let Err(error) = self.step(what, &mut frame, &mut outlets) {
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
        frame: &mut Frame,
        outlets: &mut Outlets<'_>,
    ) -> Result<(), SinkError> {
        match what {
            What::Skipped(skipped) => {
                frame.skipped.push(skipped);
                Ok(())
            }
            What::Failed { cell, bytes } => {
                self.verdicts.enter(1);
                self.verdicts.discard(Discard::EngineError, 1);
                let reason = Discard::EngineError;
                frame.skipped.push(Skipped { cell, reason });
                (self.release)(bytes);
                Ok(())
            }
            What::Classified(classified, bytes) => {
                let told = self.in_force(classified.cell.frame, &classified.settings, outlets);
                frame.quality.add(&classified.cell.flags.names());
                let emitted = self.classified(*classified, outlets);
                (self.release)(bytes);
                told.and(emitted)
            }
            What::FrameEnd(end, image) => {
                let told = self.in_force(end.frame, &end.settings, outlets);
                let Frame { quality, skipped } = std::mem::take(frame);
                let end = FrameEnd { skipped, ..end };
                self.judge(&end, quality);
                let emitted = outlets.feed(|sink| sink.frame(&end, image.as_deref()));
                (self.release)(image.map_or(0, |image| image.bytes()));
                if outlets.are_whole() {
                    self.frames_done.fetch_max(end.frame + 1, Ordering::Release);
                }
                told.and(emitted)
            }
        }
    }

    /// What follows is of `frame`: says when other settings are in force for it than for the one before.
    fn in_force(
        &self,
        frame: u64,
        settings: &Arc<Effective>,
        outlets: &mut Outlets<'_>,
    ) -> Result<(), SinkError> {
        if *settings == outlets.in_force {
            return Ok(());
        }
        outlets.in_force = Arc::clone(settings);
        if outlets.publisher_failed {
            return Ok(());
        }
        let told = self.publisher.settings(frame, &self.settings, settings);
        outlets.publisher_failed = told.is_err();
        told
    }

    fn classified(
        &self,
        mut classified: Classified,
        outlets: &mut Outlets<'_>,
    ) -> Result<(), SinkError> {
        self.verdicts.enter(1);
        classified.stamps.emitted = self.clock.now();
        let mut published = Ok(());
        if !outlets.publisher_failed {
            published = self.publisher.cell(&mut classified);
            outlets.publisher_failed = published.is_err();
        }
        if !outlets.publisher_failed {
            self.verdicts.leave(1);
            let before_end = classified.cell.frame >= self.frames_received.load(Ordering::Relaxed);
            self.latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .record(&classified.stamps.latency(), before_end);
        } else {
            self.verdicts.discard(Discard::Cancelled, 1);
        }
        published.and(outlets.feed(|sink| sink.cell(&classified)))
    }

    /// Warns of a frame that ended, and keeps it for whoever watches.
    fn judge(&self, end: &FrameEnd, quality: FrameQuality) {
        let quality = FrameQuality {
            frame: end.frame,
            missing_rows: end.missing_rows,
            ..quality
        };
        let warnings = quality.warnings(end.settings.quality.warn_part);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        *self.quality.lock().unwrap_or_else(PoisonError::into_inner) = (quality, warnings);
    }
}

/// Where results go.
struct Outlets<'a> {
    publisher_failed: bool,
    /// The settings of the present frame.
    in_force: Arc<Effective>,
    sinks: Vec<Fed<'a>>,
}

impl Outlets<'_> {
    /// Gives something to every sink that has not failed; the first error of this time.
    fn feed(
        &mut self,
        mut give: impl FnMut(&mut dyn Sink) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let mut result = Ok(());
        for fed in self.sinks.iter_mut().filter(|fed| !fed.failed) {
            if let Err(error) = give(&mut **fed.sink) {
                fed.failed = true;
                result = result.and(Err(error));
            }
        }
        result
    }

    fn are_whole(&self) -> bool {
        !self.publisher_failed && self.sinks.iter().all(|fed| !fed.failed)
    }
}
