//! One TIFF file: its samples, chunk by chunk.
//!
//! Never more than one chunk is decoded at a time. A chunk that is corrupt is told with its reason and
//! the samples before the damage, and the next is tried.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    codec::{self, Values},
    directory::{self, Directories},
    page::{List, Page},
};
use crate::{ErrorKind, HalError};

/// Rows that are read at once of a page without a directory of its own.
const RAW_ROWS: u32 = 64;
/// Bytes beyond twice its size that a compressed chunk may take: no writer needs more.
const STORED_SLACK: u64 = 1 << 16;

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
    /// Whole stored rows, fewer than `height` when the chunk is corrupt.
    pub(crate) values: Values,
    /// Index of the first sample.
    pub(crate) first: usize,
    /// From a sample to the next of its row.
    pub(crate) step: usize,
    /// From a row to the next.
    pub(crate) stride: usize,
    /// Why rows are missing.
    pub(crate) failure: Option<String>,
}

/// Opens `path` and reads its directories.
///
/// # Errors
/// `NotFound`, `Io`, or `Malformed` naming the file.
pub(crate) fn directories(path: &Path) -> Result<Directories, HalError> {
    let file = File::open(path).map_err(|error| file_error(path, "read", error))?;
    directory::walk(&mut BufReader::new(file)).map_err(|reason| malformed(path, reason))
}

/// The ImageDescription of the first page of `path`.
///
/// # Errors
/// `NotFound`, `Io`, or `Malformed` naming the file.
pub(crate) fn description(path: &Path) -> Result<String, HalError> {
    let file = File::open(path).map_err(|error| file_error(path, "read", error))?;
    let first = directory::first(&mut BufReader::new(file));
    first
        .map(|found| found.description.unwrap_or_default())
        .map_err(|reason| malformed(path, reason))
}

/// An open file that gives samples.
pub(crate) struct TiffFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl TiffFile {
    /// Opens `path`, whose directories were read before.
    ///
    /// # Errors
    /// `NotFound` or `Io` naming the file.
    pub(crate) fn open(path: &Path) -> Result<Self, HalError> {
        let file = File::open(path).map_err(|error| file_error(path, "read", error))?;
        let length = file
            .metadata()
            .map_err(|error| file_error(path, "read", error))?
            .len();
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
        })
    }

    /// Gives every chunk of sample `sample` of `page` to `visit`, from top to bottom.
    ///
    /// # Errors
    /// When the file cannot be read, or `visit` fails.
    pub(crate) fn visit(
        &mut self,
        page: &Page,
        sample: u16,
        visit: &mut dyn FnMut(Chunk) -> Result<(), HalError>,
    ) -> Result<(), HalError> {
        let (across, down) = page.grid();
        let offsets = self.list(page, page.offsets)?;
        let counts = self.list(page, page.counts)?;
        let step = page.interleaved();
        let first = if page.planar { 0 } else { usize::from(sample) };
        let plane = if page.planar {
            usize::from(sample) * (across * down) as usize
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
            // The rows of the last strip end with the image, those of a tile do not.
            let rows = if page.chunk.0 == page.width {
                height
            } else {
                page.chunk.1
            };
            let stride = page.chunk.0 as usize * step;
            let size = stride * rows as usize * usize::from(page.bits / 8);
            let at = plane + number as usize;
            let offset = offsets.get(at).copied().unwrap_or(u64::MAX);
            let stored = counts.get(at).copied().unwrap_or(size as u64);
            let (values, failure) = self.chunk(page, (offset, stored), size, stride)?;
            visit(Chunk {
                x,
                y,
                width,
                height,
                values,
                first,
                step,
                stride,
                failure,
            })?;
        }
        Ok(())
    }

    /// As [`TiffFile::visit`] for a plane that lies at byte `offset` without compression and without a
    /// directory, as `ImageJ` writes stacks of more than 4 GiB.
    ///
    /// # Errors
    /// When the file cannot be read, or `visit` fails.
    pub(crate) fn visit_raw(
        &mut self,
        page: &Page,
        offset: u64,
        visit: &mut dyn FnMut(Chunk) -> Result<(), HalError>,
    ) -> Result<(), HalError> {
        let (width, stride) = (page.width, page.width as usize);
        let row_bytes = stride * usize::from(page.bits / 8);
        for y in (0..page.height).step_by(RAW_ROWS as usize) {
            let height = (page.height - y).min(RAW_ROWS);
            let size = row_bytes * height as usize;
            let at = offset.saturating_add(u64::from(y) * row_bytes as u64);
            let (values, failure) = self.chunk(page, (at, size as u64), size, stride)?;
            visit(Chunk {
                x: 0,
                y,
                width,
                height,
                values,
                first: 0,
                step: 1,
                stride,
                failure,
            })?;
        }
        Ok(())
    }

    /// Whether all chunks of `page` lie in the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn holds(&mut self, page: &Page) -> Result<bool, HalError> {
        let offsets = self.list(page, page.offsets)?;
        let counts = self.list(page, page.counts)?;
        let chunks = page.offsets.map_or(0, |list| list.count as usize);
        // One strip that is not compressed needs no count.
        let whole = page.plane_bytes() * u64::from(page.samples);
        let inside = |at: usize, offset: &u64| {
            let count = counts.get(at).copied().unwrap_or(whole);
            let end = offset.checked_add(count);
            *offset > 0 && count > 0 && end.is_some_and(|end| end <= self.length)
        };
        let counted = page.counts.is_none() || counts.len() == chunks;
        Ok(offsets.len() == chunks
            && counted
            && offsets
                .iter()
                .enumerate()
                .all(|(at, offset)| inside(at, offset)))
    }

    fn chunk(
        &mut self,
        page: &Page,
        (offset, stored): (u64, u64),
        size: usize,
        stride: usize,
    ) -> Result<(Values, Option<String>), HalError> {
        let most = match page.compression {
            1 => size as u64,
            _ => (size as u64).saturating_mul(2).saturating_add(STORED_SLACK),
        };
        let bytes = self.read(offset, stored.min(most))?;
        let rows = page.chunk.1.min(page.height) as usize;
        let whole = size.max(stride * rows * usize::from(page.bits / 8));
        let (bytes, failure) = codec::decompress(page.compression, bytes, size, whole);
        Ok((
            codec::values(bytes, page, stride, page.interleaved()),
            failure,
        ))
    }

    /// At most `count` bytes from `offset`; fewer at the end of the file.
    fn read(&mut self, offset: u64, count: u64) -> Result<Vec<u8>, HalError> {
        let mut bytes = Vec::new();
        // Some systems refuse to seek far beyond the end.
        if offset >= self.length {
            return Ok(bytes);
        }
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| (&self.file).take(count).read_to_end(&mut bytes))
            .map_err(|error| file_error(&self.path, "read", error))?;
        Ok(bytes)
    }

    fn list(&mut self, page: &Page, list: Option<List>) -> Result<Vec<u64>, HalError> {
        let Some(list) = list else {
            return Ok(Vec::new());
        };
        let size = usize::from(list.size).max(1);
        let bytes = match list.place {
            Ok(offset) => self.read(offset, list.count.saturating_mul(size as u64))?,
            Err(bytes) => bytes.to_vec(),
        };
        let number = |bytes: &[u8]| {
            let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
            match page.big_endian {
                true => bytes.iter().fold(0, fold),
                false => bytes.iter().rev().fold(0, fold),
            }
        };
        Ok(bytes
            .chunks_exact(size)
            .take(list.count as usize)
            .map(number)
            .collect())
    }
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
