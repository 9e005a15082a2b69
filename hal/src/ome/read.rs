//! Reads planes of counts, for masks, tools and exports.

use std::path::Path;

use super::OmeDocument;
use crate::{
    ChannelName, HalError,
    replay::{
        file,
        page::{Page, SampleKind},
        plane::Rule,
    },
};

/// The channels of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmeFrame {
    /// Samples in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Each channel with its counts, row by row, in the order of the file.
    pub channels: Vec<(ChannelName, Vec<u16>)>,
}

/// Reads a frame as [`write_ome_tiff`](super::write_ome_tiff) writes it: one image, one named channel a page. Rows that
/// were missing are zero.
///
/// # Errors
/// `NotFound`, `Io`, or `Malformed` naming the file.
pub fn read_ome_frame(path: &Path) -> Result<OmeFrame, HalError> {
    let directories = file::directories(path)?;
    let description = directories.description.as_deref().unwrap_or_default();
    let document =
        OmeDocument::parse(description).map_err(|reason| file::malformed(path, reason))?;
    let [image] = document.images.as_slice() else {
        return Err(file::malformed(path, "it does not have one image"));
    };
    let names: Option<Vec<_>> = image
        .channels
        .iter()
        .map(|channel| channel.name.as_deref().map(ChannelName::from))
        .collect();
    let (Some(names), Some(first)) = (names, directories.pages.first()) else {
        return Err(file::malformed(path, "its channels have no names"));
    };
    let (width, height) = (first.width, first.height);
    let same = |page: &Page| (page.width, page.height) == (width, height);
    if names.len() != directories.pages.len() || !directories.pages.iter().all(same) {
        return Err(file::malformed(
            path,
            "it does not have one page of equal size a channel",
        ));
    }
    let channels = names
        .into_iter()
        .zip(&directories.pages)
        .map(|(name, page)| Ok((name, counts(path, page)?)))
        .collect::<Result<_, HalError>>()?;
    Ok(OmeFrame {
        width,
        height,
        channels,
    })
}

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
    Ok((page.width, page.height, counts(path, page)?))
}

fn counts(path: &Path, page: &Page) -> Result<Vec<u16>, HalError> {
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
    Ok(counts)
}
