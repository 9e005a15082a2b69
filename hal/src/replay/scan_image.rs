//! What `ScanImage` writes: channels interleaved page by page, and lines `key = value` in MATLAB's notation.
//!
//! The ImageDescription of each page has what changes (`frameNumbers`, `frameTimestamps_sec`,
//! `endOfAcquisition`), the Software tag what does not (`SI.hChannels.channelSave` and the rest of the
//! microscope). Versions that keep everything in the description are read too when its keys are these.
//!
//! Source: "ScanImage BigTiff Specification", docs.scanimage.org, appendix. Not done: files of `ScanImage` 2015
//! and older, whose keys are others, and regions of interest that are stacked in one page.

use std::time::Duration;

use super::{
    limits::MAX_SAMPLES,
    stack::{Recorded, RecordedFrame, SourceFile, Stack, StackChannel, interleaved},
};

/// What one page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanImagePage {
    /// Number of the frame since the acquisition began; the same for all channels of a frame.
    number: u64,
    /// When the frame began, in nanoseconds since the acquisition began.
    started_ns: Option<u64>,
    /// The acquisition ended with this frame.
    ends: bool,
}

impl ScanImagePage {
    /// Reads the description of a page; `None` when another program wrote it.
    pub(crate) fn parse(description: &str) -> Option<Self> {
        let number = value(description, "frameNumbers")?.parse().ok()?;
        let seconds = value(description, "frameTimestamps_sec").and_then(|text| text.parse().ok());
        Some(Self {
            number,
            started_ns: seconds.and_then(nanoseconds),
            ends: value(description, "endOfAcquisition").is_some_and(is_true),
        })
    }
}

/// What the file says of all its pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ScanImage {
    /// Names of the saved channels in the order of the pages.
    channels: Vec<Option<String>>,
    /// Width and height of the field in µm.
    field_um: Option<(f64, f64)>,
    dwell_ns: Option<u64>,
    line_period_ns: Option<u64>,
    frame_period: Option<Duration>,
    /// Scanned frames that make one saved frame.
    averaged: u64,
}

impl ScanImage {
    /// Reads the Software tag, or else the description; `None` when neither says which channels were saved.
    ///
    /// # Errors
    /// What is wrong, as a clause.
    pub(crate) fn parse(software: &str, description: &str) -> Result<Option<Self>, String> {
        let text = |key: &str| value(software, key).or_else(|| value(description, key));
        let Some(saved) = text("SI.hChannels.channelSave") else {
            return Ok(None);
        };
        let saved = numbers(saved);
        if saved.is_empty() || saved.len() > MAX_SAMPLES as usize {
            return Err(format!(
                "its ScanImage header has {} saved channels; 1 to {MAX_SAMPLES} are read",
                saved.len()
            ));
        }
        let names: Vec<&str> = text("SI.hChannels.channelName").map_or(Vec::new(), quoted);
        // Channels are counted from 1.
        let name = |number: &f64| names.get((*number as usize).checked_sub(1)?).copied();
        let seconds = |key: &str| {
            text(key)
                .and_then(|text| text.parse().ok())
                .and_then(nanoseconds)
        };
        let averaged = text("SI.hScan2D.logAverageFactor").and_then(|text| text.parse().ok());
        let averaged = averaged.unwrap_or(1).max(1);
        let frame_ns = seconds("SI.hRoiManager.scanFramePeriod");
        let stacked = text("SI.hRoiManager.mroiEnable").is_some_and(is_true);
        Ok(Some(Self {
            channels: saved
                .iter()
                .map(|number| name(number).map(str::to_owned))
                .collect(),
            field_um: text("SI.hRoiManager.imagingFovUm")
                .filter(|_| !stacked)
                .and_then(field),
            dwell_ns: seconds("SI.hScan2D.scanPixelTimeMean").filter(|ns| *ns > 0),
            line_period_ns: seconds("SI.hRoiManager.linePeriod").filter(|ns| *ns > 0),
            frame_period: frame_ns.map(|ns| Duration::from_nanos(ns.saturating_mul(averaged))),
            averaged,
        }))
    }

