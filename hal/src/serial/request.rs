//! From what is wanted to messages, and from what the board says to what was achieved.

use std::{fmt::Display, ops::RangeInclusive};

use super::{Trigger, peer::Peer};
use crate::{
    Capabilities, ChannelMask, ErrorKind, HalError, ScanActual, ScanRequest,
    wire::{ActualForm, CHECKSUM, HEADER, LinkKind, MAX_PAYLOAD},
};

/// Bytes that a strip costs beside its samples: request, block header, record header, checksum, newline.
const OVERHEAD: u64 = (HEADER + CHECKSUM) as u64 + 40;
/// Most rows of a frame that records have numbers for.
const MAX_HEIGHT: u32 = u16::MAX as u32;
const DEFAULT_EDGE: u32 = 512;
const DEFAULT_DWELL_NS: u64 = 20_000;
const DEFAULT_STRIP_ROWS: u32 = 8;

fn refuse<T>(kind: ErrorKind, sentence: String) -> Result<T, HalError> {
    Err(HalError::new(kind, sentence))
}

fn within<T: PartialOrd + Display>(
    what: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<T, HalError> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (range.start(), range.end());
    refuse(
        ErrorKind::Unsupported,
        format!("the board cannot scan with {what} {value}; ask for {least} to {most}"),
    )
}

/// The mask of the channels that are wanted.
fn mask(want: &ScanRequest, can: &Capabilities) -> Result<u32, HalError> {
    if want.channels.is_empty() {
        return Ok(ChannelMask::all(can.channels.len()).0);
    }
    let mut mask = 0;
    for name in &want.channels {
        match can
            .channels
            .iter()
            .position(|channel| channel.name == *name)
        {
            Some(index) => mask |= 1 << index,
            None => {
                let names: Vec<_> = can
                    .channels
                    .iter()
                    .map(|channel| channel.name.as_str())
                    .collect();
                return refuse(
                    ErrorKind::Unsupported,
                    format!(
                        "the board has no channel {name}; it has {}",
                        names.join(", ")
                    ),
                );
            }
        }
    }
    Ok(mask)
}

/// The messages that set a scan up.
///
/// # Errors
/// `Unsupported`, naming the field and its range.
pub(super) fn messages(
    want: &ScanRequest,
    peer: &Peer,
    trigger: Trigger,
) -> Result<Vec<String>, HalError> {
    let can = &peer.capabilities;
    let preferred =
        |value: u32, range: &RangeInclusive<u32>| value.clamp(*range.start(), *range.end());
    let width = want
        .width
        .unwrap_or_else(|| preferred(DEFAULT_EDGE, &can.width));
    let width = within("a width of", width, &can.width)?;
    let height = want
        .height
        .unwrap_or_else(|| preferred(DEFAULT_EDGE, &can.height));
    let height = within("a height of", height, &can.height)?;
    let dwell = &can.dwell_ns.clone().unwrap_or(1..=u64::MAX);
    let dwell_ns = want
        .dwell_ns
        .unwrap_or_else(|| DEFAULT_DWELL_NS.clamp(*dwell.start(), *dwell.end()));
    let dwell_ns = within("a dwell time (ns) of", dwell_ns, dwell)?;
    let mask = mask(want, can)?;
    let row_bytes = width as usize * ChannelMask(mask).count() * 2;
    let fits = (MAX_PAYLOAD / row_bytes) as u32;
    if fits == 0 {
        return refuse(
            ErrorKind::Unsupported,
            format!(
                "a row of {row_bytes} bytes is longer than a strip may be ({MAX_PAYLOAD}); ask for a smaller width"
            ),
        );
    }
    let strip_rows = want
        .strip_rows
        .unwrap_or(DEFAULT_STRIP_ROWS)
        .min(height)
        .min(fits)
        .min(*can.strip_rows.end());
    let strip_rows = within("a strip height of", strip_rows, &can.strip_rows)?;
    let bidirectional = want.bidirectional.unwrap_or(true) && can.bidirectional;
    let mut messages = vec![
        format!("SCAN:WIDT {width}"),
        format!("SCAN:HEIG {height}"),
        format!("SCAN:DWEL {dwell_ns}"),
        format!("SCAN:BID {}", if bidirectional { "ON" } else { "OFF" }),
        format!("SCAN:LIN:STR {strip_rows}"),
        format!("SCAN:FRAM {}", want.frames.unwrap_or(0)),
        format!("SENS:CHAN:ENAB {mask}"),
        format!(
            "TRIG:SOUR {}",
            match trigger {
                Trigger::Immediate => "IMM",
                Trigger::External => "EXT",
            }
        ),
    ];
    if let (Some(um), Some([least, most])) = (want.pixel_size_um, peer.form.pixel_nm) {
        let nm = within(
            "a pixel size (nm) of",
            (um * 1000.0).round() as u32,
            &(least..=most),
        )?;
        messages.push(format!("SCAN:PIX {nm}"));
    }
    Ok(messages)
}

