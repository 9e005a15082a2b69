//! The forms that are written.

use std::{fs, path::Path};

use super::{
    ExportError, Report,
    geojson::{GeoJson, SUFFIX},
    ome_zarr::OmeZarr,
    table_csv::CsvTable,
    table_parquet::ParquetTable,
    walk::Exporter,
    zarr::METADATA,
};
use crate::recording::Recording;

/// As what a recording is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table: Apache Parquet with Snappy compression.
    Parquet,
    /// A table: comma-separated values (RFC 4180).
    Csv,
    /// Outlines and classes as `QuPath` reads them; a folder with a file a frame, or a file for a single frame.
    GeoJson,
    /// Frames and label images as OME-Zarr 0.5, which is Zarr 3; a folder.
    OmeZarr,
}

impl Form {
    /// Whether the output is a folder; `single` when only one frame is exported.
    pub fn is_folder(self, single: bool) -> bool {
        match self {
            Self::Parquet | Self::Csv => false,
            Self::GeoJson => !single,
            Self::OmeZarr => true,
        }
    }

    /// What writes the form to `out`.
    pub(super) fn exporter(
        self,
        recording: &Recording,
        out: &Path,
        single: bool,
    ) -> Result<Box<dyn Exporter>, ExportError> {
        Ok(match self {
            Self::Parquet => Box::new(ParquetTable::create(recording, out)?),
            Self::Csv => Box::new(CsvTable::create(recording, out)?),
            Self::GeoJson => Box::new(GeoJson::create(recording, out, single)?),
            Self::OmeZarr => Box::new(OmeZarr::create(recording, out)),
        })
    }

    /// Whether there was something for the form, and nothing of it could be read.
    pub(super) fn is_hollow(self, report: &Report) -> bool {
        match self {
            Self::Parquet | Self::Csv | Self::GeoJson => report.all_labels_lost,
            Self::OmeZarr => report.frames == 0,
        }
    }

    /// Whether the folder `place` is an earlier export of this form.
    pub(super) fn is_at(self, place: &Path) -> bool {
        match self {
            Self::Parquet | Self::Csv => false,
            Self::GeoJson => fs::read_dir(place).is_ok_and(|mut entries| {
                entries.all(|entry| {
                    entry.is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX))
                })
            }),
            Self::OmeZarr => fs::read(place.join(METADATA))
                .ok()
                .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
                .is_some_and(|group| group.pointer("/attributes/senescope/run").is_some()),
        }
    }
}