    /// Puts the pages of `file` into channels and frames; `told` is what they say.
    pub(crate) fn arrange(
        &self,
        file: &SourceFile,
        told: &[(usize, ScanImagePage)],
        number: u32,
        stack: &mut Stack,
    ) {
        let (pages, channels) = (file.len(), self.channels.len());
        stack.channels = self
            .channels
            .iter()
            .map(|name| StackChannel {
                name: name.clone(),
                ..StackChannel::default()
            })
            .collect();
        stack.frames = interleaved(pages, channels, number);
        stack.dwell_ns = self.dwell_ns;
        stack.line_period_ns = self.line_period_ns;
        let first = file.page(0);
        stack.pixel_um = self.field_um.zip(first).map(|((width, height), page)| {
            (
                width / f64::from(page.width),
                height / f64::from(page.height),
            )
        });
        // Only when every page says so; otherwise the numbers would be those of other frames.
        if told.len() == pages {
            let frames = told
                .iter()
                .step_by(channels)
                .map(|(_, page)| RecordedFrame {
                    number: page.number,
                    started_ns: page.started_ns,
                });
            stack.recorded = Some(Recorded {
                frames: frames.collect(),
                step: self.averaged,
                period: self.frame_period,
                finished: told.last().is_some_and(|(_, page)| page.ends),
            });
        }
    }
}

/// The value of `key`, when it is not empty.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = text
        .split(['\n', '\r'])
        .filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(known, _)| known.trim() == key)?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

fn is_true(text: &str) -> bool {
    matches!(text, "true" | "1")
}

fn nanoseconds(seconds: f64) -> Option<u64> {
    // Saturates; a negative time means that there is none.
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1e9).round() as u64)
}

/// The numbers of a scalar, a row or a matrix: `3`, `[1 2]`, `[1;2]`.
fn numbers(text: &str) -> Vec<f64> {
    text.split(['[', ']', ';', ',', ' '])
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// The texts of a cell array: `{'Channel 1' 'Channel 2'}`.
fn quoted(text: &str) -> Vec<&str> {
    text.split('\'').skip(1).step_by(2).collect()
}

/// Width and height of a field that is told by its corners.
fn field(corners: &str) -> Option<(f64, f64)> {
    let numbers = numbers(corners);
    let span = |axis: usize| {
        let axis = || numbers.iter().skip(axis).step_by(2).copied();
        axis().fold(f64::NEG_INFINITY, f64::max) - axis().fold(f64::INFINITY, f64::min)
    };
    let (width, height) = (span(0), span(1));
    let positive = |um: f64| um.is_finite() && um > 0.0;
    (numbers.len() >= 4 && positive(width) && positive(height)).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_its_frame_and_its_time() {
        let text = "frameNumbers = 7\nacquisitionNumbers = 1\nframeTimestamps_sec = 0.250000000\n\
                    acqTriggerTimestamps_sec = \nendOfAcquisition =  1\n";
        let page = ScanImagePage::parse(text).unwrap();
        assert_eq!(
            (page.number, page.started_ns, page.ends),
            (7, Some(250_000_000), true)
        );
        assert_eq!(ScanImagePage::parse("ImageJ=1.53\nimages=3"), None);
        assert_eq!(ScanImagePage::parse("frameNumbers = x"), None);
    }

    #[test]
    fn saved_channels_are_read_in_every_notation() {
        for (text, count) in [("1", 1), ("[1;2]", 2), ("[1 2 4]", 3), ("[1, 3]", 2)] {
            let software = format!("SI.VERSION_MAJOR = 2020\nSI.hChannels.channelSave = {text}\n");
            let found = ScanImage::parse(&software, "").unwrap().unwrap();
            assert_eq!(found.channels.len(), count, "{text}");
            let in_description = ScanImage::parse("", &software).unwrap().unwrap();
            assert_eq!(found, in_description);
        }
        assert!(ScanImage::parse("SI.hChannels.channelSave = []", "").is_err());
        assert_eq!(ScanImage::parse("SI.VERSION_MAJOR = 2020", ""), Ok(None));
    }

    #[test]
    fn a_field_of_stacked_regions_has_no_pixel_size() {
        let text = |stacked: &str| {
            format!(
                "SI.hChannels.channelSave = 1\nSI.hRoiManager.mroiEnable = {stacked}\n\
                 SI.hRoiManager.imagingFovUm = [-45 -30;45 -30;45 30;-45 30]\n"
            )
        };
        let field = |stacked| {
            ScanImage::parse(&text(stacked), "")
                .unwrap()
                .unwrap()
                .field_um
        };
        assert_eq!(field("false"), Some((90.0, 60.0)));
        assert_eq!(field("true"), None);
    }

    #[test]
    fn names_are_those_of_the_saved_channels() {
        let text = "SI.hChannels.channelSave = [1;3]\nSI.hChannels.channelName = {'SRS' 'off' 'Channel 3' 'off'}";
        let found = ScanImage::parse(text, "").unwrap().unwrap();
        assert_eq!(
            found.channels,
            [Some("SRS".to_owned()), Some("Channel 3".to_owned())]
        );
    }
}
