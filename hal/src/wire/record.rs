//! A strip on the wire: a header of 64 bytes, the samples, and a checksum.
//!
//! Little-endian throughout. After the header come the samples as `u16`, row by row, and within a row channel by
//! channel in the order of the mask's bits, odd rows as they were scanned; then CRC-32/ISO-HDLC (zlib's) over
//! header and samples. `hal/README.md` has the table of fields.
//!
//! Not done here: blocks, exchanges, and whether a record belongs to the present scan.

use thiserror::Error;

use crate::{ChannelMask, StripFlags};

/// The first bytes of a record.
pub const MAGIC: [u8; 4] = *b"SNST";
/// Version of this form.
pub const VERSION: u16 = 1;
/// Bytes of the header.
pub const HEADER: usize = 64;
/// Bytes from which the length of a record is known.
const START: usize = 12;
/// Bytes of the checksum.
pub const CHECKSUM: usize = 4;
/// Most bytes of samples in a record.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// Longest header of a later version that is skipped.
const MAX_HEADER: usize = 1024;
/// Longest record.
pub const MAX_RECORD: usize = MAX_HEADER + MAX_PAYLOAD + CHECKSUM;

const ODD_ROWS_REVERSED: u8 = 1;
const SATURATED: u8 = 2;
const OVERRUN: u8 = 4;
const LAST_OF_FRAME: u8 = 8;

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Number of the run since the board started.
    pub run: u32,
    /// Changes whenever the board restarts.
    pub boot: u64,
    /// Number of the strip in the run, from 0, without gaps as the board made them.
    pub sequence: u64,
    /// Index of the frame in the run, from 0.
    pub frame: u32,
    /// Index of the field of view.
    pub field: u16,
    /// First row of the frame in this strip.
    pub first_row: u16,
    /// Number of rows, at least 1.
    pub rows: u16,
    /// Samples in a row, at least 1.
    pub width: u16,
    /// The channels that the strip carries, at least one of the first 16.
    pub channels: ChannelMask,
    /// True bit depth of the samples, 1 to 16.
    pub bit_depth: u8,
    /// Odd rows of the frame are as the beam scanned them, right to left.
    pub odd_rows_reversed: bool,
    /// What the board noticed.
    pub flags: StripFlags,
    /// Rows that the board lost since the last strip that it made.
    pub lost_rows: u32,
    /// Time from row to row in nanoseconds; 0 when the board does not know.
    pub line_period_ns: u32,
    /// Device time at the first sample of the first row, in ticks.
    pub ticks_first_row: u64,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Fewer bytes than it says, or than any record has.
    #[error("a record of {found} bytes is cut off; it needs {needed}")]
    Short {
        /// What is there.
        found: usize,
        /// What it takes.
        needed: usize,
    },
    /// More bytes than it says.
    #[error("a record of {needed} bytes came with {found}")]
    Long {
        /// What is there.
        found: usize,
        /// What it takes.
        needed: usize,
    },
    /// Another magic number.
    #[error("a record begins with `SNST`, and {0:02x?} is there")]
    Magic([u8; 4]),
    /// A version that is not known.
    #[error("a record of version {0}; this program knows version {VERSION}")]
    Version(u16),
    /// A field with a value that cannot be.
    #[error("a record with {value} as {field}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// The checksum is wrong.
    #[error("a record whose checksum is {found:08x} and should be {expected:08x}")]
    Checksum {
        /// What the record says.
        found: u32,
        /// What its bytes come to.
        expected: u32,
    },
}

impl RecordHeader {
    /// Bytes of the samples.
    pub fn payload(&self) -> usize {
        usize::from(self.rows) * usize::from(self.width) * self.channels.count() * size_of::<u16>()
    }

    /// Appends the record of this strip to `out`. Nothing is appended on failure.
    ///
    /// # Errors
    /// When the header cannot be, or `samples` are not as many as it says.
    pub fn write(&self, samples: &[u16], out: &mut Vec<u8>) -> Result<(), RecordError> {
        self.validate()?;
        let payload = size_of_val(samples);
        if payload != self.payload() {
            return Err(RecordError::Field {
                field: "bytes of samples",
                value: payload as u64,
            });
        }
        let start = out.len();
        out.reserve(HEADER + payload + CHECKSUM);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((HEADER as u16).to_le_bytes());
        out.extend((payload as u32).to_le_bytes());
        out.extend(self.run.to_le_bytes());
        out.extend(self.boot.to_le_bytes());
        out.extend(self.sequence.to_le_bytes());
        out.extend(self.frame.to_le_bytes());
        for value in [self.field, self.first_row, self.rows, self.width] {
            out.extend(value.to_le_bytes());
        }
        out.extend((self.channels.0 as u16).to_le_bytes());
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.extend([
            self.bit_depth,
            flag(self.odd_rows_reversed, ODD_ROWS_REVERSED)
                | flag(self.flags.saturated, SATURATED)
                | flag(self.flags.overrun, OVERRUN)
                | flag(self.flags.last_of_frame, LAST_OF_FRAME),
        ]);
        out.extend(self.lost_rows.to_le_bytes());
        out.extend(self.line_period_ns.to_le_bytes());
        out.extend(self.ticks_first_row.to_le_bytes());
        out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let checksum = crc32fast::hash(&out[start..]);
        out.extend(checksum.to_le_bytes());
        Ok(())
    }

