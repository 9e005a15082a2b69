//! Definite-length arbitrary blocks: `#`, one digit *n*, *n* digits with the length, the bytes.
//!
//! IEEE 488.2-1992, 7.7.6 (parameters) and 8.7.9 (responses). Blocks of indefinite length (`#0`) end with the
//! message and cannot be bounded; they are refused.

use thiserror::Error;

/// Longest header: `#9` and nine digits.
pub const MAX_HEADER: usize = 11;

/// The header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Bytes of the header itself.
    pub header: usize,
    /// Bytes that follow.
    pub length: usize,
}

/// Why bytes are not the header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// Another byte where `#` should be.
    #[error("a block begins with `#`, and the byte 0x{0:02x} is there")]
    Start(u8),
    /// A block of indefinite length.
    #[error("a block of indefinite length (`#0`) has no bound")]
    Indefinite,
    /// Something else than a digit.
    #[error("the length of a block has the byte 0x{0:02x} where a digit should be")]
    Digit(u8),
    /// More bytes than are accepted.
    #[error("a block of {length} bytes is longer than the {limit} that are accepted")]
    Limit {
        /// What it says.
        length: u64,
        /// What is accepted.
        limit: usize,
    },
}

impl BlockHeader {
    /// The header at the start of `bytes`, or `None` when more bytes are needed to tell. A length above `limit`
    /// is refused as soon as it is known: nothing is allocated for it.
    ///
    /// # Errors
    /// When no byte that could follow makes it a header that is accepted.
    pub fn parse(bytes: &[u8], limit: usize) -> Result<Option<Self>, BlockError> {
        let Some((&start, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        if start != b'#' {
            return Err(BlockError::Start(start));
        }
        let Some((&count, rest)) = rest.split_first() else {
            return Ok(None);
        };
        let digits = match count {
            b'0' => return Err(BlockError::Indefinite),
            b'1'..=b'9' => usize::from(count - b'0'),
            other => return Err(BlockError::Digit(other)),
        };
        // Nine digits fit into 64 bits.
        let mut length = 0_u64;
        for digit in rest.iter().take(digits) {
            if !digit.is_ascii_digit() {
                return Err(BlockError::Digit(*digit));
            }
            length = 10 * length + u64::from(digit - b'0');
        }
        if rest.len() < digits {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(length) if length <= limit => Ok(Some(Self {
                header: 2 + digits,
                length,
            })),
            _ => Err(BlockError::Limit { length, limit }),
        }
    }

    /// Appends the shortest header of a block of `length` bytes, at most 999 999 999; says whether it is one.
    pub fn write(length: usize, out: &mut Vec<u8>) -> bool {
        let digits = length.to_string();
        let fits = digits.len() <= 9;
        if fits {
            out.extend([b'#', b'0' + digits.len() as u8]);
            out.extend(digits.bytes());
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_every_prefix_of_it_waits(length in 0_usize..1_000_000_000) {
            let mut bytes = Vec::new();
            prop_assert!(BlockHeader::write(length, &mut bytes));
            let header = BlockHeader { header: bytes.len(), length };
            prop_assert_eq!(BlockHeader::parse(&bytes, length), Ok(Some(header)));
            for cut in 0..bytes.len() {
                prop_assert_eq!(BlockHeader::parse(&bytes[..cut], length), Ok(None));
            }
            // Bytes that follow change nothing.
            bytes.push(b'7');
            prop_assert_eq!(BlockHeader::parse(&bytes, length), Ok(Some(header)));
        }

        #[test]
        fn no_bytes_panic_and_no_length_passes_the_limit(
            bytes in proptest::collection::vec(any::<u8>(), 0..20),
            limit in 0_usize..100_000,
        ) {
            for bytes in [&bytes[..], &[b"#9", &bytes[..]].concat()] {
                if let Ok(Some(found)) = BlockHeader::parse(bytes, limit) {
                    prop_assert!(found.length <= limit && found.header <= MAX_HEADER);
                }
            }
        }
    }

    #[test]
    fn what_is_no_block_is_told() {
        for (bytes, error) in [
            (&b"0"[..], BlockError::Start(b'0')),
            (b"#0", BlockError::Indefinite),
            (b"#x", BlockError::Digit(b'x')),
            (b"#3 12", BlockError::Digit(b' ')),
            (
                b"#9999999999",
                BlockError::Limit {
                    length: 999_999_999,
                    limit: 10,
                },
            ),
        ] {
            assert_eq!(BlockHeader::parse(bytes, 10), Err(error));
        }
        assert!(!BlockHeader::write(1_000_000_000, &mut Vec::new()));
        // Leading zeros are allowed, and the empty block is one.
        let zeros = BlockHeader {
            header: 6,
            length: 7,
        };
        assert_eq!(BlockHeader::parse(b"#40007", 10), Ok(Some(zeros)));
        let empty = BlockHeader {
            header: 3,
            length: 0,
        };
        assert_eq!(BlockHeader::parse(b"#10", 0), Ok(Some(empty)));
    }
}