/// What was achieved.
///
/// # Errors
/// `Malformed` when the board says what cannot be, `Request` when nobody knows the size of a pixel, and
/// `Unsupported` when rows come faster than the link carries them.
pub(super) fn achieved(
    form: &ActualForm,
    want: &ScanRequest,
    peer: &Peer,
) -> Result<ScanActual, HalError> {
    let can = &peer.capabilities;
    let mask = ChannelMask(form.channels);
    let known = ChannelMask::all(can.channels.len()).0;
    let payload = u64::from(form.width)
        .saturating_mul(u64::from(form.strip_rows))
        .saturating_mul(mask.count() as u64 * 2);
    let sound = can.width.contains(&form.width)
        && can.height.contains(&form.height)
        && form.height <= MAX_HEIGHT
        && can.strip_rows.contains(&form.strip_rows)
        && form.strip_rows <= form.height
        && mask.count() > 0
        && mask.0 | known == known
        && (1..=MAX_PAYLOAD as u64).contains(&payload)
        && can
            .dwell_ns
            .as_ref()
            .is_none_or(|can| can.contains(&form.dwell_ns))
        && form.line_ns > 0
        && (can.bidirectional || !form.bidirectional);
    if !sound {
        return refuse(
            ErrorKind::Malformed,
            format!(
                "the board says that it will scan otherwise than it can ({form:?}); its firmware is at fault"
            ),
        );
    }
    let pixel_size_um = match (form.pixel_nm, want.pixel_size_um) {
        (Some(nm), _) if nm > 0 => f64::from(nm) / 1000.0,
        (_, Some(um)) => um,
        _ => {
            return refuse(
                ErrorKind::Request,
                "the board does not say how large a pixel is; set `scan.pixel_size_um`".to_owned(),
            );
        }
    };
    let link = can.link_bytes_per_s.unwrap_or(u64::MAX);
    let strip_ns = form.line_ns.saturating_mul(u64::from(form.strip_rows));
    let bytes_per_s = (payload + OVERHEAD) as f64 * 1e9 / strip_ns as f64;
    if can.pacing == crate::Pacing::Live && bytes_per_s > link as f64 {
        let kind = match peer.form.link.kind {
            LinkKind::Uart => "UART",
            LinkKind::Usb => "USB link",
            LinkKind::Tcp => "network",
        };
        // A board may take the same time for turning at any speed: only the pixels' time grows.
        let too_fast = bytes_per_s / link as f64 - 1.0;
        let longer_ns = form.line_ns as f64 * too_fast / f64::from(form.width);
        return refuse(
            ErrorKind::Unsupported,
            format!(
                "this scan makes {bytes_per_s:.0} bytes a second and the {kind} carries {link}; ask for a dwell time of \
                 at least {} ns, fewer channels or another link",
                (form.dwell_ns as f64 + longer_ns).ceil()
            ),
        );
    }
    Ok(ScanActual {
        width: form.width,
        height: form.height,
        pixel_size_um,
        dwell_ns: Some(form.dwell_ns),
        line_period_ns: Some(form.line_ns),
        bidirectional: form.bidirectional,
        strip_rows: form.strip_rows,
        channels: can
            .channels
            .iter()
            .enumerate()
            .filter(|(index, _)| mask.has(*index))
            .map(|(_, channel)| channel.clone())
            .collect(),
        clock_hz: can.clock_hz,
        frames: (form.frames > 0).then_some(form.frames),
        pacing: can.pacing,
    })
}
