//! What a watched folder is told.

use std::{path::PathBuf, time::Duration};

use crate::{ChannelName, ErrorKind, HalError, replay::ChannelMap};

/// Which directory is watched, which of its files are taken, and how patient the board is.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderConfig {
    /// The directory. Directories inside it are not looked at.
    pub directory: PathBuf,
    /// Names of the files that are taken: `*` stands for any text, `?` for one character; case does not matter.
    /// Not used when every channel has a file of its own.
    pub patterns: Vec<String>,
    /// Where channels are that the files do not name: `SRS=#0` is a channel inside each file (numbers from 0);
    /// `SRS=*_srs.tif` is a file for the channel alone. All channels are told in one of the two forms. Files
    /// for one channel each belong together when their `*` and `?` stand for the same text, and are taken when
    /// every channel is there.
    pub channels: Vec<ChannelMap>,
    /// Edge of a pixel in µm, against what the files say.
    pub pixel_size_um: Option<f64>,
    /// The channels that are wanted, in this order; empty means all that are mapped, or else all that the
    /// files have.
    pub wanted: Vec<ChannelName>,
    /// A file is looked at when its size and time of change have stayed for this long. Longer than a writer
    /// pauses: for software that appends frames to a file, longer than a frame.
    pub settle: Duration,
    /// Time between two looks at the directory, whatever events come: on a network share often none do.
    pub poll: Duration,
    /// A file that has not changed for this long and cannot be read completely is reported, once; when it changes
    /// it is looked at again.
    pub give_up: Duration,
    /// How long [`configure`](crate::Board::configure) waits for the first complete file; `None` for ever.
    pub first_file: Option<Duration>,
    /// The file in which is written down what was used; `None` for `.senescope-journal` in the directory.
    pub journal: Option<PathBuf>,
}

impl FolderConfig {
    /// All TIFF files of `directory`, with channels as the files name them.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            patterns: ["*.tif", "*.tiff", "*.ome.tif*"].map(str::to_owned).into(),
            channels: Vec::new(),
            pixel_size_um: None,
            wanted: Vec::new(),
            settle: Duration::from_secs(2),
            poll: Duration::from_secs(1),
            give_up: Duration::from_secs(60),
            first_file: None,
            journal: None,
        }
    }

    /// The journal's path.
    pub(crate) fn journal_path(&self) -> PathBuf {
        let default = || self.directory.join(".senescope-journal");
        self.journal.clone().unwrap_or_else(default)
    }

    /// Whether every channel has a file of its own.
    pub(crate) fn is_by_file(&self) -> bool {
        self.channels.iter().any(|map| map.file.is_some())
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `Request` with what to write instead.
    pub(crate) fn check(&self) -> Result<(), HalError> {
        let wrong = |message: String| Err(HalError::new(ErrorKind::Request, message));
        if self.poll.is_zero() {
            return wrong(
                "a poll of 0 s would never rest; poll the folder every second".to_owned(),
            );
        }
        if self.give_up < self.settle {
            return wrong(format!(
                "files would be given up after {:?}, before they have settled for {:?}; give up later",
                self.give_up, self.settle
            ));
        }
        if let Some(um) = self.pixel_size_um
            && !(um.is_finite() && um > 0.0)
        {
            return wrong(format!(
                "a pixel of {um} µm cannot be; give a positive number, for example 0.25"
            ));
        }
        for (index, map) in self.channels.iter().enumerate() {
            let name = &map.name;
            if map.file.is_some() != self.is_by_file() {
                return wrong(format!(
                    "{name} is mapped otherwise than other channels; map all of them to a number ({name}=#0), or all \
                     to names of files ({name}=*_{name}.tif)"
                ));
            }
            let before = self.channels.iter().take(index);
            if before.into_iter().any(|other| other.name == *name) {
                return wrong(format!("the channel {name} is mapped twice; map it once"));
            }
            if !self.wanted.is_empty() && !self.wanted.contains(name) {
                return wrong(format!(
                    "the channel {name} is mapped, but it is not among the channels that are wanted; leave it out"
                ));
            }
        }
        let unmapped = |name: &&ChannelName| self.channels.iter().all(|map| map.name != **name);
        if let Some(name) = self.wanted.iter().find(unmapped)
            && self.is_by_file()
        {
            return wrong(format!(
                "the channel {name} is wanted, and no name of its files is told; add {name}=*_{name}.tif"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(channels: &[&str], wanted: &[&str], change: impl Fn(&mut FolderConfig)) -> String {
        let mut config = FolderConfig::new("/data");
        config.channels = channels.iter().map(|map| map.parse().unwrap()).collect();
        config.wanted = wanted.iter().map(|name| ChannelName::from(*name)).collect();
        change(&mut config);
        config
            .check()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_what_to_write() {
        let keep = |_: &mut FolderConfig| {};
        assert_eq!(refused(&["SRS=#0", "TPEF=#1"], &["SRS", "TPEF"], keep), "");
        assert_eq!(refused(&["SRS=*_s.tif", "TPEF=*_t.tif"], &[], keep), "");
        let cases = [
            (refused(&["SRS=#0", "TPEF=*_t.tif"], &[], keep), "SRS=#0"),
            (refused(&["SRS=#0", "SRS=#1"], &[], keep), "twice"),
            (refused(&["SHG=#0"], &["SRS"], keep), "SHG is mapped"),
            (
                refused(&["SRS=*_s.tif"], &["SRS", "TPEF"], keep),
                "TPEF=*_TPEF.tif",
            ),
            (
                refused(&[], &[], |c| c.poll = Duration::ZERO),
                "poll of 0 s",
            ),
            (
                refused(&[], &[], |c| c.give_up = Duration::ZERO),
                "before they have settled",
            ),
            (refused(&[], &[], |c| c.pixel_size_um = Some(-1.0)), "-1 µm"),
        ];
        for (message, part) in cases {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
    }
}
