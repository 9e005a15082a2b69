//! Records a run: frames as they were acquired and the labels that were published, lossless or loud.
//!
//! ```text
//! analysis ─FrameTap→ ┐
//!                     ├ bounded queue → one thread → the folder of the run
//! emitter ─LabelTap→  ┘
//! ```
//!
//! A frame is copied once, into one of a bounded number of buffers. A source that is pulled waits for the disk. What
//! a live board gives must find room at once; when it does not, when the disk is full or fails, the recording ends:
//! what is on the disk stays whole, `run.json` says why it ended, the log and the statistics tell it, and what would
//! have come is counted as discarded. [`OnFailure`] says whether the run goes on.
//!
//! The form of the folder is [`crate::recording`]'s. Not done here: reading, and repairing what a killed process left.

mod config;
mod files;
mod label_tap;
mod rooms;
mod selection;
mod state;
mod tap;
mod writer;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use crossbeam_channel::bounded;
use senescope_hal::{RunId, ScanActual};

use crate::{
    recording::{
        Context, FORMAT, RecordingFailure, RecordingState, RunFile, run_folder, write_run,
    },
    stages::publish::{RunEnd, RunStart},
    telemetry::EdgeCounts,
};
pub use config::{Keep, OnFailure, Record};
pub use label_tap::LabelTap;
use rooms::{Taking, rooms};
use state::State;
pub use state::{Failure, RecordingReport};
pub use tap::FrameTap;
use tap::Way;
use writer::{Parts, Writer};

/// Labels and ends of frames that may wait for the disk; fewer when each label has its maps.
const ENTRIES_WAITING: usize = 4096;
const ENTRIES_WITH_MAPS_WAITING: usize = 256;
/// Frames that find room at once, of a run whose length is not known.
const LEAST_FRAMES: u64 = 16;
/// What the labels of a frame take on the disk, roughly: thirty cells.
const LABEL_BYTES: u64 = 1 << 17;

/// What is to be recorded.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Where and how.
    pub settings: &'a Record,
    /// Memory for frames on their way to the disk, in bytes.
    pub limit_bytes: usize,
    /// What the board delivers.
    pub scan: &'a ScanActual,
    /// What decides what is said.
    pub context: Context,
    /// The effective settings.
    pub effective: serde_json::Value,
    /// The run's start message.
    pub start: RunStart,
}

/// Why a recording cannot be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The disk cannot hold the run.
    #[error(
        "{folder} has {free_mib} MiB free and the recording needs {needed_mib} MiB{why}; free some, record elsewhere \
         (`record.dir`), or fewer frames (`--frames`, `record.frames`)"
    )]
    NoSpace {
        /// Where it would be.
        folder: String,
        /// What is free.
        free_mib: u64,
        /// What is needed.
        needed_mib: u64,
        /// For what, as part of the sentence.
        why: String,
    },
    /// The memory for frames does not hold those that must wait.
    #[error(
        "`limits.record_mib` is {limit_mib} and {frames} frames of {frame_mib:.1} MiB must wait for what follows them \
         (`record.before`); set it to {needed_mib} or more"
    )]
    NoRoom {
        /// The limit.
        limit_mib: usize,
        /// How many frames wait.
        frames: usize,
        /// What one takes.
        frame_mib: f64,
        /// The least limit.
        needed_mib: usize,
    },
    /// The folder cannot be made.
    #[error("the recording cannot be begun in {folder}: {source}")]
    Disk {
        /// Where it would be.
        folder: String,
        /// What the system says.
        source: io::Error,
    },
}

/// A recording that can be begun: its disk and its memory were looked at.
#[derive(Debug)]
pub struct Prepared<'a> {
    plan: Plan<'a>,
    rooms: usize,
}

impl<'a> Prepared<'a> {
    /// Looks whether the run can be recorded. Nothing is written but the folder of all recordings.
    ///
    /// # Errors
    /// [`RecordError`] when it cannot.
    pub fn new(plan: Plan<'a>) -> Result<Self, RecordError> {
        let frame_bytes = frame_bytes(plan.scan);
        let waiting = match plan.settings.frames {
            Keep::All => 0,
            Keep::Events => plan.settings.before as usize,
        };
        // Beside those that wait, one is written while the next one comes.
        let least = waiting + 3;
        let rooms = plan.limit_bytes / frame_bytes.max(1);
        if rooms < least {
            return Err(RecordError::NoRoom {
                limit_mib: plan.limit_bytes >> 20,
                frames: least,
                frame_mib: frame_bytes as f64 / f64::from(1 << 20),
                needed_mib: (least * frame_bytes).div_ceil(1 << 20),
            });
        }
        let dir = &plan.settings.dir;
        std::fs::create_dir_all(dir).map_err(|source| disk(dir, source))?;
        let free = files::free_bytes(dir).map_err(|source| disk(dir, source))?;
        let announced = match plan.settings.frames {
            Keep::All => plan.scan.frames,
            Keep::Events => None,
        };
        let frames = announced.unwrap_or(LEAST_FRAMES);
        let needed = frames
            .saturating_mul(frame_bytes as u64 + LABEL_BYTES)
            .saturating_add(u64::from(plan.settings.reserve_mib) << 20);
        if free < needed {
            return Err(RecordError::NoSpace {
                folder: dir.display().to_string(),
                free_mib: free >> 20,
                needed_mib: needed.div_ceil(1 << 20),
                why: match announced {
                    Some(frames) => format!(" for {frames} frame(s) and the reserve"),
                    None => " to begin with".to_owned(),
                },
            });
        }
        Ok(Self { plan, rooms })
    }

