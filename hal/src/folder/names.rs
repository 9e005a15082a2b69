//! Which names are taken, and what their wildcards stand for.

use std::path::Path;

use regex::Regex;

use super::{config::FolderConfig, limits::MAX_PATTERN_BYTES};
use crate::{ChannelName, ErrorKind, HalError};

/// What a file is by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has all channels.
    Whole,
    /// No pattern takes it, but a file of its set tells of it.
    Companion,
    /// It has one channel, of the unit with this key.
    Channel { channel: usize, key: String },
}

/// The patterns of a configuration.
#[derive(Debug)]
pub(crate) struct Names {
    whole: Vec<Regex>,
    channels: Vec<(ChannelName, Regex)>,
}

impl Names {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// `Request` naming the pattern.
    pub(crate) fn new(config: &FolderConfig) -> Result<Self, HalError> {
        let mut names = Self {
            whole: Vec::new(),
            channels: Vec::new(),
        };
        if !config.is_by_file() {
            for pattern in &config.patterns {
                names.whole.push(compiled(pattern)?);
            }
            if names.whole.is_empty() {
                return Err(wrong(
                    "no names of files are told; tell a pattern, for example *.tif",
                ));
            }
            return Ok(names);
        }
        for map in &config.channels {
            let pattern = map
                .file
                .as_deref()
                .map(Path::to_string_lossy)
                .unwrap_or_default();
            names.channels.push((map.name.clone(), compiled(&pattern)?));
        }
        let count = |pattern: &Regex| pattern.captures_len();
        if let Some(((first, pattern), (other, _))) = names.channels.first().and_then(|first| {
            let differs = |other: &&(ChannelName, Regex)| count(&other.1) != count(&first.1);
            Some((first, names.channels.iter().find(differs)?))
        }) {
            return Err(wrong(&format!(
                "the names of {first} and {other} have different counts of * and ?, so that no files of theirs belong \
                 together; give each pattern {} of them",
                count(pattern) - 1
            )));
        }
        Ok(names)
    }

    /// What the file called `name` is; `None` when it is not taken.
    ///
    /// # Errors
    /// A clause, when it is the file of more than one channel.
    pub(crate) fn role(&self, name: &str) -> Result<Option<Role>, String> {
        if is_never_read(name) {
            return Ok(None);
        }
        if self.whole.iter().any(|pattern| pattern.is_match(name)) {
            return Ok(Some(Role::Whole));
        }
        let mut matching =
            self.channels
                .iter()
                .enumerate()
                .filter_map(|(channel, (_, pattern))| {
                    let captures = pattern.captures(name)?;
                    let parts = captures.iter().skip(1).flatten().map(|part| part.as_str());
                    // A name has no such character, so that keys differ when the parts do.
                    let key = parts.collect::<Vec<_>>().join("\0");
                    Some((channel, Role::Channel { channel, key }))
                });
        let first = matching.next();
        if let (Some((one, _)), Some((other, _))) = (&first, matching.next()) {
            return Err(format!(
                "its name is that of a file of {} and of {}; make the patterns of the channels exclude each other",
                self.channel(*one),
                self.channel(other)
            ));
        }
        Ok(first.map(|(_, role)| role))
    }

    /// The channels that have files of their own.
    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// The name of a channel that has files of its own.
    pub(crate) fn channel(&self, index: usize) -> &str {
        self.channels
            .get(index)
            .map_or("", |(name, _)| name.as_str())
    }
}

/// Files that are hidden or still being written by their name, and the masks that the simulator writes beside its
/// frames, which a replay leaves out too.
pub(crate) fn is_never_read(name: &str) -> bool {
    let lower = name.to_lowercase();
    name.starts_with('.')
        || lower.starts_with("truth-")
        || [".tmp", ".part"].iter().any(|end| lower.ends_with(end))
}

