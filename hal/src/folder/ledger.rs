//! The frames that were given in a run, and what of them is still to be acknowledged.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    entry::Entry,
    limits::{MAX_REMEMBERED, MAX_WAITING},
    unit::{Stamp, Unit},
};

/// Where a frame came from. `path`, `size`, `modified_ns` and `index` together are the same whenever the same
/// frame is given, and differ for different frames: the key by which a consumer knows a repeated frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameSource {
    /// The file; of a set or of one file a channel the first, which stands for all of them.
    pub path: PathBuf,
    /// Bytes of that file.
    pub size: u64,
    /// When that file was changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Index of the frame in the file or the files, from 0.
    pub index: u64,
    /// The frame may have been given before: its file was begun, in this process or in an earlier one, and this
    /// frame was not acknowledged.
    pub maybe_repeated: bool,
}

/// Tells where frames came from, beside the board that a session owns. All copies are of one board.
#[derive(Clone, Debug)]
pub struct FrameSources {
    directory: Arc<Path>,
    ledger: Arc<Mutex<Ledger>>,
}

impl FrameSources {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.into(),
            ledger: Arc::default(),
        }
    }

    /// Where frame `frame` of the run came from; `None` when it was not begun, or was acknowledged long ago. Holds
    /// until the next run is armed.
    pub fn source_of(&self, frame: u64) -> Option<FrameSource> {
        let ledger = self.ledger();
        let given = ledger.units.iter().find(|given| given.has(frame))?;
        let stamp = given.unit.stamp()?;
        Some(FrameSource {
            path: self.directory.join(given.unit.name()),
            size: stamp.size,
            modified_ns: stamp.modified_ns,
            index: given.first_index + (frame - given.first_frame),
            maybe_repeated: given.maybe_repeated,
        })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing that holds it can leave it half changed.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A unit of which frames were given.
#[derive(Debug)]
pub(crate) struct Given {
    unit: Unit,
    /// Frame of the run with which it began, and that frame's index in the unit.
    first_frame: u64,
    first_index: u64,
    /// Frames that were begun, and those that were given to their last row.
    begun: u64,
    given: u64,
    /// Frames of the unit that are written down as used.
    written: u64,
    /// Frames that the unit has.
    frames: u64,
    maybe_repeated: bool,
    /// No more of its frames will be given in this run.
    left: bool,
}

impl Given {
    fn has(&self, frame: u64) -> bool {
        (self.first_frame..self.first_frame + self.begun).contains(&frame)
    }

    /// Frames of the unit that were used when all of the run up to `frame` were; of those that were given whole.
    fn used(&self, frame: u64) -> u64 {
        let used = frame.saturating_sub(self.first_frame).saturating_add(1);
        self.written.max(self.first_index + used.min(self.given))
    }

    fn is_done(&self) -> bool {
        self.written >= self.frames
    }

    /// Nothing is left to acknowledge.
    fn is_over(&self) -> bool {
        self.is_done() || (self.left && self.written >= self.first_index + self.given)
    }
}

/// The units of a run, in the order in which they were given.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    units: VecDeque<Given>,
    /// Files that were given, and are not written down as done.
    taken: HashMap<String, Stamp>,
}

impl Ledger {
    /// Forgets everything: what was not acknowledged may be given again.
    pub(crate) fn clear(&mut self) {
        self.units.clear();
        self.taken.clear();
    }

    /// Whether the file was given and is not written down as done.
    pub(crate) fn has_taken(&self, name: &str, stamp: Stamp) -> bool {
        self.taken.get(name) == Some(&stamp)
    }

    /// Frames of `unit` are given from now on: the first as frame `first_frame` of the run.
    pub(crate) fn begin(
        &mut self,
        unit: Unit,
        first_frame: u64,
        first_index: u64,
        frames: u64,
        maybe_repeated: bool,
    ) {
        for file in unit.files.iter() {
            self.taken.insert(file.name.clone(), file.stamp);
        }
        while self.units.len() >= MAX_REMEMBERED && self.units.front().is_some_and(Given::is_over) {
            self.units.pop_front();
        }
        // A consumer that acknowledges nothing gets the oldest again.
        if self.units.len() >= MAX_WAITING
            && let Some(oldest) = self.units.pop_front()
        {
            self.release(&oldest.unit);
        }
        self.units.push_back(Given {
            unit,
            first_frame,
            first_index,
            begun: 0,
            given: 0,
            written: first_index,
            frames,
            maybe_repeated,
            left: false,
        });
    }

    /// The first row of the next frame of the present unit is given.
    pub(crate) fn begin_frame(&mut self) {
        if let Some(last) = self.units.back_mut() {
            last.begun = last.given + 1;
        }
    }

    /// The last row of the present frame was given.
    pub(crate) fn end_frame(&mut self) {
        if let Some(last) = self.units.back_mut() {
            last.given = last.begun;
        }
    }

    /// No more frames of the present unit are given.
    pub(crate) fn leave(&mut self) {
        if let Some(last) = self.units.back_mut() {
            last.left = true;
        }
    }

    /// What is to be written down when all frames up to `frame` were used.
    pub(crate) fn entries(&self, frame: u64) -> Vec<Entry> {
        let units = self.units.iter();
        let units = units.take_while(|given| given.first_frame <= frame);
        let entry = |given: &Given| match given.used(frame) {
            used if used >= given.frames => Entry::Done {
                files: given.unit.files.to_vec(),
            },
            used => Entry::Begun {
                file: given.unit.name().to_owned(),
                unit: given.unit.id(),
                frames: used,
            },
        };
        units
            .filter(|given| given.used(frame) > given.written)
            .map(entry)
            .collect()
    }

    /// Notes that those entries were written down.
    pub(crate) fn written(&mut self, frame: u64) {
        let mut done = Vec::new();
        for given in self
            .units
            .iter_mut()
            .take_while(|given| given.first_frame <= frame)
        {
            let used = given.used(frame);
            let before = mem::replace(&mut given.written, used);
            if before < given.written && given.is_done() {
                done.push(given.unit.clone());
            }
        }
        done.iter().for_each(|unit| self.release(unit));
    }

    fn release(&mut self, unit: &Unit) {
        for file in unit.files.iter() {
            if self.has_taken(&file.name, file.stamp) {
                self.taken.remove(&file.name);
            }
        }
    }
}
