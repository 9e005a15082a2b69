//! Float arrays from an uncompressed `.npz` archive, as `numpy.savez` writes it.
//!
//! The archive is in memory and bounded already. Entries that are compressed are refused, so no array can
//! be larger than the archive; a header that claims more than its entry holds is refused before memory is
//! taken for it.

use std::{
    io::{Cursor, Read},
    path::{Path, PathBuf},
};

use ndarray::{Array, ArrayD, ArrayViewD, Dimension};
use ndarray_npy::{ReadNpyExt, ViewNpyError, ViewNpyExt};
use zip::{CompressionMethod, ZipArchive, result::ZipError};

use super::EnsembleError;
use crate::npy;

/// An open archive.
pub(super) struct Npz {
    path: PathBuf,
    length: u64,
    archive: ZipArchive<Cursor<Vec<u8>>>,
}

impl Npz {
    /// Opens the archive `bytes`; `path` is for the errors' sentences.
    pub(super) fn open(bytes: Vec<u8>, path: &Path) -> Result<Self, EnsembleError> {
        let length = bytes.len() as u64;
        let archive =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| EnsembleError::Array {
                path: path.to_owned(),
                reason: format!("it is not a whole .npz archive ({error})"),
            })?;
        Ok(Self {
            path: path.to_owned(),
            length,
            archive,
        })
    }

    /// The float32 array `name`, of as many dimensions as `D`, all finite.
    pub(super) fn array<D: Dimension>(
        &mut self,
        name: &str,
    ) -> Result<Array<f32, D>, EnsembleError> {
        let array = self
            .read(name)
            .and_then(|bytes| parse(&bytes))
            .map_err(|reason| self.wrong(name, &reason))?;
        if array.iter().any(|value| !value.is_finite()) {
            return Err(self.wrong(name, "it has a value that is not finite"));
        }
        let dimensions = array.ndim();
        array.into_dimensionality().map_err(|_| {
            let reason = format!("it has {dimensions} dimensions");
            self.wrong(name, &reason)
        })
    }

    /// The array `name` of exactly this shape.
    pub(super) fn array_of<D: Dimension>(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Array<f32, D>, EnsembleError> {
        let array = self.array(name)?;
        if array.shape() == shape {
            Ok(array)
        } else {
            let reason = format!("it has shape {:?} and {shape:?} is expected", array.shape());
            Err(self.wrong(name, &reason))
        }
    }

    /// An error about the array `name`.
    pub(super) fn wrong(&self, name: &str, reason: &str) -> EnsembleError {
        EnsembleError::Array {
            path: self.path.clone(),
            reason: format!("array `{name}`: {reason}"),
        }
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let mut entry = match self.archive.by_name(&format!("{name}.npy")) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Err("it is missing".to_owned()),
            Err(error) => return Err(error.to_string()),
        };
        if entry.compression() != CompressionMethod::Stored || entry.size() > self.length {
            return Err("it is compressed; write it with numpy.savez".to_owned());
        }
        let mut bytes = Vec::new();
        entry
            .by_ref()
            .take(self.length)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

/// Reads one `.npy`.
fn parse(bytes: &[u8]) -> Result<ArrayD<f32>, String> {
    // The reader takes the memory that the header's length asks for, so it is checked first.
    let (_, header) = npy::preamble(bytes)?;
    if header > bytes.len() as u64 {
        return Err("its header is cut off".to_owned());
    }
    // A view compares the claimed shape with the bytes without taking memory.
    match ArrayViewD::<f32>::view_npy(bytes) {
        Ok(view) => Ok(view.to_owned()),
        Err(ViewNpyError::MisalignedData) => {
            ArrayD::<f32>::read_npy(bytes).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ndarray::{Array2, Ix1, Ix2, array};
    use ndarray_npy::WriteNpyExt;
    use proptest::prelude::*;
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn npy(array: &Array2<f32>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, bytes) in entries {
            writer.start_file(format!("{name}.npy"), stored).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn open(bytes: Vec<u8>) -> Result<Npz, EnsembleError> {
        Npz::open(bytes, Path::new("golden.npz"))
    }

    #[test]
    fn what_was_written_is_read() {
        let values = array![[1.0_f32, -2.5, 3.0], [4.0, 5.0, 6.0]];
        let mut npz = open(archive(&[("a.b", &npy(&values))])).unwrap();
        assert_eq!(npz.array_of::<Ix2>("a.b", &[2, 3]).unwrap(), values);
    }

    #[test]
    fn each_defect_is_told() {
        let values = array![[1.0_f32, 2.0]];
        let good = npy(&values);
        let mut huge = good.clone();
        let text = String::from_utf8_lossy(&good).into_owned();
        let at = text.find("(1, 2)").unwrap() - text.find("NUMPY").unwrap() + 1;
        huge.splice(at..at + 6, *b"(9, 9)");
        let mut header = good.clone();
        header[6] = 2;
        header[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        let nan = npy(&array![[f32::NAN]]);
        let mut doubles = Vec::new();
        array![1.0_f64].write_npy(&mut doubles).unwrap();
        let mut npz = open(archive(&[
            ("good", &good),
            ("huge", &huge),
            ("header", &header),
            ("nan", &nan),
            ("doubles", &doubles),
            ("cut", &good[..good.len() - 1]),
            ("text", b"no array"),
        ]))
        .unwrap();
        for (name, part) in [
            ("absent", "missing"),
            ("huge", "missing"),
            ("header", "cut off"),
            ("nan", "not finite"),
            ("doubles", "f8"),
            ("cut", "missing"),
            ("text", ".npy"),
        ] {
            let sentence = npz.array::<Ix2>(name).unwrap_err().to_string();
            assert!(
                sentence.contains("golden.npz") && sentence.contains(part),
                "{name}: {sentence}"
            );
        }
        assert!(npz.array::<Ix1>("good").is_err());
        assert!(npz.array_of::<Ix2>("good", &[2, 1]).is_err());
        assert!(open(b"PK nothing".to_vec()).is_err());
    }

    proptest! {
        #[test]
        fn a_damaged_archive_never_panics(at in 0_usize..400, to in any::<u8>(), cut in 0_usize..400) {
            let mut bytes = archive(&[("good", &npy(&array![[1.0_f32, 2.0]]))]);
            let length = bytes.len();
            bytes[at % length] = to;
            bytes.truncate(length - cut % length);
            if let Ok(mut npz) = open(bytes) {
                let _ = npz.array::<Ix2>("good");
            }
        }
    }
}
