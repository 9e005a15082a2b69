//! Writes what a recording says in the forms of other people's software.
//!
//! | form | what | where |
//! |---|---|---|
//! | Parquet, CSV | a row a cell and frame, units in the metadata of the columns and in their names | [`columns`] |
//! | GeoJSON | a cell a feature, as QuPath reads it; a file a frame | [`geojson`] |
//! | OME-Zarr 0.5 | the frames that were kept, and label images of their cells | [`ome_zarr`] |
//!
//! The lines of a recording are read once, in order, and what is written is in memory for one frame (or one row group)
//! at a time, however long the recording is. A damaged line is told and counted, and the rest is exported. The output
//! has a temporary name until it is whole; the recording is never written.
//!
//! Maps are in the image of OME-Zarr when they were recorded.

mod classes;
pub mod columns;
mod error;
mod form;
pub mod geojson;
mod maps;
mod ome_metadata;
pub mod ome_zarr;
mod outline;
mod output;
mod report;
mod table_csv;
mod table_parquet;
mod walk;
mod zarr;

use std::path::PathBuf;

pub use error::ExportError;
pub use form::Form;
pub use report::Report;
pub use walk::FrameHead;

use crate::recording::Recording;
use output::Output;

/// What is to be exported.
#[derive(Clone, Debug)]
pub struct Request {
    /// As what.
    pub form: Form,
    /// Where: a file, or a folder where [`Form::is_folder`] says so.
    pub out: PathBuf,
    /// Only this frame of the run; a single file of GeoJSON then.
    pub frame: Option<u64>,
    /// Replace an earlier export at `out`.
    pub force: bool,
    /// Write nothing when a line or a frame cannot be read.
    pub strict: bool,
}

/// Writes `recording` as `request` says. `each_frame` is called after every frame.
///
/// # Errors
/// [`ExportError`]; nothing is at the place of the output then but what was there before.
pub fn export(
    recording: &Recording,
    request: &Request,
    each_frame: &mut dyn FnMut(),
) -> Result<Report, ExportError> {
    let single = request.frame.is_some();
    let output = Output::claim(
        &request.out,
        request.form.is_folder(single).then_some(request.form),
        request.force,
        recording.folder(),
    )?;
    let mut report = Report::new(recording);
    let exporter = request.form.exporter(recording, output.partial(), single)?;
    walk::walk(recording, request.frame, exporter, &mut report, each_frame)?;
    if request.form.is_hollow(&report) {
        return Err(ExportError::NothingRead {
            folder: recording.folder().to_owned(),
            first: report.problems.first().cloned().unwrap_or_default(),
        });
    }
    if request.strict && report.problem_count > 0 {
        return Err(ExportError::Strict {
            problems: report.problem_count,
            first: report.problems.first().cloned().unwrap_or_default(),
        });
    }
    output.publish()?;
    Ok(report)
}
