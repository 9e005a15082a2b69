//! Maps as files: float32 TIFF with the whole header as its description, and an 8-bit PNG preview.

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

use super::{Blame, Exit, Failure};
use crate::stages::publish::{CamMessage, Message};

/// Longest name that is taken from a message into a file name.
const NAME_LENGTH: usize = 64;

/// Where maps are written: one folder a run.
#[derive(Debug)]
pub(super) struct MapFolder(PathBuf);

impl MapFolder {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self(path.to_owned()))
    }

    /// Writes one map; a payload that is not what its header says is a failure.
    pub(super) fn write(
        &mut self,
        map: &Message<CamMessage>,
        payload: &[u8],
    ) -> Result<(), Failure> {
        let body = &map.body;
        let samples = body.samples(payload).ok_or_else(|| {
            Failure::message(
                Exit::Data,
                format!(
                    "the map with number {} has {} bytes, which is not {:?} samples of {}; are both sides of the \
                     same release?",
                    map.header.seq,
                    payload.len(),
                    body.shape,
                    body.dtype.escape_debug(),
                ),
            )
        })?;
        let folder = self
            .0
            .join(plain(map.header.run.as_deref().unwrap_or("none")));
        fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
        let stem = format!(
            "frame{:06}_field{:03}_cell{:04}_{}_{}",
            body.frame,
            body.field,
            body.cell,
            plain(&body.class),
            plain(&body.member)
        );
        let [height, width] = body.shape;
        let tiff = folder.join(format!("{stem}.tif"));
        let description = serde_json::to_string(map).blame(Exit::Data)?;
        write_tiff(&tiff, width, height, &samples, &description)
            .map_err(|error| unwritable(&tiff, &error))?;
        let png = folder.join(format!("{stem}.png"));
        let grey = samples
            .iter()
            .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8);
        let preview = GrayImage::from_raw(width, height, grey.collect()).unwrap_or_default();
        preview.save(&png).map_err(|error| unwritable(&png, &error))
    }
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
fn plain(name: &str) -> String {
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

fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::message(
        Exit::Io,
        format!("{} cannot be written: {error}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use senescope_hal::HostInstant;

    use super::*;
    use crate::stages::publish::{Header, Kind, VERSION, message::DTYPE};

    fn map(run: &str) -> Message<CamMessage> {
        Message {
            header: Header {
                v: VERSION,
                kind: Kind::Cam,
                epoch: "e".to_owned(),
                seq: 1,
                run: Some(run.to_owned()),
                t_acq_ns: None,
                t_pub_ns: HostInstant(0),
                model: None,
                config: None,
            },
            body: CamMessage {
                label_seq: 1,
                frame: 2,
                field: 3,
                cell: 4,
                class: "senescent".to_owned(),
                member: "../../mean".to_owned(),
                bbox: [0.0, 0.0, 2.0, 2.0],
                dtype: DTYPE.to_owned(),
                shape: [1, 2],
                enc: "raw".to_owned(),
                range: [0.0, 1.0],
                t_acq_ns: None,
                payload: Vec::new(),
            },
        }
    }

    #[test]
    fn a_map_is_written_to_the_bit_and_stays_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let values = [0.25_f32, 1.0];
        let payload: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        MapFolder::create(folder.path())
            .unwrap()
            .write(&map("../up"), &payload)
            .unwrap();
        let written = folder.path().join("---up");
        let stem = "frame000002_field003_cell0004_senescent_------mean";
        let mut tiff = tiff::decoder::Decoder::new(
            File::open(written.join(format!("{stem}.tif")))
                .map(std::io::BufReader::new)
                .unwrap(),
        )
        .unwrap();
        let tiff::decoder::DecodingResult::F32(read) = tiff.read_image().unwrap() else {
            panic!("not float32")
        };
        assert_eq!(read, values);
        let png = image::open(written.join(format!("{stem}.png")))
            .unwrap()
            .into_luma8();
        assert_eq!(png.into_raw(), [64, 255]);
    }

    #[test]
    fn a_payload_of_another_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let failure = MapFolder::create(folder.path())
            .unwrap()
            .write(&map("r"), &[0; 9])
            .unwrap_err();
        assert_eq!(failure.exit, Exit::Data);
    }
}
