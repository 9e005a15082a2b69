//! One TIFF file: its pages, and their samples chunk by chunk.
//!
//! Never more than one chunk is decoded at a time. A chunk that cannot be decoded is told with its
//! reason, and the next is tried.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use tiff::{
    TiffError,
    decoder::{Decoder, DecodingResult, Limits},
    tags::Tag,
};

use super::{
    directory::{self, Directories},
    limits::{MAX_PLANE_SAMPLES, MAX_TEXT_BYTES},
    page::Page,
};
use crate::{ErrorKind, HalError};

/// Rows that are read at once of a page without a directory of its own.
const RAW_ROWS: u32 = 64;

/// A rectangle of samples of one page.
pub(crate) struct Chunk {
    /// First column.
    pub(crate) x: u32,
    /// First row.
    pub(crate) y: u32,
    /// Columns that lie within the image.
    pub(crate) width: u32,
    /// Rows that lie within the image.
    pub(crate) height: u32,
    /// The samples, or why there are none.
    pub(crate) samples: Result<ChunkSamples, String>,
}

/// Decoded samples of a chunk.
pub(crate) struct ChunkSamples {
    pub(crate) values: DecodingResult,
    /// Index of the first sample.
    pub(crate) first: usize,
    /// From a sample to the next of its row.
    pub(crate) step: usize,
    /// From a row to the next.
    pub(crate) stride: usize,
    /// The decoder inverted the samples.
    pub(crate) inverted: bool,
}

/// Opens `path` and reads its directories.
///
/// # Errors
/// `NotFound`, `Io`, or `Malformed` naming the file.
pub(crate) fn directories(path: &Path) -> Result<Directories, HalError> {
    directory::walk(&mut open(path)?).map_err(|reason| malformed(path, reason))
}

/// An open file that gives samples.
pub(crate) struct TiffFile {
    path: PathBuf,
    decoder: Decoder<BufReader<File>>,
    /// The page that the decoder is at, with the bytes of its chunks.
    at: Option<(usize, Vec<u64>)>,
}

impl TiffFile {
    /// Opens `path`, whose directories were read before.
    ///
    /// # Errors
    /// `NotFound`, `Io`, or `Malformed` naming the file.
    pub(crate) fn open(path: &Path) -> Result<Self, HalError> {
        let decoder = Decoder::new(open(path)?).map_err(|error| decoding(path, error))?;
        let mut limits = Limits::default();
        // One chunk may be a whole plane of the widest samples.
        limits.decoding_buffer_size = MAX_PLANE_SAMPLES as usize * size_of::<f64>();
        limits.intermediate_buffer_size = limits.decoding_buffer_size;
        limits.ifd_value_size = MAX_TEXT_BYTES as usize;
        Ok(Self {
            path: path.to_owned(),
            decoder: decoder.with_limits(limits),
            at: None,
        })
    }

    /// Gives every chunk of sample `sample` of page `index` to `visit`, from top to bottom.
    ///
    /// # Errors
    /// When the page itself cannot be read, or `visit` fails.
    pub(crate) fn visit(
        &mut self,
        index: usize,
        page: &Page,
        sample: u16,
        visit: &mut dyn FnMut(Chunk) -> Result<(), HalError>,
    ) -> Result<(), HalError> {
        self.seek(index)?;
        let across = page.width.div_ceil(page.chunk.0);
        let down = page.height.div_ceil(page.chunk.1);
        let plane = if page.planar {
            u32::from(sample) * across * down
        } else {
            0
        };
        for number in 0..across * down {
            let (x, y) = (
                number % across * page.chunk.0,
                number / across * page.chunk.1,
            );
            let (width, height) = (
                (page.width - x).min(page.chunk.0),
                (page.height - y).min(page.chunk.1),
            );
            let samples = self.chunk(plane + number, page, sample, (width, height));
            visit(Chunk {
                x,
                y,
                width,
                height,
                samples,
            })?;
        }
        Ok(())
    }

    fn seek(&mut self, index: usize) -> Result<(), HalError> {
        if self.at.as_ref().is_some_and(|(at, _)| *at == index) {
            return Ok(());
        }
        self.at = None;
        self.decoder
            .seek_to_image(index)
            .map_err(|error| malformed(&self.path, format!("page {index}: {}", reason(&error))))?;
        let strips = self
            .decoder
            .find_tag_unsigned_vec::<u64>(Tag::StripByteCounts);
        let bytes = match strips {
            Ok(Some(bytes)) => bytes,
            _ => self
                .decoder
                .find_tag_unsigned_vec::<u64>(Tag::TileByteCounts)
                .map_err(|error| decoding(&self.path, error))?
                .unwrap_or_default(),
        };
        self.at = Some((index, bytes));
        Ok(())
    }

