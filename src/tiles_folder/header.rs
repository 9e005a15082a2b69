//! The header of `tiles.npy` (NumPy format, NEP 1).

use std::io::Read;

/// Longest header that is read, in bytes; numpy writes 118.
const HEADER_LIMIT: usize = 1 << 16;

const AGAIN: &str = "cut the tiles again with `senescope tiles`";

/// What the header says.
pub(super) struct Header {
    /// Bytes before the first value.
    pub(super) offset: u64,
    dictionary: String,
}

/// Reads the header; the inner error says what is wrong with it.
pub(super) fn read(file: &mut impl Read) -> std::io::Result<Result<Header, String>> {
    let no_npy = || Ok(Err(format!("is not a whole .npy file; {AGAIN}")));
    let mut start = Vec::new();
    file.by_ref().take(10).read_to_end(&mut start)?;
    let [b'\x93', b'N', b'U', b'M', b'P', b'Y', version, _, a, b] = start[..] else {
        return no_npy();
    };
    let mut fixed = 10;
    let length = if version == 1 {
        usize::from(u16::from_le_bytes([a, b]))
    } else {
        let mut rest = Vec::new();
        file.by_ref().take(2).read_to_end(&mut rest)?;
        let [c, d] = rest[..] else {
            return no_npy();
        };
        fixed = 12;
        u32::from_le_bytes([a, b, c, d]) as usize
    };
    if length > HEADER_LIMIT {
        return no_npy();
    }
    let mut text = Vec::new();
    file.by_ref().take(length as u64).read_to_end(&mut text)?;
    match String::from_utf8(text) {
        Ok(dictionary) if dictionary.len() == length => Ok(Ok(Header {
            offset: (fixed + length) as u64,
            dictionary,
        })),
        _ => no_npy(),
    }
}

impl Header {
    /// The number of tiles of `shape` in a file of `length` bytes, refused unless all are there.
    pub(super) fn tiles(&self, shape: [usize; 3], length: u64) -> Result<usize, String> {
        let descr = self
            .after("descr")
            .and_then(|rest| rest.split(['\'', '"']).nth(1));
        if descr != Some("<f4") {
            return Err(format!(
                "has values of type {}; little-endian float32 (`<f4`) is expected: {AGAIN}",
                descr.unwrap_or("unknown")
            ));
        }
        if !self
            .after("fortran_order")
            .is_some_and(|rest| rest.starts_with("False"))
        {
            return Err(format!("is not in C order; {AGAIN}"));
        }
        let dimensions: Option<Vec<usize>> = self
            .after("shape")
            .and_then(|rest| rest.strip_prefix('('))
            .and_then(|rest| rest.split_once(')'))
            .map(|(inside, _)| inside)
            .and_then(|inside| {
                inside
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(|part| part.parse().ok())
                    .collect()
            });
        let [channels, rows, columns] = shape;
        let tiles = match dimensions.as_deref() {
            Some(&[tiles, c, h, w]) if [c, h, w] == shape => tiles,
            found => {
                return Err(format!(
                    "has shape {}, and the ensemble's tiles are N×{channels}×{rows}×{columns}; cut them with \
                     this ensemble: `senescope tiles --set ensemble.dir=…`",
                    found.map_or("unknown".to_owned(), |found| format!("{found:?}"))
                ));
            }
        };
        let bytes = shape
            .iter()
            .chain([&tiles, &4])
            .try_fold(1_u64, |product, factor| product.checked_mul(*factor as u64))
            .and_then(|bytes| bytes.checked_add(self.offset));
        if bytes != Some(length) {
            return Err(format!(
                "has {length} bytes and its header tells of {tiles} tiles, which is another length: the \
                 file is cut off or damaged; {AGAIN}"
            ));
        }
        Ok(tiles)
    }

    /// What follows `'key':` in the dictionary.
    fn after(&self, key: &str) -> Option<&str> {
        let (_, rest) = self.dictionary.split_once(&format!("'{key}'"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    }
}
