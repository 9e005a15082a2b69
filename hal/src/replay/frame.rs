//! One decoded frame, and the reader that fills it.

use std::path::Path;

use super::{
    file::{Chunk, TiffFile, malformed},
    files::Files,
    limits::MAX_SAMPLES,
    plane::Rule,
    stack::PlaneRef,
};
use crate::{ErrorKind, HalError};

/// The counts of one plane, with the rows that could be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plane {
    pub(crate) counts: Vec<u16>,
    /// Per row: every sample was read.
    pub(crate) whole: Vec<bool>,
    /// Why rows are missing, of the first that are.
    pub(crate) failure: Option<String>,
}

/// Reads planes; keeps as many files open as a frame can have channels.
#[derive(Default)]
pub(crate) struct PlaneReader {
    open: Vec<(u32, TiffFile)>,
}

impl PlaneReader {
    /// Gives the chunks of a plane to `visit`.
    ///
    /// # Errors
    /// When the file or the page cannot be read, or `visit` fails.
    pub(crate) fn visit(
        &mut self,
        files: &Files,
        plane: PlaneRef,
        visit: &mut dyn FnMut(&Path, Chunk) -> Result<(), HalError>,
    ) -> Result<(), HalError> {
        let Some(source) = files.get(plane.file) else {
            return Ok(());
        };
        let index = plane.page as usize;
        let Some(page) = source.page(index) else {
            return Err(malformed(&source.path, format!("it has no page {index}")));
        };
        let at = match self
            .open
            .iter()
            .position(|(number, _)| *number == plane.file)
        {
            Some(at) => at,
            None => {
                if self.open.len() >= MAX_SAMPLES as usize {
                    self.open.remove(0);
                }
                self.open.push((plane.file, TiffFile::open(&source.path)?));
                self.open.len() - 1
            }
        };
        let Some((_, file)) = self.open.get_mut(at) else {
            return Ok(());
        };
        let visit = &mut |chunk| visit(&source.path, chunk);
        match source.raw {
            Some(raw) => {
                let offset = raw.offset + index as u64 * page.plane_bytes();
                file.visit_raw(page, offset, visit)
            }
            None => file.visit(page, plane.sample, visit),
        }
    }

    /// Decodes a plane of `width` × `height` samples into `out`.
    ///
    /// # Errors
    /// When the file or the page cannot be read; chunks that cannot are told in `out`.
    pub(crate) fn decode(
        &mut self,
        files: &Files,
        plane: PlaneRef,
        rule: &Rule,
        (width, height): (u32, u32),
        out: &mut Plane,
    ) -> Result<(), HalError> {
        let row_samples = width as usize;
        out.counts.clear();
        out.counts.resize(row_samples * height as usize, 0);
        out.whole.clear();
        out.whole.resize(height as usize, true);
        out.failure = None;
        let record = files.get(plane.file).and_then(|file| file.record.as_ref());
        for rows in record.iter().flat_map(|record| &record.missing) {
            let rows = rows.start.min(height) as usize..rows.end.min(height) as usize;
            if let Some(whole) = out.whole.get_mut(rows) {
                whole.fill(false);
            }
        }
        self.visit(files, plane, &mut |_, chunk| {
            let columns = chunk.x as usize..(chunk.x + chunk.width) as usize;
            for row in 0..chunk.height {
                let y = (chunk.y + row) as usize;
                let start = y * row_samples;
                let target = out
                    .counts
                    .get_mut(start + columns.start..start + columns.end);
                let read = target.is_some_and(|target| chunk.counts(row, rule, target));
                if !read && let Some(whole) = out.whole.get_mut(y) {
                    *whole = false;
                }
            }
            if let (Some(reason), None) = (chunk.failure, &out.failure) {
                out.failure = Some(format!("the strip at row {}: {reason}", chunk.y));
            }
            Ok(())
        })
    }

    /// Widens `range` by all samples of a plane. What cannot be decoded is passed over.
    ///
    /// # Errors
    /// `Malformed` naming the first sample that is not a number; or when the file is gone.
    pub(crate) fn widen(
        &mut self,
        files: &Files,
        plane: PlaneRef,
        range: &mut (f64, f64),
    ) -> Result<(), HalError> {
        let mut found = None;
        let read = self.visit(files, plane, &mut |path, chunk| {
            for row in 0..chunk.height {
                if let (Err((column, value)), None) = (chunk.widen(row, range), &found) {
                    let (row, column) = (chunk.y + row, chunk.x + column);
                    let place = format!("page {}, row {row}, column {column}", plane.page);
                    let todo = "write a number in place of what was not measured";
                    found = Some(malformed(path, format!("{place} is {value}; {todo}")));
                }
            }
            Ok(())
        });
        match (found, read) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if error.kind() == ErrorKind::Malformed => Ok(()),
            (None, read) => read,
        }
    }
}
