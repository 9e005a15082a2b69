//! Compares what is said of recorded frames now with what was said when they were acquired.

use super::{
    Damage, FrameLine, Inspection, LabelLine, Lines, Recording, RecordingError, differences,
};

/// Differences that are kept as sentences; the others are counted.
const KEPT: usize = 1000;

/// What the comparison came to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Frames that were compared.
    pub frames: u64,
    /// Labels that are equal.
    pub equal_labels: u64,
    /// Maps of those labels.
    pub equal_maps: u64,
    /// Labels of frames that were not kept: nothing can say them again.
    pub unchecked: u64,
    /// What differs, a sentence each.
    pub differences: Vec<String>,
    /// Differences that are not in the list.
    pub more: u64,
}

impl Verdict {
    /// Nothing differs.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }

    fn differ(&mut self, sentence: String) {
        if self.differences.len() < KEPT {
            self.differences.push(sentence);
        } else {
            self.more += 1;
        }
    }
}

/// Takes the results of a replay of the intact frames of a recording, in order.
#[derive(Debug)]
pub struct Verifier {
    frames: Vec<FrameLine>,
    labels: Lines<LabelLine>,
    /// The next recorded label, which is of a later frame.
    ahead: Option<LabelLine>,
    now: Vec<LabelLine>,
    verdict: Verdict,
}

impl Verifier {
    /// A verifier for the frames that `inspection` found intact in `recording`.
    ///
    /// # Errors
    /// When the labels cannot be read.
    pub fn new(recording: &Recording, inspection: Inspection) -> Result<Self, RecordingError> {
        let mut verdict = Verdict::default();
        for problem in inspection.problems {
            verdict.differ(problem);
        }
        Ok(Self {
            frames: inspection.frames,
            labels: recording.labels()?,
            ahead: None,
            now: Vec::new(),
            verdict,
        })
    }

    /// A label of the present frame of the replay.
    pub fn label(&mut self, now: LabelLine) {
        self.now.push(now);
    }

    /// The present frame of the replay has ended; `cells` were found in it.
    ///
    /// # Errors
    /// When the labels cannot be read.
    pub fn frame(&mut self, cells: u32) -> Result<(), RecordingError> {
        let now = std::mem::take(&mut self.now);
        let index = usize::try_from(self.verdict.frames).unwrap_or(usize::MAX);
        self.verdict.frames += 1;
        let Some(line) = self.frames.get(index) else {
            self.verdict
                .differ("the replay has more frames than the recording".to_owned());
            return Ok(());
        };
        let (frame, had, told) = (line.frame, line.cells, line.labels);
        let recorded = self.labels_of(frame)?;
        if cells != had {
            self.verdict
                .differ(format!("frame {frame} has {cells} cell(s) and had {had}"));
        }
        if recorded.len() as u64 != u64::from(told) {
            let sentence = format!(
                "frame {frame}: its line tells of {told} label(s), and labels.ndjson has {}",
                recorded.len()
            );
            self.verdict.differ(sentence);
        }
        for was in &recorded {
            let cell = was.label.cell;
            let Some(is) = now.iter().find(|is| is.label.cell == cell) else {
                self.verdict
                    .differ(format!("frame {frame}, cell {cell} has no label any more"));
                continue;
            };
            let found = differences(was, is);
            if found.is_empty() {
                self.verdict.equal_labels += 1;
                self.verdict.equal_maps += was.maps.len() as u64;
            } else {
                let found = found.join("; ");
                self.verdict
                    .differ(format!("frame {frame}, cell {cell}: {found}"));
            }
        }
        for is in &now {
            let cell = is.label.cell;
            if recorded.iter().all(|was| was.label.cell != cell) {
                let sentence =
                    format!("frame {frame}, cell {cell} has a label that was not recorded");
                self.verdict.differ(sentence);
            }
        }
        Ok(())
    }

    /// The recorded labels of `frame`; those before are of frames without a file.
    fn labels_of(&mut self, frame: u64) -> Result<Vec<LabelLine>, RecordingError> {
        let mut found = Vec::new();
        loop {
            let next = match self.ahead.take() {
                Some(label) => label,
                None => match self.labels.read()? {
                    Some(Ok(label)) => label,
                    Some(Err(damage)) => {
                        self.damaged(&damage);
                        continue;
                    }
                    None => return Ok(found),
                },
            };
            if next.label.frame > frame {
                self.ahead = Some(next);
                return Ok(found);
            }
            if next.label.frame == frame {
                found.push(next);
            } else {
                self.verdict.unchecked += 1;
            }
        }
    }

    fn damaged(&mut self, damage: &Damage) {
        self.verdict.differ(damage.to_string());
    }

    /// The replay has ended.
    ///
    /// # Errors
    /// When the labels cannot be read.
    pub fn finish(mut self) -> Result<Verdict, RecordingError> {
        let replayed = usize::try_from(self.verdict.frames).unwrap_or(usize::MAX);
        let missed: Vec<_> = self
            .frames
            .iter()
            .skip(replayed)
            .map(|line| line.frame)
            .collect();
        for frame in missed {
            self.verdict
                .differ(format!("frame {frame} was not replayed"));
        }
        self.verdict.unchecked += self.labels_of(u64::MAX)?.len() as u64;
        Ok(self.verdict)
    }
}