    fn chunk(
        &mut self,
        number: u32,
        page: &Page,
        sample: u16,
        (width, height): (u32, u32),
    ) -> Result<ChunkSamples, String> {
        let interleaved = if page.planar {
            1
        } else {
            usize::from(page.samples)
        };
        let colour = self.decoder.colortype().map_err(|error| reason(&error))?;
        if colour.num_samples() != page.samples {
            return Err(format!(
                "its {} samples a pixel are not stored as separate values",
                page.samples
            ));
        }
        let stored = self
            .at
            .as_ref()
            .and_then(|(_, bytes)| bytes.get(number as usize))
            .copied();
        let stored = stored.ok_or_else(|| "it has too few strips".to_owned())?;
        let least =
            u64::from(width) * u64::from(height) * interleaved as u64 * u64::from(page.bits / 8);
        // The decoder reads on beyond such a chunk, into what belongs to another.
        if page.compression == 1 && stored < least {
            return Err(format!("a strip has {stored} bytes instead of {least}"));
        }
        let (stored_width, _) = self.decoder.chunk_data_dimensions(number);
        let values = self
            .decoder
            .read_chunk(number)
            .map_err(|error| reason(&error))?;
        if page.white_is_zero && page.kind() == Ok(super::page::SampleKind::Wide) {
            return Err("its samples are stored with zero as white".to_owned());
        }
        Ok(ChunkSamples {
            values,
            first: if page.planar { 0 } else { usize::from(sample) },
            step: interleaved,
            stride: stored_width as usize * interleaved,
            inverted: page.white_is_zero,
        })
    }

    /// As [`TiffFile::visit`] for a plane that lies at byte `offset` without compression and without a
    /// directory, as `ImageJ` writes stacks of more than 4 GiB.
    ///
    /// # Errors
    /// When `visit` fails.
    pub(crate) fn visit_raw(
        &mut self,
        offset: u64,
        page: &Page,
        big_endian: bool,
        visit: &mut dyn FnMut(Chunk) -> Result<(), HalError>,
    ) -> Result<(), HalError> {
        let row_bytes = u64::from(page.width) * u64::from(page.bits / 8);
        self.at = None;
        for y in (0..page.height).step_by(RAW_ROWS as usize) {
            let height = (page.height - y).min(RAW_ROWS);
            let mut bytes = vec![0; row_bytes as usize * height as usize];
            let reader = self.decoder.inner();
            let read = reader
                .seek(SeekFrom::Start(offset + u64::from(y) * row_bytes))
                .and_then(|_| reader.read_exact(&mut bytes));
            let samples = match read {
                Ok(()) => raw_values(&bytes, page, big_endian),
                Err(error) => Err(error.to_string()),
            };
            let samples = samples.map(|values| ChunkSamples {
                values,
                first: 0,
                step: 1,
                stride: page.width as usize,
                inverted: false,
            });
            visit(Chunk {
                x: 0,
                y,
                width: page.width,
                height,
                samples,
            })?;
        }
        Ok(())
    }
}

fn raw_values(bytes: &[u8], page: &Page, big_endian: bool) -> Result<DecodingResult, String> {
    macro_rules! numbers {
        ($type:ty) => {
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| match big_endian {
                    true => <$type>::from_be_bytes(*bytes),
                    false => <$type>::from_le_bytes(*bytes),
                })
                .collect()
        };
    }
    Ok(match (page.format, page.bits) {
        (1, 8) => DecodingResult::U8(bytes.to_vec()),
        (1, 16) => DecodingResult::U16(numbers!(u16)),
        (2, 16) => DecodingResult::I16(numbers!(i16)),
        (3, 32) => DecodingResult::F32(numbers!(f32)),
        (format, bits) => {
            return Err(format!(
                "a stack of {bits}-bit samples of format {format} is not read"
            ));
        }
    })
}

fn open(path: &Path) -> Result<BufReader<File>, HalError> {
    let file = File::open(path).map_err(|error| file_error(path, "read", error))?;
    Ok(BufReader::new(file))
}

/// An error of the operating system about `path`, when it was to be `doing`.
pub(crate) fn file_error(path: &Path, doing: &str, error: std::io::Error) -> HalError {
    if error.kind() == std::io::ErrorKind::NotFound {
        let message = format!("{} does not exist; check the path", path.display());
        return HalError::new(ErrorKind::NotFound, message).caused_by(error);
    }
    let message = format!("{} cannot be {doing}: {error}", path.display());
    HalError::new(ErrorKind::Io, message).caused_by(error)
}

/// An error about the content of `path`; `reason` is a clause about the file.
pub(crate) fn malformed(path: &Path, reason: impl AsRef<str>) -> HalError {
    let message = format!("{} cannot be used: {}", path.display(), reason.as_ref());
    HalError::new(ErrorKind::Malformed, message)
}

fn decoding(path: &Path, error: TiffError) -> HalError {
    malformed(path, reason(&error)).caused_by(error)
}

fn reason(error: &TiffError) -> String {
    match error {
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "its samples end too early; the file is truncated or corrupt".to_owned()
        }
        other => other.to_string(),
    }
}
