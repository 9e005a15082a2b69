//! Groups and arrays of Zarr version 3 in a folder, as an image needs them: regular chunks, gzip, zero where nothing is.
//!
//! Source: the Zarr core specification 3.0 and its codecs `bytes` and `gzip`. Written by hand because the crate `zarrs`
//! would change how the whole program writes JSON; see `deploy/docs/adr/0002-zarr-by-hand.md`.
//!
//! Planes are written as they come and the shape at the end, so that the number of frames need not be known before.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::{ExportError, error::unwritable};

/// Longest edge of a chunk in pixels: 2 MiB of 16 bits, which viewers over a network take at once.
const CHUNK_EDGE: u32 = 1024;
/// Noise compresses little, at any level.
const LEVEL: u32 = 3;
/// Describes a group or an array.
pub(super) const METADATA: &str = "zarr.json";

/// A sample of an array.
pub(super) trait Sample: Copy + Default + PartialEq {
    /// Its type as Zarr names it.
    const NAME: &str;
    /// Appends it, little-endian.
    fn put(self, bytes: &mut Vec<u8>);
}

macro_rules! sample {
    ($type:ty, $name:literal) => {
        impl Sample for $type {
            const NAME: &str = $name;
            fn put(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    };
}
sample!(u8, "uint8");
sample!(u16, "uint16");
sample!(u32, "uint32");
sample!(f32, "float32");

/// Makes the folder of a group; `attributes` are those of its metadata.
pub(super) fn write_group(folder: &Path, attributes: &Value) -> Result<(), ExportError> {
    write_json(
        folder,
        &json!({"zarr_format": 3, "node_type": "group", "attributes": attributes}),
    )
}

fn write_json(folder: &Path, value: &Value) -> Result<(), ExportError> {
    let path = folder.join(METADATA);
    let text =
        serde_json::to_vec_pretty(value).map_err(|error| ExportError::Defect(error.to_string()))?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| unwritable(&path, &error))
}

/// An array with the axes t, c, z, y, x whose z has one plane.
#[derive(Debug)]
pub(super) struct Array {
    folder: PathBuf,
    channels: usize,
    /// Columns, rows.
    size: [u32; 2],
    chunk: [u32; 2],
}

impl Array {
    /// An array in `folder` of planes with `width` × `height` samples.
    pub(super) fn new(folder: PathBuf, channels: usize, width: u32, height: u32) -> Self {
        Self {
            folder,
            channels,
            size: [width, height],
            chunk: [width, height].map(|edge| edge.clamp(1, CHUNK_EDGE)),
        }
    }

    /// Writes the plane of channel `c` at index `t`, row by row.
    pub(super) fn write_plane<S: Sample>(
        &self,
        t: usize,
        c: usize,
        samples: &[S],
    ) -> Result<(), ExportError> {
        let [width, height] = self.size;
        let [across, down] = self.chunk;
        for (row, y) in (0..height).step_by(down as usize).enumerate() {
            for (column, x) in (0..width).step_by(across as usize).enumerate() {
                let path = self.folder.join(format!("c/{t}/{c}/0/{row}/{column}"));
                let bytes = self.chunk(samples, x, y);
                // What is not there is zero.
                if let Some(bytes) = bytes {
                    write_chunk(&path, &bytes).map_err(|error| unwritable(&path, &error))?;
                }
            }
        }
        Ok(())
    }

    /// The samples of the chunk at `x`, `y`, which goes on with zeros beyond the plane; `None` when all are zero.
    fn chunk<S: Sample>(&self, samples: &[S], x: u32, y: u32) -> Option<Vec<u8>> {
        let ([width, height], [across, down]) = (self.size, self.chunk);
        let mut bytes = Vec::with_capacity(across as usize * down as usize * size_of::<S>());
        let mut empty = true;
        for row in y..y + down {
            let start = row as usize * width as usize + x as usize;
            let there = across.min(width - x) as usize;
            let line = match row < height {
                true => samples.get(start..start + there).unwrap_or_default(),
                false => &[],
            };
            for sample in line {
                empty &= *sample == S::default();
                sample.put(&mut bytes);
            }
            for _ in line.len()..across as usize {
                S::default().put(&mut bytes);
            }
        }
        (!empty).then_some(bytes)
    }

    /// Writes the metadata, once all of `frames` planes are written.
    pub(super) fn close<S: Sample>(&self, frames: usize) -> Result<(), ExportError> {
        let ([width, height], [across, down]) = (self.size, self.chunk);
        write_json(
            &self.folder,
            &json!({
                "zarr_format": 3,
                "node_type": "array",
                "shape": [frames, self.channels, 1, height, width],
                "data_type": S::NAME,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1, 1, down, across]}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "fill_value": 0,
                "codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "gzip", "configuration": {"level": LEVEL}},
                ],
                "dimension_names": ["t", "c", "z", "y", "x"],
                "attributes": {},
            }),
        )
    }
}

fn write_chunk(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(bytes)?;
    fs::write(path, encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_plane_is_cut_into_chunks_of_one_size() {
        let folder = tempfile::tempdir().unwrap();
        let array = Array::new(folder.path().join("0"), 1, 1500, 3);
        let samples: Vec<u16> = (0..4500)
            .map(|index| if index % 1500 < 1024 { 0 } else { 7 })
            .collect();
        array.write_plane(0, 0, &samples).unwrap();
        array.close::<u16>(1).unwrap();
        let chunk = |name: &str| fs::read(folder.path().join("0/c/0/0/0").join(name));
        assert!(chunk("0/0").is_err(), "all zero");
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*chunk("0/1").unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
        let row: Vec<u8> = [[7, 0]; 476]
            .into_iter()
            .chain([[0, 0]; 548])
            .flatten()
            .collect();
        assert_eq!(bytes, row.repeat(3));
    }
}
