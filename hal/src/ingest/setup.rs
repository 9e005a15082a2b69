//! What of a request pushed frames can meet.

use std::fmt::Display;

use super::config::IngestConfig;
use crate::{
    ChannelInfo, ChannelName, ErrorKind, HalError, Pacing, ScanActual, ScanRequest, scan::fixed,
};

/// Device ticks are nanoseconds since the run began, by this host's clock.
pub(super) const CLOCK_HZ: u64 = 1_000_000_000;

/// A scan, and where the channels of a record are in it.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) actual: ScanActual,
    /// The bit of each channel of the scan in a record's mask.
    pub(super) bits: Vec<usize>,
}

impl Scan {
    /// The scan that `config` gives for `want`.
    ///
    /// # Errors
    /// `Unsupported` for what the configuration fixes otherwise, `Request` for what cannot be.
    pub(super) fn achieve(config: &IngestConfig, want: &ScanRequest) -> Result<Self, HalError> {
        fixed("a width", want.width, Some(config.width), pushed)?;
        fixed("a height", want.height, Some(config.height), pushed)?;
        fixed("a dwell time in ns", want.dwell_ns, config.dwell_ns, pushed)?;
        let um = config.pixel_size_um;
        if let Some(want) = want.pixel_size_um
            && (want - um).abs() > 1e-9 * um
        {
            fixed("a pixel size in µm", Some(want), Some(um), pushed)?;
        }
        if want.bidirectional == Some(true) {
            return Err(unsupported(
                "rows are to be given as the beam scanned them, but pushed rows all run from left to right; leave \
                 it out"
                    .to_owned(),
            ));
        }
        if want.frames == Some(0) || want.strip_rows == Some(0) {
            let message = "no frames, or strips without rows, are asked for; ask for at least one";
            return Err(HalError::new(ErrorKind::Request, message));
        }
        let all = &config.channels;
        let bits = if want.channels.is_empty() {
            (0..all.len()).collect()
        } else {
            let find = |name: &ChannelName| all.iter().position(|info| info.name == *name);
            let lost = |name: &ChannelName| {
                unsupported(format!(
                    "the channel {name} is asked for, and it is not among those that are pushed ({}); add it there",
                    names(all)
                ))
            };
            want.channels
                .iter()
                .map(|name| find(name).ok_or_else(|| lost(name)))
                .collect::<Result<Vec<_>, _>>()?
        };
        if (1..bits.len()).any(|at| bits[..at].contains(&bits[at])) {
            let message = "a channel is asked for twice; name each once";
            return Err(HalError::new(ErrorKind::Request, message));
        }
        let channels = bits.iter().filter_map(|&bit| all.get(bit).cloned());
        let strip_rows = want.strip_rows.unwrap_or(config.strip_rows);
        Ok(Self {
            actual: ScanActual {
                width: config.width,
                height: config.height,
                pixel_size_um: um,
                dwell_ns: config.dwell_ns,
                line_period_ns: config.line_period_ns,
                bidirectional: false,
                strip_rows: strip_rows.min(config.height),
                channels: channels.collect(),
                clock_hz: CLOCK_HZ,
                frames: want.frames,
                pacing: Pacing::Live,
            },
            bits,
        })
    }

    /// The channels of a record's mask, in the order of its bits, or the first bit that the scan does not take.
    pub(super) fn channels_of(&self, mask: u32) -> Result<Vec<usize>, u32> {
        (0..u32::BITS)
            .filter(|bit| mask & (1 << bit) != 0)
            .map(|bit| {
                let has = |known: &usize| *known == bit as usize;
                self.bits.iter().position(has).ok_or(bit)
            })
            .collect()
    }
}

/// The names of `channels`, for a sentence.
pub(super) fn names(channels: &[ChannelInfo]) -> String {
    let names: Vec<_> = channels.iter().map(|info| info.name.as_str()).collect();
    names.join(", ")
}

/// What pushed frames have instead of what is asked for.
fn pushed<T: Display>(is: Option<T>) -> String {
    match is {
        Some(is) => format!("frames of {is} are pushed; make both the same"),
        None => "it is not known of pushed frames; leave it out".to_owned(),
    }
}

fn unsupported(message: String) -> HalError {
    HalError::new(ErrorKind::Unsupported, message)
}
