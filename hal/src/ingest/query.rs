//! What a pusher may ask.

use serde_json::json;

use super::{
    board::identity,
    port::Shared,
    refusal::{Reason, Refusal},
    setup::Scan,
};
use crate::wire::{BlockHeader, ErrorQueue, NO_ERROR, Unit};

/// Appends the answer to `unit`. `errors` are those of the peer.
///
/// # Errors
/// When it is not known.
pub(super) fn answer(
    unit: &Unit<'_>,
    shared: &Shared,
    errors: &mut ErrorQueue,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if unit.query && unit.is("*IDN") {
        let who = identity();
        let fields = [who.maker, who.model, who.serial, who.firmware];
        out.extend(fields.join(",").bytes());
    } else if unit.query && unit.is("SCAN:ACTual") {
        let joiner = shared.joiner();
        let text = scan(joiner.scan(), joiner.is_running());
        BlockHeader::write(text.len(), out);
        out.extend(text.bytes());
    } else if unit.query && (unit.is("SYSTem:ERRor") || unit.is("SYSTem:ERRor:NEXT")) {
        out.extend(errors.take().bytes());
    } else if !unit.query && unit.is("*CLS") {
        errors.clear();
        out.extend(NO_ERROR.bytes());
    } else {
        let sentence = "known are *IDN?, *CLS, SCAN:ACTual? and SYSTem:ERRor?";
        return Err(Refusal::new(Reason::Undefined, sentence));
    }
    Ok(())
}

/// The scan that is wanted, as JSON.
fn scan(scan: &Scan, running: bool) -> String {
    let actual = &scan.actual;
    let mut channels: Vec<_> = scan.bits.iter().zip(&actual.channels).collect();
    channels.sort_by_key(|(bit, _)| **bit);
    let channel = |(bit, info): (&usize, &crate::ChannelInfo)| json!({ "bit": bit, "name": info.name, "bit_depth": info.bit_depth });
    json!({
        "width": actual.width,
        "height": actual.height,
        "pixel_size_um": actual.pixel_size_um,
        "channels": channels.into_iter().map(channel).collect::<Vec<_>>(),
        "running": running,
    })
    .to_string()
}
