//! Where a message ends in a stream of bytes.

use super::refusal::Refusal;
use crate::wire::{MAGIC, MAX_MESSAGE, MessageError, RecordHeader};

/// Bytes of the first message of `bytes`, or `None` when it is not all there. At most
/// [`MAX_RECORD`](crate::wire::MAX_RECORD) of them are needed.
///
/// # Errors
/// When no bytes that could follow make it a message.
pub(super) fn message(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let shown = bytes.len().min(MAGIC.len());
    if MAGIC.starts_with(&bytes[..shown]) {
        let length = RecordHeader::length(bytes)?;
        return Ok(length.filter(|length| *length <= bytes.len()));
    }
    let line = &bytes[..bytes.len().min(MAX_MESSAGE)];
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | b' '..=b'~');
    match line.iter().position(|byte| !is_text(byte)) {
        Some(end) if line[end] == b'\n' => Ok(Some(end + 1)),
        Some(_) => Err(MessageError::Character.into()),
        None if bytes.len() >= MAX_MESSAGE => Err(MessageError::Length.into()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ChannelMask, StripFlags, ingest::refusal::Reason, wire::MAX_RECORD};

    fn record() -> Vec<u8> {
        let header = RecordHeader {
            run: 0,
            boot: 0,
            sequence: 0,
            frame: 0,
            field: 0,
            first_row: 0,
            rows: 1,
            width: 1,
            channels: ChannelMask(1),
            bit_depth: 16,
            odd_rows_reversed: false,
            flags: StripFlags::default(),
            lost_rows: 0,
            line_period_ns: 0,
            ticks_first_row: 0,
        };
        let mut bytes = Vec::new();
        header.write(&[7], &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_message_is_told_as_soon_as_it_is_there() {
        for whole in [record(), b"SCAN:ACT?\n".to_vec(), b"\r\n".to_vec()] {
            for cut in 0..whole.len() {
                assert_eq!(message(&whole[..cut]), Ok(None), "{cut}");
            }
            let more = [&whole[..], b"SNST\xff"].concat();
            assert_eq!(message(&more), Ok(Some(whole.len())));
        }
    }

    #[test]
    fn what_cannot_become_a_message_is_told_at_once() {
        let mut version = record();
        version[4] = 9;
        let mut long = record();
        long[8..12].fill(0xff);
        for (bytes, reason) in [
            (version, Reason::Damaged),
            (long[..12].to_vec(), Reason::Damaged),
            (b"S\0".to_vec(), Reason::Line(MessageError::Character)),
            (vec![b'a'; MAX_MESSAGE], Reason::Line(MessageError::Length)),
            // A block is no message, however long it says to be.
            (
                b"#9999999999\x80".to_vec(),
                Reason::Line(MessageError::Character),
            ),
        ] {
            assert_eq!(message(&bytes).unwrap_err().reason, reason);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_waited_for_without_bound(
            noise in proptest::collection::vec(any::<u8>(), 1..300),
            start in 0_usize..=12,
        ) {
            let mut bytes: Vec<u8> = noise.into_iter().cycle().take(MAX_RECORD).collect();
            bytes[..start].copy_from_slice(&record()[..start]);
            if let Ok(length) = message(&bytes) {
                prop_assert!(length.is_some_and(|length| (1..=MAX_RECORD).contains(&length)));
            }
            let _ = message(&bytes[..64]);
        }
    }
}
