//! The frames that were given in a run, and what of them is still to be acknowledged.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    path::Path,
    sync::Arc,
};

use super::{
    entry::Entry,
    limits::{MAX_REMEMBERED, MAX_WAITING},
    unit::{Stamp, Unit},
};
use crate::FrameSource;

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

    /// The file in `directory` that frame `frame` of the run came from; `None` when it was not begun, or was
    /// acknowledged long ago.
    pub(crate) fn source_of(&self, frame: u64, directory: &Path) -> Option<Arc<FrameSource>> {
        let given = self.units.iter().find(|given| given.has(frame))?;
        let stamp = given.unit.stamp()?;
        Some(Arc::new(FrameSource {
            file: directory.join(given.unit.name()).display().to_string(),
            size: stamp.size,
            modified_ns: stamp.modified_ns,
            index: given.first_index + (frame - given.first_frame),
            maybe_repeated: given.maybe_repeated,
        }))
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
