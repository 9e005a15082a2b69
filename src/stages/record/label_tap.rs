//! Where the labels are taken: at the emitter, as they were published.

use ndarray::Array2;

use super::{
    OnFailure,
    tap::{Entry, Way},
};
use crate::{
    recording::{FrameLine, LabelLine, MapPage},
    telemetry::Discard,
};

/// Takes labels and ends of frames.
#[derive(Clone, Debug)]
pub struct LabelTap {
    pub(super) way: Way,
    pub(super) on_failure: OnFailure,
    pub(super) wants_maps: bool,
}

impl LabelTap {
    /// Takes a label. `maps` gives the maps of its cell, when they are recorded.
    ///
    /// # Errors
    /// Why the run must stop: the recording has failed, and runs are not to go on without.
    pub fn label(
        &self,
        label: LabelLine,
        maps: impl FnOnce() -> Vec<(MapPage, Array2<f32>)>,
    ) -> Result<(), String> {
        let edge = &self.way.state.labels;
        edge.enter(1);
        let maps = if self.wants_maps { maps() } else { Vec::new() };
        if !self.way.give(Entry::Label(Box::new(label), maps)) {
            edge.discard(Discard::RecordingEnded, 1);
        }
        self.judge()
    }

    /// Takes the end of a frame: its line, but for file, digest, missing rows and ticks, which the recorder knows.
    ///
    /// # Errors
    /// As for [`label`](Self::label).
    pub fn end(&self, line: FrameLine) -> Result<(), String> {
        self.way.give(Entry::End(Box::new(line)));
        self.judge()
    }

    fn judge(&self) -> Result<(), String> {
        match (self.way.state.failure(), self.on_failure) {
            (Some(failure), OnFailure::Stop) => Err(format!(
                "the recording has ended, and `record.on_failure` is \"stop\": {}",
                failure.detail
            )),
            _ => Ok(()),
        }
    }
}
