//! The maps of a frame as a TIFF of 32-bit floating point: a page a map, told by its description.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::Path,
};

use ndarray::Array2;
use tiff::{
    TiffError,
    decoder::{Decoder, DecodingResult, Limits},
    encoder::{TiffEncoder, colortype::Gray32Float},
    tags::Tag,
};

use super::MapPage;

/// Most maps of a frame: each of ten members on each of ten thousand cells.
const MAX_MAPS: usize = 100_000;
/// Longest edge of a map in pixels: networks see tiles of a few hundred.
const MAX_EDGE: u32 = 4096;

/// Why maps were not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapsError {
    /// It is no TIFF, or one that cannot be decoded.
    #[error(transparent)]
    Tiff(#[from] TiffError),
    /// A page is no map.
    #[error("page {page} is no map of a recording: {reason}")]
    Page {
        /// The page, from 0.
        page: usize,
        /// Why.
        reason: String,
    },
}

/// Writes maps to `path`, as a whole: rows × columns each.
pub(crate) fn write_maps(path: &Path, maps: &[(MapPage, &Array2<f32>)]) -> Result<(), TiffError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.part"));
    let mut file = BufWriter::new(File::create(&temporary)?);
    let mut encoder = TiffEncoder::new(&mut file)?;
    for (page, values) in maps {
        let (rows, columns) = values.dim();
        let edge = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut image = encoder.new_image::<Gray32Float>(edge(columns), edge(rows))?;
        // TIFF text is ASCII, and so is JSON but for the names of members and classes.
        let text = serde_json::to_string(page).map_err(std::io::Error::from)?;
        let ascii: String = text
            .chars()
            .map(|c| if c.is_ascii() { c } else { '?' })
            .collect();
        image
            .encoder()
            .write_tag(Tag::ImageDescription, ascii.as_str())?;
        let samples: Vec<f32> = values.iter().copied().collect();
        image.write_data(&samples)?;
    }
    file.flush()?;
    file.get_ref().sync_all()?;
    drop(file);
    Ok(fs::rename(&temporary, path)?)
}

/// Reads the maps in `path`, in the order in which they were recorded: rows × columns each.
///
/// # Errors
/// [`MapsError`].
pub fn read_maps(path: &Path) -> Result<Vec<(MapPage, Array2<f32>)>, MapsError> {
    let file = BufReader::new(File::open(path).map_err(TiffError::from)?);
    let mut decoder = Decoder::new(file)?.with_limits(Limits::default());
    let mut maps = Vec::new();
    loop {
        let wrong = |reason: String| MapsError::Page {
            page: maps.len(),
            reason,
        };
        let (width, height) = decoder.dimensions()?;
        if width > MAX_EDGE || height > MAX_EDGE || maps.len() >= MAX_MAPS {
            return Err(wrong(format!(
                "it has {width} × {height} samples; at most {MAX_EDGE} × {MAX_EDGE} of {MAX_MAPS} maps are read"
            )));
        }
        let text = decoder.get_tag_ascii_string(Tag::ImageDescription)?;
        let page: MapPage =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let DecodingResult::F32(samples) = decoder.read_image()? else {
            return Err(wrong("its samples are not float32".to_owned()));
        };
        let values = Array2::from_shape_vec((height as usize, width as usize), samples)
            .map_err(|error| wrong(error.to_string()))?;
        maps.push((page, values));
        if !decoder.more_images() {
            return Ok(maps);
        }
        decoder.next_image()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_come_back_with_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("maps-00000003.tif");
        let page = |cell, member: &str| MapPage {
            cell,
            member: member.to_owned(),
            class: "senescent".to_owned(),
            bbox: [-3.5, 2.0, 256.25, 256.25],
            range: [-0.125, 2.5],
        };
        let values = |first: f32| {
            Array2::from_shape_fn((5, 7), |(row, column)| {
                first + (row * 7 + column) as f32 / 35.0
            })
        };
        let maps = [
            (page(0, "mean"), values(0.0)),
            (page(4, "spread"), values(-1.0)),
        ];
        let given: Vec<_> = maps
            .iter()
            .map(|(page, values)| (page.clone(), values))
            .collect();
        write_maps(&path, &given).unwrap();
        assert_eq!(read_maps(&path).unwrap(), maps);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let bytes = fs::read(&path).unwrap();
        for length in (0..bytes.len()).step_by(17) {
            fs::write(&path, &bytes[..length]).unwrap();
            // What is left of it may be a whole page; it is never another one.
            if let Ok(read) = read_maps(&path) {
                assert!(maps.starts_with(&read));
            }
        }
    }
}