fn compiled(pattern: &str) -> Result<Regex, HalError> {
    let shown = || pattern.chars().take(80).collect::<String>();
    if pattern.is_empty() || pattern.len() > MAX_PATTERN_BYTES || pattern.contains(['/', '\\']) {
        return Err(wrong(&format!(
            "{:?} is not a pattern for names; write one without folders and of at most {MAX_PATTERN_BYTES} bytes, for \
             example *.tif",
            shown()
        )));
    }
    let mut text = String::from("(?is)^");
    for character in pattern.chars() {
        match character {
            '*' => text.push_str("(.*)"),
            '?' => text.push_str("(.)"),
            other => text.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    text.push('$');
    Regex::new(&text).map_err(|error| {
        wrong(&format!("{:?} cannot be used as a pattern", shown())).caused_by(error)
    })
}

fn wrong(message: &str) -> HalError {
    HalError::new(ErrorKind::Request, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(channels: &[&str]) -> Result<Names, HalError> {
        let mut config = FolderConfig::new("/data");
        config.channels = channels.iter().map(|map| map.parse().unwrap()).collect();
        Names::new(&config)
    }

    #[test]
    fn the_default_takes_tiff_files_and_nothing_unfinished() {
        let names = names(&[]).unwrap();
        let taken = |name: &str| names.role(name).unwrap() == Some(Role::Whole);
        for name in [
            "a.tif",
            "A.TIF",
            "b.tiff",
            "c.ome.tif",
            "c.OME.tiff",
            "é (1).tif",
        ] {
            assert!(taken(name), "{name}");
        }
        for name in [
            ".a.tif",
            "a.tif.tmp",
            "a.ome.tif.part",
            "a.ome.tif.PART",
            "a.png",
            "a.tif.txt",
            "truth-a.tif",
            "atif",
            ".senescope-journal",
        ] {
            assert!(!taken(name), "{name}");
        }
    }

    #[test]
    fn files_of_a_unit_have_the_same_key() {
        let names = names(&["SRS=*_srs_?.tif", "TPEF=*_tpef_?.tif"]).unwrap();
        let role = |name: &str| match names.role(name) {
            Ok(Some(Role::Channel { channel, key })) => Some((channel, key)),
            _ => None,
        };
        assert_eq!(role("001_srs_a.tif").unwrap().0, 0);
        assert_eq!(
            role("001_srs_a.tif").unwrap().1,
            role("001_tpef_a.tif").unwrap().1
        );
        assert_ne!(
            role("001_srs_a.tif").unwrap().1,
            role("001_tpef_b.tif").unwrap().1
        );
        assert_ne!(
            role("00_srs_1.tif").unwrap().1,
            role("001_tpef_1.tif").unwrap().1
        );
        assert_eq!(role("001.tif"), None);
    }

    #[test]
    fn a_name_of_two_channels_is_told() {
        let names = names(&["SRS=*.tif", "TPEF=*_tpef.tif"]).unwrap();
        assert!(
            names
                .role("a_tpef.tif")
                .unwrap_err()
                .contains("SRS and of TPEF")
        );
        assert!(names.role("a.tif").unwrap().is_some());
    }

    #[test]
    fn patterns_that_cannot_be_are_refused() {
        for (channels, part) in [
            (&["SRS=sub/*.tif"][..], "without folders"),
            (&["SRS=*_srs.tif", "TPEF=*_*_tpef.tif"], "different counts"),
        ] {
            let error = names(channels).err().unwrap().to_string();
            assert!(error.contains(part), "{error}");
        }
        let many = "*".repeat(600);
        let mut config = FolderConfig::new("/data");
        config.patterns = vec![many];
        assert!(Names::new(&config).is_err());
        // Special characters of regular expressions stand for themselves.
        config.patterns = vec!["a+(b)[c].tif".to_owned()];
        let names = Names::new(&config).unwrap();
        assert!(names.role("a+(b)[c].tif").unwrap().is_some());
        assert!(names.role("aab.tif").unwrap().is_none());
    }
}
