//! What a board says of itself, of a scan and of a run: JSON objects in blocks, and the line of its status.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Capabilities, ChannelInfo, ChannelName, Pacing};

/// Longest form, in bytes.
pub const MAX_FORM: usize = 64 * 1024;
/// Most channels: the bits of a record's mask.
pub const MAX_CHANNELS: usize = 16;
/// Longest name of a channel, in bytes.
pub(crate) const MAX_NAME: usize = 64;

/// Least and most, inclusive.
type Range<T> = [T; 2];

/// A channel of a board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelForm {
    /// The name by which models know it.
    pub name: String,
    /// True bit depth of its samples, 1 to 16.
    pub bit_depth: u8,
    /// Counts without light.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dark_counts: Option<f64>,
    /// Emission, or pump wavelength for SRS, in nanometres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wavelength_nm: Option<f64>,
}

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// USB-CDC: the baud rate means nothing.
    Usb,
    /// A network.
    Tcp,
    /// A UART, which the baud rate bounds: ten bits a byte.
    Uart,
}

/// The link of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkForm {
    /// What it is.
    pub kind: LinkKind,
    /// What it carries, in bytes a second.
    pub bytes_per_s: u64,
}

/// Reply to `SYSTem:CAPability?`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapabilityForm {
    /// The channels; their order is that of a mask's bits.
    pub channels: Vec<ChannelForm>,
    /// Samples in a row.
    pub width: Range<u32>,
    /// Rows in a frame.
    pub height: Range<u32>,
    /// Time a pixel in nanoseconds.
    pub dwell_ns: Range<u64>,
    /// Rows in a strip.
    pub strip_rows: Range<u32>,
    /// Edge of a pixel in nanometres, when the board sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_nm: Option<Range<u32>>,
    /// Can scan in both directions.
    pub bidirectional: bool,
    /// Ticks a second of its clock.
    pub clock_hz: u64,
    /// Strips that stay fetchable.
    pub ring_strips: u32,
    /// Who sets the pace.
    #[serde(default = "live")]
    pub pacing: Pacing,
    /// What carries the bytes.
    pub link: LinkForm,
}

fn live() -> Pacing {
    Pacing::Live
}

impl CapabilityForm {
    /// The same as capabilities of a board, on a link of `link_bytes_per_s`.
    ///
    /// # Errors
    /// What cannot be, as a clause.
    pub fn capabilities(&self, link_bytes_per_s: u64) -> Result<Capabilities, String> {
        if self.channels.is_empty() || self.channels.len() > MAX_CHANNELS {
            return Err(format!(
                "it has {} channels; a board has 1 to {MAX_CHANNELS}",
                self.channels.len()
            ));
        }
        for (index, channel) in self.channels.iter().enumerate() {
            let named = (1..=MAX_NAME).contains(&channel.name.len());
            if !named || !(1..=16).contains(&channel.bit_depth) {
                return Err(format!(
                    "its channel {index} has the name {:?} and {} bits",
                    channel.name, channel.bit_depth
                ));
            }
            if self.channels[..index]
                .iter()
                .any(|other| other.name == channel.name)
            {
                return Err(format!("two of its channels are named {}", channel.name));
            }
        }
        if self.clock_hz == 0 || self.ring_strips == 0 || link_bytes_per_s == 0 {
            return Err("its clock, its ring of strips or its link is zero".to_owned());
        }
        Ok(Capabilities {
            channels: self.channels.iter().map(info).collect(),
            width: range("width", self.width, 1)?,
            height: range("height", self.height, 1)?,
            dwell_ns: Some(range("dwell_ns", self.dwell_ns, 1)?),
            strip_rows: range("strip_rows", self.strip_rows, 1)?,
            bidirectional: self.bidirectional,
            clock_hz: self.clock_hz,
            link_bytes_per_s: Some(link_bytes_per_s),
            retransmit_depth: self.ring_strips,
            pacing: self.pacing,
        })
    }
}

fn info(channel: &ChannelForm) -> ChannelInfo {
    ChannelInfo {
        dark_counts: channel.dark_counts,
        wavelength_nm: channel.wavelength_nm,
        ..ChannelInfo::counts(ChannelName::from(channel.name.as_str()), channel.bit_depth)
    }
}

fn range<T: PartialOrd + Copy + fmt::Display>(
    what: &str,
    [least, most]: Range<T>,
    lowest: T,
) -> Result<RangeInclusive<T>, String> {
    if least < lowest || most < least {
        return Err(format!("its {what} is {least} to {most}"));
    }
    Ok(least..=most)
}

