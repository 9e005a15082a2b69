//! Received maps as files, with the whole header as their description.

use std::path::{Path, PathBuf};

use super::{Blame, Exit, Failure};
use crate::cli::maps;
use crate::stages::publish::{CamMessage, Message};

/// Where maps are written: one folder a run.
#[derive(Debug)]
pub(super) struct MapFolder(PathBuf);

impl MapFolder {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        maps::make(path)?;
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
            .join(maps::plain(map.header.run.as_deref().unwrap_or("none")));
        maps::make(&folder)?;
        let description = serde_json::to_string(map).blame(Exit::Data)?;
        maps::write(&folder, body, &samples, &description)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

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
