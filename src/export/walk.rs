//! One walk over a recording: each frame with its line, then its cells.

use serde::de::DeserializeOwned;

use super::{ExportError, Report};
use crate::recording::{FrameLine, LABELS_FILE, LabelLine, Lines, Recording, RunFile};

/// A frame of the recording.
#[derive(Clone, Debug)]
pub struct FrameHead {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Its line; `None` when it was lost, or the program that recorded was killed before it wrote the line.
    pub line: Option<FrameLine>,
}

impl FrameHead {
    /// The frame's file in the recording, when it was kept.
    pub fn image(&self) -> Option<&str> {
        self.line.as_ref()?.file.as_deref()
    }

    /// Digest of the settings in force for it. When its line was lost nobody knows of a change.
    pub fn config<'a>(&'a self, run: &'a RunFile) -> &'a str {
        let changed = self.line.as_ref().and_then(|line| line.settings.as_ref());
        changed.map_or(&run.context.config, |settings| &settings.config)
    }
}

/// Writes one form: the frames in order, and the cells of each between its beginning and its end.
pub(super) trait Exporter {
    /// A frame begins.
    fn begin(&mut self, _frame: &FrameHead, _report: &mut Report) -> Result<(), ExportError> {
        Ok(())
    }

    /// A cell of the frame that began.
    fn cell(
        &mut self,
        frame: &FrameHead,
        label: &LabelLine,
        report: &mut Report,
    ) -> Result<(), ExportError>;

    /// All cells of the frame were given.
    fn end(&mut self, _frame: &FrameHead, report: &mut Report) -> Result<(), ExportError> {
        report.frames += 1;
        Ok(())
    }

    /// All frames were given: completes the output.
    fn finish(self: Box<Self>, report: &mut Report) -> Result<(), ExportError>;
}

/// Gives the frames of `recording`, or `only` one of them, to `exporter`. What cannot be read is told in `report`.
pub(super) fn walk(
    recording: &Recording,
    only: Option<u64>,
    mut exporter: Box<dyn Exporter>,
    report: &mut Report,
    each_frame: &mut dyn FnMut(),
) -> Result<(), ExportError> {
    let mut frames = Ahead::new(recording.frames()?, |line: &FrameLine| line.frame);
    let mut labels = Ahead::new(recording.labels()?, |line: &LabelLine| line.label.frame);
    let (mut next, mut found) = (0, false);
    loop {
        let in_frames = frames.frame(next, report)?;
        let in_labels = labels.frame(next, report)?;
        let Some(frame) = in_frames.into_iter().chain(in_labels).min() else {
            break;
        };
        if only.is_some_and(|only| only < frame) {
            break;
        }
        let line = (in_frames == Some(frame)).then(|| frames.take()).flatten();
        let wanted = only.is_none_or(|only| only == frame);
        let field = match (&line, labels.peek()) {
            (Some(line), _) => line.field,
            (None, Some(label)) => label.label.field,
            (None, None) => 0,
        };
        let head = FrameHead { frame, field, line };
        if wanted {
            found = true;
            exporter.begin(&head, report)?;
        }
        // Labels are not in the memory together: there may be many.
        while labels.frame(frame, report)? == Some(frame) {
            if let Some(label) = labels.take().filter(|_| wanted) {
                exporter.cell(&head, &label, report)?;
            }
        }
        if wanted {
            exporter.end(&head, report)?;
            each_frame();
        }
        next = frame.saturating_add(1);
    }
    if let (Some(frame), false) = (only, found) {
        return Err(ExportError::NoFrame {
            folder: recording.folder().to_owned(),
            frame,
        });
    }
    let told = recording.run().recording.as_ref().map(|end| end.labels);
    if let Some(told) = told.filter(|told| only.is_none() && *told > labels.read) {
        report.left_out(format!(
            "run.json tells of {told} label(s), and {LABELS_FILE} has {} line(s)",
            labels.read
        ));
    }
    report.all_labels_lost = labels.read > 0 && labels.given == 0;
    exporter.finish(report)
}

/// Lines of which the next one can be looked at.
struct Ahead<T> {
    lines: Lines<T>,
    frame_of: fn(&T) -> u64,
    next: Option<T>,
    /// Lines so far, damaged or not.
    read: u64,
    /// Those that were given.
    given: u64,
}

impl<T: DeserializeOwned> Ahead<T> {
    fn new(lines: Lines<T>, frame_of: fn(&T) -> u64) -> Self {
        Self {
            lines,
            frame_of,
            next: None,
            read: 0,
            given: 0,
        }
    }

    /// The frame of the next line, which is `at_least`; a line that is damaged or of an earlier frame is told and left
    /// out.
    fn frame(&mut self, at_least: u64, report: &mut Report) -> Result<Option<u64>, ExportError> {
        loop {
            if let Some(next) = &self.next {
                return Ok(Some((self.frame_of)(next)));
            }
            match self.lines.read()? {
                None => return Ok(None),
                Some(Err(damage)) => report.left_out(damage.to_string()),
                Some(Ok(line)) if (self.frame_of)(&line) < at_least => report.left_out(format!(
                    "line {} of {} is of frame {} and comes after a later frame: the lines were put into another order",
                    self.read + 1,
                    self.lines.name(),
                    (self.frame_of)(&line)
                )),
                Some(Ok(line)) => {
                    self.given += 1;
                    self.next = Some(line);
                }
            }
            self.read += 1;
        }
    }

    fn peek(&self) -> Option<&T> {
        self.next.as_ref()
    }

    fn take(&mut self) -> Option<T> {
        self.next.take()
    }
}
