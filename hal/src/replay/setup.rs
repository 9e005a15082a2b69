//! What of a request a recording can meet.

use std::fmt::Display;

use super::source::ReplaySource;
use crate::{ChannelName, ErrorKind, HalError, Pacing, ScanActual, ScanRequest, scan::fixed};

/// Rows of a strip when the request leaves them open.
const DEFAULT_STRIP_ROWS: u32 = 64;
/// Time a pixel of a recording without a dwell time.
const NOMINAL_DWELL_NS: u64 = 20_000;
/// Device ticks are nanoseconds of the recording.
pub(crate) const CLOCK_HZ: u64 = 1_000_000_000;

/// Time from row to row in nanoseconds: what the recording says, or else a nominal one.
pub(crate) fn line_ns(source: &ReplaySource) -> u64 {
    let dwell = source.dwell_ns().unwrap_or(NOMINAL_DWELL_NS);
    source
        .line_period_ns()
        .unwrap_or(dwell.saturating_mul(u64::from(source.width())))
}

/// The scan that `source` gives for `want`, and the indices of its channels in the source.
///
/// # Errors
/// `Unsupported` for what the recording fixes otherwise, `Request` for what cannot be.
pub(crate) fn achieve(
    source: &ReplaySource,
    want: &ScanRequest,
) -> Result<(ScanActual, Vec<usize>), HalError> {
    let (width, height) = (Some(source.width()), Some(source.height()));
    fixed("a width", want.width, width, recorded)?;
    fixed("a height", want.height, height, recorded)?;
    let dwell_ns = source.dwell_ns();
    fixed("a dwell time in ns", want.dwell_ns, dwell_ns, recorded)?;
    let um = source.pixel_size_um();
    if want
        .pixel_size_um
        .is_some_and(|want| (want - um).abs() > 1e-9 * um)
    {
        return Err(unsupported(format!(
            "the recording has a pixel of {um} µm; leave the pixel size out of the scan, or give --pixel-size-um"
        )));
    }
    if want.bidirectional == Some(true) {
        return Err(unsupported(
            "a recording is not scanned in both directions; leave it out".to_owned(),
        ));
    }
    if want.frames == Some(0) || want.strip_rows == Some(0) {
        let message = "no frames, or strips without rows, are asked for; ask for at least one";
        return Err(HalError::new(ErrorKind::Request, message));
    }
    let all = source.channels();
    let selected = if want.channels.is_empty() {
        (0..all.len()).collect()
    } else {
        let find = |name: &ChannelName| all.iter().position(|info| info.name == *name);
        let lost = |name: &ChannelName| {
            unsupported(format!(
                "the channel {name} is asked for, but the recording was opened without it"
            ))
        };
        want.channels
            .iter()
            .map(|name| find(name).ok_or_else(|| lost(name)))
            .collect::<Result<Vec<_>, _>>()?
    };
    let frames = want.frames.map_or(source.frames(), |frames| {
        usize::try_from(frames).map_or(source.frames(), |frames| frames.min(source.frames()))
    });
    let actual = ScanActual {
        width: source.width(),
        height: source.height(),
        pixel_size_um: um,
        dwell_ns: source.dwell_ns(),
        line_period_ns: source.line_period_ns(),
        bidirectional: false,
        strip_rows: want
            .strip_rows
            .unwrap_or(DEFAULT_STRIP_ROWS)
            .min(source.height()),
        channels: selected
            .iter()
            .filter_map(|index| all.get(*index).cloned())
            .collect(),
        clock_hz: CLOCK_HZ,
        frames: Some(frames as u64),
        pacing: Pacing::Pulled,
    };
    Ok((actual, selected))
}

/// What a recording has instead of what is asked for.
fn recorded<T: Display>(is: Option<T>) -> String {
    match is {
        Some(is) => format!("the recording has {is}; leave it out"),
        None => "the recording does not say what it was; leave it out".to_owned(),
    }
}

fn unsupported(message: String) -> HalError {
    HalError::new(ErrorKind::Unsupported, message)
}
