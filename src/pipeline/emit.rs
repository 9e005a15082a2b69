//! The emitter: puts results back into the order in which cells were decided, and hands them on.
//!
//! Workers finish in any order, and make maps after labels. A label is published as soon as those before it are; its
//! cell waits for its maps, and goes to the sinks with them, in the same order. What waits here still counts against
//! the bound of the [`TileQueue`], so the waiting is bounded too.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crossbeam_channel::Receiver;
use senescope_hal::Clock;

use super::{
    Classified, FrameEnd, Sink, SinkError, analyse::TileJob, publish_sink::PublishSink, queue::Job,
};
use crate::{
    config::Effective,
    control::Stop,
    domain::Heatmap,
    recording::Skipped,
    stages::assemble::FrameBuffer,
    telemetry::{Discard, Edge, FrameQuality, Latencies, Spent, Work},
};

/// One step of the run, in the order of `index`.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) index: u64,
    pub(crate) what: What,
}

impl Step {
    /// There was no time for this tile.
    pub(crate) fn shed(job: &Job<TileJob>) -> Self {
        let cell = job.work.tile.cell.id;
        let reason = Discard::EngineBusy;
        Self {
            index: job.index,
            what: What::Skipped(Skipped { cell, reason }),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub(crate) enum What {
    /// A cell got its verdict; the tile's memory is given back.
    Classified {
        cell: Box<Classified>,
        bytes: usize,
        /// Its maps follow, under the same index.
        owed: bool,
    },
    /// The maps of a cell that got its verdict, or why there are none.
    Explained(Result<Vec<Heatmap>, Discard>),
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
    /// From labels to their maps.
    pub(crate) maps: &'a Edge,
    pub(crate) spent: &'a Spent,
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

/// What was published and is not yet handed to the sinks.
enum Said {
    /// A cell; with the index of the maps that it waits for.
    Cell(Box<Classified>, usize, Option<u64>),
    /// The end of a frame.
    End(FrameEnd, Option<Box<FrameBuffer>>),
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
        let mut explained = BTreeMap::new();
        let mut said = VecDeque::new();
        let mut frame = Frame::default();
        let mut next = 0;
        let mut result = Ok(());
        for step in steps {
            let mut handed_on = Ok(());
            match step.what {
                What::Explained(maps) => drop(explained.insert(step.index, maps)),
                what => drop(waiting.insert(step.index, what)),
            }
            while let Some(what) = waiting.remove(&next) {
                let publish = || self.say(next, what, &mut frame, &mut outlets, &mut said);
                let told = self.spent.on(self.clock, Work::Publish, publish);
                handed_on = handed_on.and(told);
                next += 1;
            }
            while let Some(cell) = said.pop_front_if(|said| said.is_whole(&explained)) {
                let hand_on = || self.hand_on(cell, &mut explained, &mut outlets);
                let told = self.spent.on(self.clock, Work::Publish, hand_on);
                handed_on = handed_on.and(told);
            }
            if let Err(error) = handed_on {
                self.stop.ask();
                result = result.and(Err(error));
            }
        }
        result
    }

    /// Publishes what happened next.
    fn say(
        &self,
        index: u64,
        what: What,
        frame: &mut Frame,
        outlets: &mut Outlets<'_>,
        said: &mut VecDeque<Said>,
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
            What::Classified {
                mut cell,
                bytes,
                owed,
            } => {
                let told = self.in_force(cell.cell.frame, &cell.settings, outlets);
                frame.quality.add(&cell.cell.flags.names());
                let published = self.label(&mut cell, outlets);
                self.maps.enter(u64::from(owed));
                said.push_back(Said::Cell(cell, bytes, owed.then_some(index)));
                told.and(published)
            }
            What::FrameEnd(end, image) => {
                let told = self.in_force(end.frame, &end.settings, outlets);
                let Frame { quality, skipped } = std::mem::take(frame);
                let end = FrameEnd { skipped, ..end };
                self.judge(&end, quality);
                said.push_back(Said::End(end, image));
                told
            }
            // It is kept until its cell is handed on.
            What::Explained(_) => Ok(()),
        }
    }

    /// Publishes the maps of a cell, and hands it to the sinks; or the end of a frame.
    fn hand_on(
        &self,
        said: Said,
        explained: &mut BTreeMap<u64, Result<Vec<Heatmap>, Discard>>,
        outlets: &mut Outlets<'_>,
    ) -> Result<(), SinkError> {
        match said {
            Said::Cell(mut cell, bytes, owed) => {
                match owed.and_then(|index| explained.remove(&index)) {
                    None => {}
                    Some(Ok(maps)) => {
                        self.maps.leave(1);
                        cell.maps = maps;
                    }
                    Some(Err(reason)) => {
                        self.maps.discard(reason, 1);
                        cell.maps_shed = true;
                    }
                }
                let mut published = Ok(());
                if !outlets.publisher_failed {
                    published = self.publisher.maps(&cell);
                    outlets.publisher_failed = published.is_err();
                }
                let fed = outlets.feed(|sink| sink.cell(&cell));
                (self.release)(bytes);
                published.and(fed)
            }
            Said::End(end, image) => {
                let fed = outlets.feed(|sink| sink.frame(&end, image.as_deref()));
                (self.release)(image.map_or(0, |image| image.bytes()));
                if outlets.are_whole() {
                    self.frames_done.fetch_max(end.frame + 1, Ordering::Release);
                }
                fed
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

    fn label(
        &self,
        classified: &mut Classified,
        outlets: &mut Outlets<'_>,
    ) -> Result<(), SinkError> {
        self.verdicts.enter(1);
        classified.stamps.emitted = self.clock.now();
        let mut published = Ok(());
        if !outlets.publisher_failed {
            published = self.publisher.label(classified);
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
        published
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

impl Said {
    /// The maps that it waits for are there.
    fn is_whole(&self, explained: &BTreeMap<u64, Result<Vec<Heatmap>, Discard>>) -> bool {
        match self {
            Self::Cell(_, _, Some(index)) => explained.contains_key(index),
            Self::Cell(_, _, None) | Self::End(..) => true,
        }
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
