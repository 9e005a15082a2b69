//! Grad-CAM maps as files: float32 TIFF with a description, and an 8-bit PNG preview.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use image::GrayImage;
use tiff::{
    encoder::{TiffEncoder, colortype::Gray32Float},
    tags::Tag,
};

use super::{Blame, Exit, Failure, output::unwritable};
use crate::{
    pipeline::{Classified, Sink, SinkError},
    stages::publish::CamMessage,
};

/// Longest name that is taken from a message into a file name.
const NAME_LENGTH: usize = 64;

/// Makes `folder` if need be.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
}

/// Writes the map that `cam` describes, `samples` row by row in [0, 1], as TIFF and PNG into `folder`.
pub(crate) fn write(
    folder: &Path,
    cam: &CamMessage,
    samples: &[f32],
    description: &str,
) -> Result<(), Failure> {
    let stem = format!(
        "frame{:06}_field{:03}_cell{:04}_{}_{}",
        cam.frame,
        cam.field,
        cam.cell,
        plain(&cam.class),
        plain(&cam.member)
    );
    let [height, width] = cam.shape;
    let tiff = folder.join(format!("{stem}.tif"));
    write_tiff(&tiff, width, height, samples, description)
        .map_err(|error| unwritable(&tiff, &error))?;
    let png = folder.join(format!("{stem}.png"));
    let grey = samples
        .iter()
        .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8);
    let preview = GrayImage::from_raw(width, height, grey.collect()).unwrap_or_default();
    preview.save(&png).map_err(|error| unwritable(&png, &error))
}

fn write_tiff(
    path: &Path,
    width: u32,
    height: u32,
    samples: &[f32],
    description: &str,
) -> tiff::TiffResult<()> {
    let mut encoder = TiffEncoder::new(BufWriter::new(File::create(path)?))?;
    let mut image = encoder.new_image::<Gray32Float>(width, height)?;
    // TIFF text is ASCII.
    let ascii: String = description
        .chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect();
    image
        .encoder()
        .write_tag(Tag::ImageDescription, ascii.as_str())?;
    image.write_data(samples)
}

/// `name` with nothing in it that means something in a path.
pub(crate) fn plain(name: &str) -> String {
    name.chars()
        .take(NAME_LENGTH)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect()
}

/// A sink that writes the map of every cell into a folder.
pub(crate) struct MapFiles(PathBuf);

impl MapFiles {
    pub(crate) fn create(folder: &Path) -> Result<Self, Failure> {
        make(folder)?;
        Ok(Self(folder.to_owned()))
    }
}

impl Sink for MapFiles {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        for map in &classified.maps {
            // Nothing is published here: there is no label to refer to, and no time to compare.
            let cam = CamMessage::new(0, &classified.cell, classified.window, map, None);
            let samples: Vec<f32> = map.values.iter().copied().collect();
            serde_json::to_string(&cam)
                .blame(Exit::Software)
                .and_then(|description| write(&self.0, &cam, &samples, &description))?;
        }
        Ok(())
    }
}
