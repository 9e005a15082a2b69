//! From the stored bytes of a chunk to samples.
//!
//! Each decompressor fills a buffer of the size that the directory justifies and stops there, so that a
//! bomb is never inflated further. What comes before missing bytes is kept; of deflated bytes, which have a
//! checksum, nothing when they are corrupt. Sources: TIFF 6.0, sections 9 (`PackBits`), 13 (LZW) and 14
//! (horizontal predictor); TIFF Technical Note 3 (floating-point predictor); Technical Note 2 (deflate).

use std::io::{self, ErrorKind, Read};

use flate2::read::ZlibDecoder;
use weezl::{BitOrder, LzwStatus, decode::Configuration};

use super::page::Page;

/// Samples of one chunk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Whether the program reads a compression.
pub(crate) fn is_known(compression: u16) -> bool {
    matches!(compression, 1 | 5 | 8 | 32_773 | 32_946)
}

/// Decompresses `stored` to at most `size` bytes; fewer when `stored` is corrupt or ends early, with the
/// reason. A strip that was padded by its writer may go on to `whole` bytes.
pub(crate) fn decompress(
    compression: u16,
    stored: Vec<u8>,
    size: usize,
    whole: usize,
) -> (Vec<u8>, Option<String>) {
    let (mut bytes, mut reason) = match compression {
        1 => (stored, None),
        5 => lzw(&stored, size),
        8 | 32_946 => inflate(&stored, size, whole),
        _ => (unpack(&stored, size), None),
    };
    bytes.truncate(size);
    if bytes.len() < size && reason.is_none() {
        reason = Some(format!("it has {} bytes instead of {size}", bytes.len()));
    }
    (bytes, reason)
}

fn lzw(stored: &[u8], size: usize) -> (Vec<u8>, Option<String>) {
    let mut decoder = Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
        .with_yield_on_full_buffer(true)
        .build();
    let mut bytes = vec![0; size];
    let (mut read, mut filled) = (0, 0);
    let mut reason = None;
    while filled < size {
        let input = stored.get(read..).unwrap_or_default();
        let output = bytes.get_mut(filled..).unwrap_or_default();
        let result = decoder.decode_bytes(input, output);
        read += result.consumed_in;
        filled += result.consumed_out;
        match result.status {
            Ok(LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => {
                reason = Some(error.to_string());
                break;
            }
        }
    }
    bytes.truncate(filled);
    (bytes, reason)
}

/// Of a stream that ends too early, what comes before its end; of one that is corrupt, nothing, because the
/// decoder goes on for a while after the damage before it notices.
fn inflate(stored: &[u8], size: usize, whole: usize) -> (Vec<u8>, Option<String>) {
    let mut bytes = Vec::new();
    let mut decoder = ZlibDecoder::new(stored);
    let read = decoder.by_ref().take(size as u64).read_to_end(&mut bytes);
    // The checksum is behind the last byte, which may be that of a last strip that was padded.
    let padding = whole.saturating_sub(size) as u64;
    let rest = read.and_then(|_| io::copy(&mut decoder.take(padding + 1), &mut io::sink()));
    match rest {
        Ok(rest) if rest <= padding => (bytes, None),
        Ok(_) => (Vec::new(), Some(format!("it has more than {whole} bytes"))),
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            (Vec::new(), Some(error.to_string()))
        }
        Err(error) if bytes.len() < size => (bytes, Some(error.to_string())),
        Err(_) => (bytes, None),
    }
}

fn unpack(stored: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = stored;
    while let Some((head, tail)) = rest.split_first() {
        if bytes.len() >= size {
            break;
        }
        let head = i8::from_ne_bytes([*head]);
        rest = match usize::try_from(head) {
            Ok(literal) => {
                let (run, after) = tail.split_at(tail.len().min(literal + 1));
                bytes.extend_from_slice(run);
                after
            }
            Err(_) if head == i8::MIN => tail,
            Err(_) => {
                let Some((value, after)) = tail.split_first() else {
                    break;
                };
                bytes.resize(bytes.len() + usize::from(head.unsigned_abs()) + 1, *value);
                after
            }
        };
    }
    bytes
}

