//! Lines with a checksum: a JSON object whose last field is the CRC-32 (ISO-HDLC, as zlib's) of the bytes before it.
//!
//! ```text
//! {"frame":0,"cells":2,"crc32":"5a1c9f3e"}
//! ```
//!
//! The checksum is over everything before `,"crc32"`. A program that does not know it reads plain NDJSON.

use serde::{Serialize, de::DeserializeOwned};

/// What is before the checksum.
const KEY: &[u8] = b",\"crc32\":\"";
/// Hexadecimal digits of the checksum.
const DIGITS: usize = 8;
/// What is behind it.
const END: &[u8] = b"\"}";

/// Why a line was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It has no checksum: it was cut, or somebody wrote it by hand.
    #[error("it has no checksum at its end")]
    Torn,
    /// The checksum is another one.
    #[error("it was changed: its checksum is {found:08x} and should be {wanted:08x}")]
    Changed {
        /// What the line says.
        found: u32,
        /// What its bytes give.
        wanted: u32,
    },
    /// The checksum is right, and it is not what it should be.
    #[error("it is not such a line")]
    Other,
}

/// `value` as a line, with its line feed.
///
/// # Errors
/// When it has no JSON form, or is not an object with at least one field.
pub fn seal(value: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut line = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    if line.len() < 3 || line.pop() != Some(b'}') {
        return Err("only an object with fields becomes a line".to_owned());
    }
    let sum = crc32fast::hash(&line);
    line.extend_from_slice(KEY);
    line.extend_from_slice(format!("{sum:08x}").as_bytes());
    line.extend_from_slice(END);
    line.push(b'\n');
    Ok(line)
}

/// A line, without its line feed, as the value that was sealed.
///
/// # Errors
/// [`LineError`].
pub fn open<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineError> {
    let rest = line.strip_suffix(END).ok_or(LineError::Torn)?;
    let (rest, digits) = rest
        .split_at_checked(rest.len().saturating_sub(DIGITS))
        .ok_or(LineError::Torn)?;
    let sealed = rest.strip_suffix(KEY).ok_or(LineError::Torn)?;
    let digits = str::from_utf8(digits).map_err(|_| LineError::Torn)?;
    let found = u32::from_str_radix(digits, 16).map_err(|_| LineError::Torn)?;
    let wanted = crc32fast::hash(sealed);
    if found != wanted {
        return Err(LineError::Changed { found, wanted });
    }
    // Fields that are not known, as the checksum, are passed over.
    serde_json::from_slice(line).map_err(|_| LineError::Other)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Value = BTreeMap<String, f64>;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Line {
        values: Value,
    }

    fn lines() -> impl Strategy<Value = Value> {
        prop::collection::btree_map(
            ".{0,6}",
            any::<f64>().prop_filter("finite", |v| v.is_finite()),
            1..6,
        )
    }

    proptest! {
        #[test]
        fn a_line_comes_back_and_is_json(values in lines()) {
            let line = seal(&Line { values: values.clone() }).unwrap();
            let line = line.strip_suffix(b"\n").unwrap();
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(open::<Line>(line).unwrap().values, values);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(line).unwrap()["crc32"].is_string());
        }

        #[test]
        fn a_flipped_bit_or_a_cut_is_seen(values in lines(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let line = seal(&Line { values }).unwrap();
            let line = line.strip_suffix(b"\n").unwrap();
            let at = at.index(line.len());
            let mut flipped = line.to_vec();
            flipped[at] ^= 1 << bit;
            // The case of a hexadecimal digit says nothing.
            if !flipped.eq_ignore_ascii_case(line) {
                prop_assert!(open::<Line>(&flipped).is_err());
            }
            prop_assert!(open::<Line>(&line[..at]).is_err());
        }
    }
}