/// Reply to `SCAN:ACTual?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActualForm {
    /// Samples in a row.
    pub width: u32,
    /// Rows in a frame.
    pub height: u32,
    /// Time a pixel in nanoseconds.
    pub dwell_ns: u64,
    /// Time from row to row in nanoseconds.
    pub line_ns: u64,
    /// Rows in a strip.
    pub strip_rows: u32,
    /// The beam scans in both directions.
    pub bidirectional: bool,
    /// Mask of the channels.
    pub channels: u32,
    /// Frames of the run; 0 when it is open-ended.
    pub frames: u64,
    /// Edge of a pixel in nanometres, when the board knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_nm: Option<u32>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// Nothing is scanned.
    Idle,
    /// A trigger is waited for.
    Waiting,
    /// Rows are scanned.
    Running,
}

/// Reply to `ACQuire:STATus?`, a line of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// What the run is doing.
    pub phase: RunPhase,
    /// Number of the last run since the board started; 0 for none.
    pub run: u32,
    /// The strip that will be scanned next.
    pub next: u64,
    /// The oldest strip that can be fetched; `next` when there is none.
    pub oldest: u64,
    /// Rows scanned in this run.
    pub rows: u64,
    /// Rows of them that no fetch has given or will give.
    pub lost: u64,
    /// How often rows were lost before they were put into a strip.
    pub overruns: u64,
    /// Device time at the reply, in ticks.
    pub ticks: u64,
}

impl fmt::Display for StatusLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            RunPhase::Idle => "IDLE",
            RunPhase::Waiting => "WAIT",
            RunPhase::Running => "RUN",
        };
        write!(
            f,
            "{phase},{},{},{},{},{},{},{}",
            self.run, self.next, self.oldest, self.rows, self.lost, self.overruns, self.ticks
        )
    }
}

impl FromStr for StatusLine {
    type Err = ();

    /// # Errors
    /// When the line is none.
    fn from_str(line: &str) -> Result<Self, ()> {
        let mut fields = line.split(',').map(str::trim);
        let phase = match fields.next() {
            Some("IDLE") => RunPhase::Idle,
            Some("WAIT") => RunPhase::Waiting,
            Some("RUN") => RunPhase::Running,
            _ => return Err(()),
        };
        let mut number = || {
            fields
                .next()
                .and_then(|field| field.parse::<u64>().ok())
                .ok_or(())
        };
        let status = Self {
            phase,
            run: u32::try_from(number()?).map_err(|_| ())?,
            next: number()?,
            oldest: number()?,
            rows: number()?,
            lost: number()?,
            overruns: number()?,
            ticks: number()?,
        };
        if fields.next().is_some() || status.oldest > status.next {
            return Err(());
        }
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification are read, and keys that are not known are skipped.
    #[test]
    fn the_examples_of_the_specification_are_forms() {
        let text = include_str!("../../README.md");
        let mut examples = text
            .split("```json\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next());
        let form: CapabilityForm = serde_json::from_str(examples.next().unwrap()).unwrap();
        let can = form.capabilities(1000).unwrap();
        assert_eq!(can.channels[0].name, ChannelName::srs());
        assert_eq!(
            (can.retransmit_depth, can.link_bytes_per_s),
            (64, Some(1000))
        );
        let actual: ActualForm = serde_json::from_str(examples.next().unwrap()).unwrap();
        assert_eq!(
            (actual.width, actual.channels, actual.pixel_nm),
            (512, 3, Some(200))
        );
    }

    #[test]
    fn what_cannot_be_is_told() {
        let text = include_str!("../../README.md");
        let example = text
            .split("```json\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        let form: CapabilityForm = serde_json::from_str(example).unwrap();
        let refused = |change: fn(&mut CapabilityForm)| {
            let mut form = form.clone();
            change(&mut form);
            form.capabilities(1).unwrap_err()
        };
        for (sentence, part) in [
            (refused(|form| form.channels.clear()), "0 channels"),
            (refused(|form| form.channels[0].bit_depth = 17), "17 bits"),
            (
                refused(|form| form.channels[1].name = "SRS".into()),
                "two of its channels",
            ),
            (refused(|form| form.width = [0, 8]), "width"),
            (refused(|form| form.dwell_ns = [9, 8]), "dwell_ns"),
            (refused(|form| form.clock_hz = 0), "clock"),
        ] {
            assert!(sentence.contains(part), "{sentence}");
        }
    }

    #[test]
    fn a_status_is_read_as_it_is_written() {
        let status = StatusLine {
            phase: RunPhase::Running,
            run: 1,
            next: 20,
            oldest: 3,
            rows: 81,
            lost: 4,
            overruns: 1,
            ticks: u64::MAX,
        };
        assert_eq!(status.to_string().parse(), Ok(status));
        for wrong in [
            "",
            "RUN",
            "RUN,1,2,3,4,5,6,7",
            "GO,1,3,2,0,0,0,7",
            "RUN,1,3,2,0,0,0,7,8",
            "RUN,1,3,2,0,0,0,-7",
        ] {
            assert_eq!(wrong.parse::<StatusLine>(), Err(()), "{wrong}");
        }
    }
}