/// Samples of whole rows of `row_samples` samples, with `step` samples a pixel in each row.
pub(crate) fn values(mut bytes: Vec<u8>, page: &Page, row_samples: usize, step: usize) -> Values {
    let size = usize::from(page.bits / 8).max(1);
    let row_bytes = (row_samples * size).max(1);
    bytes.truncate(bytes.len() / row_bytes * row_bytes);
    if page.predictor == 3 {
        let mut shuffled = vec![0; row_bytes];
        for row in bytes.chunks_exact_mut(row_bytes) {
            add_before::<1>(row, step);
            shuffled.copy_from_slice(row);
            // The first bytes of all samples, then the second ones, from the most significant on.
            for (at, byte) in row.iter_mut().enumerate() {
                let (sample, place) = (at / size, size - 1 - at % size);
                *byte = shuffled
                    .get(place * row_samples + sample)
                    .copied()
                    .unwrap_or(0);
            }
        }
    } else if page.big_endian {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    if page.predictor == 2 {
        for row in bytes.chunks_exact_mut(row_bytes) {
            match size {
                1 => add_before::<1>(row, step),
                2 => add_before::<2>(row, step),
                4 => add_before::<4>(row, step),
                _ => add_before::<8>(row, step),
            }
        }
    }
    macro_rules! numbers {
        ($type:ty) => {
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| <$type>::from_le_bytes(*bytes))
                .collect()
        };
    }
    match (page.format, page.bits) {
        (2, 8) => Values::I8(numbers!(i8)),
        (1, 16) => Values::U16(numbers!(u16)),
        (2, 16) => Values::I16(numbers!(i16)),
        (1, 32) => Values::U32(numbers!(u32)),
        (2, 32) => Values::I32(numbers!(i32)),
        (3, 32) => Values::F32(numbers!(f32)),
        (3, 64) => Values::F64(numbers!(f64)),
        _ => Values::U8(bytes),
    }
}

/// Adds to each word of `N` bytes (little-endian) the word `step` before it.
fn add_before<const N: usize>(row: &mut [u8], step: usize) {
    let (words, _) = row.as_chunks_mut::<N>();
    let number = |word: &[u8; N]| {
        word.iter()
            .rev()
            .fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
    };
    for at in step..words.len() {
        let before = words.get(at - step).map_or(0, number);
        if let Some(word) = words.get_mut(at) {
            let sum = number(word).wrapping_add(before).to_le_bytes();
            for (byte, sum) in word.iter_mut().zip(sum) {
                *byte = sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packed_runs_are_unpacked() {
        // The example of TIFF 6.0, section 9.
        let packed = [
            0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22, 0xF7,
            0xAA,
        ];
        let plain = [
            0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0x22,
            0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
        ];
        assert_eq!(
            decompress(32_773, packed.to_vec(), 24, 24),
            (plain.to_vec(), None)
        );
    }

    #[test]
    fn a_bomb_is_not_inflated_further_than_it_may() {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![7; 1 << 24]).unwrap();
        let stored = encoder.finish().unwrap();
        let (bytes, reason) = decompress(8, stored.clone(), 100, 1 << 24);
        assert_eq!((bytes, reason), (vec![7; 100], None));
        let (bytes, reason) = decompress(8, stored, 100, (1 << 24) - 1);
        assert!(bytes.is_empty() && reason.is_some());
    }

    proptest! {
        #[test]
        fn no_damage_to_deflated_bytes_goes_unnoticed(
            plain in prop::collection::vec(any::<u8>(), 1..2_000), at in any::<prop::sample::Index>(), bits in 1_u8..,
        ) {
            use std::io::Write;
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&plain).unwrap();
            let mut stored = encoder.finish().unwrap();
            let length = stored.len();
            stored[at.index(length)] ^= bits;
            let (bytes, reason) = decompress(8, stored, plain.len(), plain.len());
            prop_assert!(reason.is_some() || bytes == plain);
        }

        #[test]
        fn nothing_gives_more_than_its_size(
            compression in prop::sample::select(vec![1_u16, 5, 8, 32_773]),
            stored in prop::collection::vec(any::<u8>(), 0..300), size in 0_usize..400,
        ) {
            let (bytes, reason) = decompress(compression, stored, size, size);
            prop_assert!(bytes.len() <= size);
            prop_assert!(bytes.len() == size || reason.is_some());
        }
    }
}