    /// The header of a whole record, and the bytes of its samples.
    ///
    /// # Errors
    /// When a byte of it is wrong; the order of the checks is length, magic number, version, checksum, fields.
    pub fn read(record: &[u8]) -> Result<(Self, &[u8]), RecordError> {
        let short = |needed| RecordError::Short {
            found: record.len(),
            needed,
        };
        let fixed: &[u8; HEADER] = record.first_chunk().ok_or(short(HEADER + CHECKSUM))?;
        let (start, rest) = fixed.split_at(START);
        let (header, payload) = Self::lengths(start)?.ok_or(short(HEADER + CHECKSUM))?;
        let mut fields = Fields(rest);
        let field = |field, value| RecordError::Field { field, value };
        let needed = header + payload + CHECKSUM;
        match record.len() {
            found if found < needed => return Err(short(needed)),
            found if found > needed => return Err(RecordError::Long { found, needed }),
            _ => {}
        }
        let (covered, found) = record.split_at(needed - CHECKSUM);
        let found = found.first_chunk().copied().map_or(0, u32::from_le_bytes);
        let expected = crc32fast::hash(covered);
        if found != expected {
            return Err(RecordError::Checksum { found, expected });
        }
        let run = u32::from_le_bytes(fields.take());
        let [boot, sequence] = [fields.take(), fields.take()].map(u64::from_le_bytes);
        let frame = u32::from_le_bytes(fields.take());
        let [of_view, first_row, rows, width, channels] =
            [(); 5].map(|()| u16::from_le_bytes(fields.take()));
        let [bit_depth, flags] = fields.take();
        let [lost_rows, line_period_ns] = [fields.take(), fields.take()].map(u32::from_le_bytes);
        let strip = Self {
            run,
            boot,
            sequence,
            frame,
            field: of_view,
            first_row,
            rows,
            width,
            channels: ChannelMask(u32::from(channels)),
            bit_depth,
            odd_rows_reversed: flags & ODD_ROWS_REVERSED != 0,
            flags: StripFlags {
                saturated: flags & SATURATED != 0,
                overrun: flags & OVERRUN != 0,
                last_of_frame: flags & LAST_OF_FRAME != 0,
            },
            lost_rows,
            line_period_ns,
            ticks_first_row: u64::from_le_bytes(fields.take()),
        };
        strip.validate()?;
        if strip.payload() != payload {
            return Err(field("bytes of samples", payload as u64));
        }
        Ok((strip, &covered[header..]))
    }

    /// Bytes of the record that begins with `start`, at most [`MAX_RECORD`], or `None` when more bytes are needed
    /// to tell.
    ///
    /// # Errors
    /// When no bytes that could follow make it a record that is read.
    pub fn length(start: &[u8]) -> Result<Option<usize>, RecordError> {
        let lengths = Self::lengths(start)?;
        Ok(lengths.map(|(header, payload)| header + payload + CHECKSUM))
    }

    /// Bytes of the header and of the samples.
    fn lengths(start: &[u8]) -> Result<Option<(usize, usize)>, RecordError> {
        let Some(start) = start.first_chunk::<START>() else {
            return Ok(None);
        };
        let mut fields = Fields(start);
        let magic = fields.take();
        if magic != MAGIC {
            return Err(RecordError::Magic(magic));
        }
        let [version, header] = [fields.take(), fields.take()].map(u16::from_le_bytes);
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let payload = u32::from_le_bytes(fields.take());
        let field = |field, value| RecordError::Field { field, value };
        if !(HEADER..=MAX_HEADER).contains(&usize::from(header)) {
            return Err(field("length of the header", u64::from(header)));
        }
        if payload as usize > MAX_PAYLOAD {
            return Err(field("bytes of samples", u64::from(payload)));
        }
        Ok(Some((usize::from(header), payload as usize)))
    }

    fn validate(&self) -> Result<(), RecordError> {
        let channels = u64::from(self.channels.0);
        for (field, value, allowed) in [
            ("rows", u64::from(self.rows), 1..=u64::from(u16::MAX)),
            ("width", u64::from(self.width), 1..=u64::from(u16::MAX)),
            ("channel mask", channels, 1..=u64::from(u16::MAX)),
            ("bit depth", u64::from(self.bit_depth), 1..=16),
            (
                "bytes of samples",
                self.payload() as u64,
                2..=MAX_PAYLOAD as u64,
            ),
        ] {
            if !allowed.contains(&value) {
                return Err(RecordError::Field { field, value });
            }
        }
        Ok(())
    }
}