    /// Makes the folder of the run and begins to write.
    ///
    /// # Errors
    /// [`RecordError::Disk`].
    pub fn begin(self, run: RunId) -> Result<Recorder, RecordError> {
        let Self { plan, rooms: count } = self;
        let name = run_folder(plan.start.started_utc.as_deref(), run);
        let folder = plan.settings.dir.join(name);
        let account = RunFile {
            format: FORMAT,
            run: run.to_string(),
            state: RecordingState::Recording,
            context: plan.context,
            settings: plan.effective,
            start: plan.start,
            end: None,
            recording: None,
        };
        let failed = |source| disk(&folder, source);
        let lock = files::create(&folder).map_err(failed)?;
        write_run(&folder, &account).map_err(failed)?;
        let state = Arc::new(State::default());
        let (to_writer, entries) = bounded(if plan.settings.maps {
            ENTRIES_WITH_MAPS_WAITING
        } else {
            ENTRIES_WAITING
        });
        let (giving, taking) = rooms(count);
        let writer = Writer::new(Parts {
            folder: folder.clone(),
            state: Arc::clone(&state),
            entries,
            rooms: giving,
            scan: plan.scan.clone(),
            run,
            account: account.clone(),
            settings: plan.settings.clone(),
        })
        .map_err(failed)?;
        let thread = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || writer.run())
            .map_err(failed)?;
        tracing::info!("the run is recorded in {}", folder.display());
        Ok(Recorder {
            way: Way {
                state,
                entries: to_writer,
                pacing: plan.scan.pacing,
            },
            rooms: taking,
            thread,
            folder,
            _lock: lock,
            account,
            on_failure: plan.settings.on_failure,
            wants_maps: plan.settings.maps,
        })
    }
}

/// A recording that is being written.
#[derive(Debug)]
pub struct Recorder {
    way: Way,
    rooms: Taking,
    thread: JoinHandle<()>,
    folder: PathBuf,
    _lock: File,
    account: RunFile,
    on_failure: OnFailure,
    wants_maps: bool,
}

impl Recorder {
    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What takes the frames.
    pub fn frames(&self) -> FrameTap {
        FrameTap {
            way: self.way.clone(),
            rooms: self.rooms.clone(),
        }
    }

    /// What takes the labels.
    pub fn labels(&self) -> LabelTap {
        LabelTap {
            way: self.way.clone(),
            on_failure: self.on_failure,
            wants_maps: self.wants_maps,
        }
    }

    /// What watches.
    pub fn watch(&self) -> Watch {
        Watch {
            state: Arc::clone(&self.way.state),
            folder: self.folder.display().to_string(),
        }
    }

    /// Waits until everything is on the disk. Every tap must be gone.
    pub fn close(self) -> Closed {
        let watch = self.watch();
        let Self {
            way,
            thread,
            folder,
            account,
            _lock,
            ..
        } = self;
        let state = Arc::clone(&way.state);
        drop(way);
        if thread.join().is_err() {
            let detail = "the part of this program that writes has failed; the log says where";
            state.fail(RecordingFailure::Defect, detail.to_owned());
        }
        Closed {
            watch,
            _lock,
            folder,
            account,
        }
    }
}

/// A recording of which everything is on the disk, but for how the run ended.
#[derive(Debug)]
pub struct Closed {
    watch: Watch,
    folder: PathBuf,
    _lock: File,
    account: RunFile,
}

impl Closed {
    /// The final counters: frames and labels.
    pub fn edges(&self) -> [EdgeCounts; 2] {
        self.watch.edges()
    }

    /// Why the recording ended before its run, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.watch.state.failure()
    }

    /// Writes how the run ended.
    pub fn conclude(&mut self, end: &RunEnd) {
        let account = &mut self.account;
        account.state = match self.watch.state.failure() {
            None => RecordingState::Complete,
            Some(_) => RecordingState::Ended,
        };
        account.end = Some(end.clone());
        account.recording = Some(writer::ended(&self.watch.state));
        files::release_reserve(&self.folder);
        if let Err(error) = write_run(&self.folder, account) {
            let detail = format!("{} cannot be completed: {error}", self.folder.display());
            self.watch.state.fail(RecordingFailure::Disk, detail);
        }
    }
}

/// Watches a recording.
#[derive(Clone, Debug)]
pub struct Watch {
    state: Arc<State>,
    folder: String,
}

impl Watch {
    /// How many of the first frames of the run need not be given again, should this program be killed now.
    pub fn durable(&self) -> u64 {
        self.state.durable()
    }

    /// Counters: frames and labels.
    pub fn edges(&self) -> [EdgeCounts; 2] {
        self.state.edges()
    }

    /// Entries that were given to the writer, and those that it is done with.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let written = self.state.written.load(Ordering::Relaxed);
        (self.state.given.load(Ordering::Relaxed), written)
    }

    /// For subscribers.
    pub fn report(&self) -> RecordingReport {
        let end = writer::ended(&self.state);
        RecordingReport {
            folder: self.folder.clone(),
            frames: end.frames,
            labels: end.labels,
            failure: end.failure,
            detail: end.detail,
        }
    }

    /// Ends the recording: what gives to it has failed.
    pub(crate) fn abandon(&self) {
        let detail = "what gives to it has failed; the log says where";
        self.state.fail(RecordingFailure::Defect, detail.to_owned());
    }
}

fn frame_bytes(scan: &ScanActual) -> usize {
    scan.width as usize * scan.height as usize * scan.channels.len() * size_of::<u16>()
}

fn disk(folder: &Path, source: io::Error) -> RecordError {
    RecordError::Disk {
        folder: folder.display().to_string(),
        source,
    }
}
