//! Reads one plane of counts, for masks and tools.

use std::path::Path;

use crate::{
    HalError,
    replay::{file, page::SampleKind, plane::Rule},
};

/// Width, height and counts (row by row) of the first page of the file at `path`, which must have
/// unsigned samples of 8 or 16 bits, one a pixel.
///
/// # Errors
/// `NotFound`, `Io`, or `Malformed` naming the file.
pub fn read_u16_plane(path: &Path) -> Result<(u32, u32, Vec<u16>), HalError> {
    let directories = file::directories(path)?;
    let Some(page) = directories.pages.first() else {
        return Err(file::malformed(path, "it has no pages"));
    };
    let rule = match (page.kind(), page.samples) {
        (Ok(kind @ SampleKind::Unsigned(_)), 1) => Rule::of(kind),
        _ => None,
    };
    let Some(rule) = rule else {
        return Err(file::malformed(
            path,
            "it is not a grey image of 8 or 16 bits",
        ));
    };
    let mut counts = vec![0_u16; page.width as usize * page.height as usize];
    file::TiffFile::open(path)?.visit(page, 0, &mut |chunk| {
        for row in 0..chunk.height {
            let start = (chunk.y + row) as usize * page.width as usize + chunk.x as usize;
            let out = counts
                .get_mut(start..start + chunk.width as usize)
                .unwrap_or_default();
            if !chunk.counts(row, &rule, out) {
                return Err(file::malformed(path, chunk.failure.unwrap_or_default()));
            }
        }
        Ok(())
    })?;
    Ok((page.width, page.height, counts))
}
