//! Float arrays into an uncompressed `.npz` archive, as `numpy.savez` writes it.

use std::io::{Cursor, Write};

use ndarray::ArrayViewD;
use ndarray_npy::WriteNpyExt;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::TrainError;

/// The bytes of an archive of named arrays. They follow from the arrays: no time is written.
///
/// # Errors
/// When an array cannot be written, which in memory it always can.
pub(super) fn archive(arrays: &[(String, ArrayViewD<'_, f32>)]) -> Result<Vec<u8>, TrainError> {
    let broken = |error: &dyn std::fmt::Display| TrainError::Arithmetic(error.to_string());
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        let mut bytes = Vec::new();
        array
            .write_npy(&mut bytes)
            .map_err(|error| broken(&error))?;
        writer
            .start_file(format!("{name}.npy"), options)
            .map_err(|error| broken(&error))?;
        writer.write_all(&bytes).map_err(|error| broken(&error))?;
    }
    let bytes = writer.finish().map_err(|error| broken(&error))?;
    Ok(bytes.into_inner())
}