/// What is left of a header.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next `N` bytes; zeros behind the end.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((bytes, rest)) => {
                self.0 = rest;
                *bytes
            }
            None => [0; N],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_strip()(
            numbers in any::<(u32, u64, u64, u32, u16, u16, u32, u32, u64)>(),
            rows in 1_u16..6,
            width in 1_u16..50,
            channels in 1_u32..=0xffff,
            bit_depth in 1_u8..=16,
            flags in any::<[bool; 4]>(),
            seed in any::<u16>(),
        ) -> (RecordHeader, Vec<u16>) {
            let (run, boot, sequence, frame, field, first_row, lost_rows, period, ticks) = numbers;
            let [reversed, saturated, overrun, last_of_frame] = flags;
            let header = RecordHeader {
                run, boot, sequence, frame, field, first_row, rows, width,
                channels: ChannelMask(channels),
                bit_depth,
                odd_rows_reversed: reversed,
                flags: StripFlags { saturated, overrun, last_of_frame },
                lost_rows,
                line_period_ns: period,
                ticks_first_row: ticks,
            };
            let count = header.payload() / 2;
            let samples = (0..count).map(|index| (index as u16).wrapping_mul(seed)).collect();
            (header, samples)
        }
    }

    fn written((header, samples): &(RecordHeader, Vec<u16>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.write(samples, &mut bytes).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(strip in any_strip()) {
            let bytes = written(&strip);
            let (header, samples) = RecordHeader::read(&bytes).unwrap();
            prop_assert_eq!(header, strip.0);
            let samples: Vec<u16> = samples
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            prop_assert_eq!(samples, strip.1);
            for cut in 0..bytes.len() {
                let length = (cut >= START).then_some(bytes.len());
                prop_assert_eq!(RecordHeader::length(&bytes[..cut]), Ok(length));
            }
        }

        #[test]
        fn a_flipped_bit_and_a_cut_are_noticed(strip in any_strip(), at in any::<usize>(), bit in 0_u32..8) {
            let mut bytes = written(&strip);
            let place = at % bytes.len();
            prop_assert!(RecordHeader::read(&bytes[..place]).is_err());
            bytes[place] ^= 1_u8 << bit;
            prop_assert!(RecordHeader::read(&bytes).is_err());
        }

        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RecordHeader::read(&bytes);
            if let Some(start) = bytes.first_chunk_mut::<8>() {
                *start = *b"SNST\x01\x00\x40\x00";
            }
            let _ = RecordHeader::read(&bytes);
        }
    }

    fn small() -> (RecordHeader, Vec<u16>) {
        let header = RecordHeader {
            run: 1,
            boot: 2,
            sequence: 3,
            frame: 4,
            field: 5,
            first_row: 6,
            rows: 1,
            width: 2,
            channels: ChannelMask(0b101),
            bit_depth: 12,
            odd_rows_reversed: true,
            flags: StripFlags {
                last_of_frame: true,
                ..StripFlags::default()
            },
            lost_rows: 7,
            line_period_ns: 8,
            ticks_first_row: 9,
        };
        (header, vec![1, 2, 3, 4])
    }

    /// Python: `struct.pack('<4sHHIIQQIHHHHHBBIIQ', …) + samples`, then `zlib.crc32`.
    #[test]
    fn the_bytes_are_those_of_another_implementation() {
        let bytes = written(&small());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("../../tests/golden/record.hex").trim());
    }

    #[test]
    fn a_later_header_is_skipped_and_what_cannot_be_is_told() {
        let mut bytes = written(&small());
        bytes.truncate(bytes.len() - CHECKSUM);
        bytes[6..8].copy_from_slice(&72_u16.to_le_bytes());
        bytes.splice(HEADER..HEADER, [0xaa; 8]);
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_le_bytes());
        let (header, samples) = RecordHeader::read(&bytes).unwrap();
        assert_eq!((header, samples.len()), (small().0, 8));

        let (header, samples) = small();
        let refused = |header: RecordHeader| header.write(&samples, &mut Vec::new()).unwrap_err();
        for (header, field) in [
            (RecordHeader { rows: 0, ..header }, "rows"),
            (RecordHeader { width: 0, ..header }, "width"),
            (
                RecordHeader {
                    bit_depth: 17,
                    ..header
                },
                "bit depth",
            ),
            (
                RecordHeader {
                    channels: ChannelMask(1 << 16),
                    ..header
                },
                "channel mask",
            ),
            (
                RecordHeader {
                    rows: 9000,
                    ..header
                },
                "bytes of samples",
            ),
            (RecordHeader { rows: 2, ..header }, "bytes of samples"),
        ] {
            assert!(
                refused(header).to_string().ends_with(field),
                "{}",
                refused(header)
            );
        }
        let mut version = written(&(header, samples.clone()));
        version[4] = 2;
        assert_eq!(RecordHeader::read(&version), Err(RecordError::Version(2)));
    }
}
