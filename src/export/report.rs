//! What an export came to.

use crate::recording::{Recording, RecordingState};

/// Problems that are kept as sentences; the others are counted.
const KEPT: usize = 1000;

/// What was exported, and what was not.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Frames in the output.
    pub frames: u64,
    /// Cells in the output.
    pub cells: u64,
    /// Frames without a file, because the recording was to keep others only; an image has nothing of them.
    pub not_kept: u64,
    /// What could not be read and was left out, a sentence each; the first of them.
    pub problems: Vec<String>,
    /// How many there were.
    pub problem_count: u64,
    /// There are lines of labels, and none of them could be read.
    pub(super) all_labels_lost: bool,
    /// What else a careful reader should know, a sentence each.
    pub notes: Vec<String>,
}

impl Report {
    /// Of `recording`, of which nothing was exported yet.
    pub(super) fn new(recording: &Recording) -> Self {
        let run = recording.run();
        let detail = run.recording.as_ref().and_then(|end| end.detail.as_deref());
        let note = match run.state {
            RecordingState::Complete => None,
            RecordingState::Ended => Some(format!(
                "the recording ended before its run: {}",
                detail.unwrap_or("run.json does not say why")
            )),
            RecordingState::Incomplete => Some(
                "the program that recorded was killed; what had reached the disk is exported"
                    .to_owned(),
            ),
            RecordingState::Recording => Some(
                "the recording is not closed: it is being written now, or its program was killed"
                    .to_owned(),
            ),
        };
        Self {
            notes: note.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Something was left out.
    pub(super) fn left_out(&mut self, sentence: String) {
        self.problem_count += 1;
        if self.problems.len() < KEPT {
            self.problems.push(sentence);
        }
    }
}
