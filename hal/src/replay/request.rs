//! What a person asks to be replayed.

use std::{path::PathBuf, str::FromStr};

use crate::ChannelName;

/// Which recording, and how its channels are called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayRequest {
    /// TIFF files, folders of them, or companions of OME-TIFF sets, in the order of their frames. May be
    /// empty when every channel is mapped to a file of its own.
    pub paths: Vec<PathBuf>,
    /// Channels that the files do not name, or name otherwise.
    pub channels: Vec<ChannelMap>,
    /// Edge of a pixel in µm, against what the files say.
    pub pixel_size_um: Option<f64>,
    /// The channels that are wanted, in this order; empty means all that the files have.
    pub wanted: Vec<ChannelName>,
}

/// Where one channel is: `NAME=FILE`, `NAME=FILE#N` or `NAME=#N`.
///
/// `N` counts from 0. It is the channel of that number, or, in a file of one channel, the page. Without
/// `FILE` it refers to the paths of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMap {
    /// The channel.
    pub name: ChannelName,
    /// A file or folder for this channel alone.
    pub file: Option<PathBuf>,
    /// Number of the channel or page, from 0.
    pub page: Option<usize>,
}

impl FromStr for ChannelMap {
    type Err = String;

    /// # Errors
    /// A sentence that shows what to type.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} does not say where a channel is; type NAME=FILE, NAME=FILE#N or NAME=#N, for example \
                 SRS=cells.tif#0"
            )
        };
        let (name, place) = text.split_once('=').ok_or_else(wrong)?;
        let (file, page) = match place.rsplit_once('#') {
            Some((file, number))
                if number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() =>
            {
                (file, Some(number.parse().map_err(|_| wrong())?))
            }
            _ => (place, None),
        };
        if name.trim().is_empty() || (file.is_empty() && page.is_none()) {
            return Err(wrong());
        }
        let file = (!file.is_empty()).then(|| PathBuf::from(file));
        Ok(Self {
            name: ChannelName::from(name.trim()),
            file,
            page,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<String>, Option<usize>)> {
        let map: ChannelMap = text.parse().ok()?;
        Some((
            map.name.to_string(),
            map.file.map(|f| f.display().to_string()),
            map.page,
        ))
    }

    #[test]
    fn maps_are_read_as_they_are_typed() {
        let file = |name: &str| Some(name.to_owned());
        assert_eq!(
            parsed("SRS=a.tif"),
            Some(("SRS".into(), file("a.tif"), None))
        );
        assert_eq!(
            parsed("SRS=a.tif#2"),
            Some(("SRS".into(), file("a.tif"), Some(2)))
        );
        assert_eq!(parsed("SRS=#2"), Some(("SRS".into(), None, Some(2))));
        assert_eq!(
            parsed("SRS=a#b.tif"),
            Some(("SRS".into(), file("a#b.tif"), None))
        );
        assert_eq!(
            parsed("SRS=a=b.tif#0"),
            Some(("SRS".into(), file("a=b.tif"), Some(0)))
        );
        for wrong in [
            "SRS",
            "SRS=",
            "=a.tif",
            "SRS=#",
            "SRS=a.tif#99999999999999999999999",
        ] {
            let result = wrong.parse::<ChannelMap>();
            assert!(result.is_err() || wrong == "SRS=#", "{wrong}");
        }
    }
}
