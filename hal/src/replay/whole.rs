//! Whether everything that the files of a source tell of is in them, and how one source follows another.

use std::time::Duration;

use super::{
    file::TiffFile,
    plane::Rule,
    source::{Frame, ReplaySource},
};
use crate::{ChannelInfo, HalError};

impl ReplaySource {
    /// What is missing of what the files tell of, as a clause; `None` when nothing is.
    ///
    /// Of every plane it is seen that its bytes are in the file; the last frame is decoded, as the first was
    /// when the source was opened.
    ///
    /// # Errors
    /// When a file is gone.
    pub(crate) fn missing(&mut self) -> Result<Option<String>, HalError> {
        for channel in &self.channels {
            let mut planes = channel.planes.iter();
            if let Some(frame) = planes.position(|(_, plane)| plane.is_none()) {
                let name = &channel.info.name;
                return Ok(Some(format!(
                    "frame {frame} has no plane of the channel {name}"
                )));
            }
        }
        for file in self.files.all() {
            let name = file.path.display();
            if let Some(missing) = file.raw.map(|raw| raw.missing).filter(|count| *count > 0) {
                return Ok(Some(format!("{name} ends {missing} planes too early")));
            }
            let mut open = TiffFile::open(&file.path)?;
            for (number, page) in file.pages.iter().enumerate() {
                if !open.holds(page)? {
                    return Ok(Some(format!(
                        "{name} ends before the samples of its page {number}"
                    )));
                }
            }
        }
        let selected: Vec<usize> = (0..self.channels.len()).collect();
        let mut frame = Frame::default();
        self.decode(self.frames.saturating_sub(1), &selected, &mut frame)?;
        Ok(frame.planes.into_iter().find_map(|plane| plane.failure))
    }

    /// How long the files must have been quiet before they can be taken as finished, when their writer says that
    /// frames follow each other at a fixed time and not that the last was the last.
    pub(crate) fn quiet_before_end(&self) -> Option<Duration> {
        let recorded = self
            .recorded
            .as_ref()
            .filter(|recorded| !recorded.finished)?;
        recorded.period.map(|period| period.saturating_mul(2))
    }

    /// How many frames the writer did not save, by the numbers that it gave to the others. Jumps are told in the
    /// log; numbers that run backwards are jumps that lack no frame.
    pub(crate) fn skipped_frames(&self) -> u64 {
        let Some(recorded) = &self.recorded else {
            return 0;
        };
        let step = recorded.step.max(1);
        let numbers = || recorded.frames.iter().map(|frame| frame.number);
        let jumps = || {
            let pairs = numbers().zip(numbers().skip(1));
            pairs.filter(|(from, to)| *to != from.saturating_add(step))
        };
        let skipped = |(from, to): (u64, u64)| (to.saturating_sub(from) / step).saturating_sub(1);
        let total = jumps().map(skipped).fold(0, u64::saturating_add);
        if let (Some((from, to)), Some(file)) = (jumps().next(), self.files.all().next()) {
            tracing::warn!(
                "{}: frame {to} follows frame {from}; such jumps: {}, frames that were not saved: {total}",
                file.path.display(),
                jumps().count()
            );
        }
        total
    }

    /// Nanoseconds from the begin of the first frame to that of frame `index`, as its writer noted them.
    pub(crate) fn started_ns(&self, index: usize) -> Option<u64> {
        let frames = &self.recorded.as_ref()?.frames;
        let first = frames.first()?.started_ns?;
        frames.get(index)?.started_ns?.checked_sub(first)
    }

    /// By which rules its samples become counts, channel by channel.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.channels.iter().map(|channel| channel.rule).collect()
    }

    /// Takes the rules and scales of another source for the channels whose rule comes from the range of their
    /// samples, so that counts of both can be compared.
    pub(crate) fn follow(&mut self, rules: &[Rule], infos: &[ChannelInfo]) {
        for (channel, (rule, info)) in self.channels.iter_mut().zip(rules.iter().zip(infos)) {
            if channel.ranged {
                channel.rule = *rule;
                (channel.info.scale, channel.info.offset) = (info.scale, info.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::replay::ReplayRequest;

    /// All counts of a file that is complete; `None` for one that is not.
    fn complete(path: &Path) -> Option<Vec<Vec<u16>>> {
        let mut source = ReplaySource::open(&ReplayRequest {
            paths: vec![path.to_owned()],
            pixel_size_um: Some(0.5),
            ..ReplayRequest::default()
        })
        .ok()?;
        if source.missing().unwrap().is_some() {
            return None;
        }
        let selected: Vec<usize> = (0..source.channels.len()).collect();
        let mut counts = Vec::new();
        for index in 0..source.frames {
            let mut frame = Frame::default();
            source.decode(index, &selected, &mut frame).unwrap();
            counts.extend(frame.planes.into_iter().map(|plane| plane.counts));
        }
        Some(counts)
    }

    /// What is not all there is never taken for a whole file, wherever it ends.
    #[test]
    fn a_part_of_a_file_is_not_complete() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part.tif");
        let mut files = 0;
        for entry in fs::read_dir(golden).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if !name.ends_with(".tif") || name.starts_with("set-") {
                continue;
            }
            let whole = complete(&path).unwrap_or_else(|| panic!("{name}"));
            let bytes = fs::read(&path).unwrap();
            let near_end = bytes.len().saturating_sub(20)..bytes.len();
            for length in (0..bytes.len()).step_by(101).chain(near_end) {
                fs::write(&part, &bytes[..length]).unwrap();
                if let Some(counts) = complete(&part) {
                    // Writers leave bytes behind the last samples that mean nothing.
                    assert!(
                        counts == whole,
                        "{name} cut to {length} of {} bytes",
                        bytes.len()
                    );
                }
            }
            files += 1;
        }
        assert!(files > 50);
    }
}
