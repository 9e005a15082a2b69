//! `senescope export`: a recording for other people's software.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::{Exit, Failure, output};
use crate::{
    export::{ExportError, Form, Report, Request, export},
    recording::Recording,
};

/// Problems that are printed.
const PRINTED: usize = 50;

/// Export a recording for other software: tables, outlines, images.
///
/// parquet and csv: one row a cell and frame. Units are in the metadata of the Parquet columns and in names:
/// _px pixels, _um µm, _um2 µm², _ns nanoseconds; entropy and mutual_information are in bits, and probabilities,
/// spread and ood have no unit. What was not measured is null, in CSV nothing between the commas. Flags are joined
/// by ;.
///
/// geojson: outlines and classes as QuPath reads them, a folder with a file a frame, or one file with --frame.
/// Coordinates are pixels of the frame's image; polygons go along the edges of pixels, and pixel (0, 0) spans 0 to 1.
///
/// ome-zarr: the frames that were kept, and label images of cells (number plus 1) and classes, as OME-Zarr 0.5 (Zarr 3),
/// axes TCZYX, a frame each T; and an image of the maps, when they were recorded (record.maps).
///
/// A damaged line, as a killed program leaves it at the end, is told on standard error and counted, and the rest is
/// exported with exit code 0; with --strict nothing is written then and the exit code is 65. It is also 65 when nothing
/// could be read. The output has a hidden temporary name until it is whole, and the recording is never written. Example:
/// senescope export recordings/2026-11-23T05-17-38-26e54f93 --format parquet --out cells.parquet
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder of one recording: it has a run.json
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// As what
    #[arg(long, value_enum)]
    format: FormatName,
    /// Where: a new file, or a new folder where the format needs several files
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Only this frame of the run, from 0
    #[arg(long, value_name = "N")]
    frame: Option<u64>,
    /// Replace what an earlier export wrote to --out
    #[arg(long)]
    force: bool,
    /// Write nothing when a line or a frame of the recording cannot be read
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    Parquet,
    Csv,
    Geojson,
    OmeZarr,
}

impl From<FormatName> for Form {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Parquet => Self::Parquet,
            FormatName::Csv => Self::Csv,
            FormatName::Geojson => Self::GeoJson,
            FormatName::OmeZarr => Self::OmeZarr,
        }
    }
}

pub(crate) fn run(arguments: &ExportArgs) -> Result<Exit, Failure> {
    let recording = Recording::open(&arguments.run)?;
    let request = Request {
        form: arguments.format.into(),
        out: arguments.out.clone(),
        frame: arguments.frame,
        force: arguments.force,
        strict: arguments.strict,
    };
    let end = recording.run().recording.as_ref();
    let progress = match (request.frame, end) {
        (None, Some(end)) => ProgressBar::new(end.frames),
        _ => ProgressBar::no_length(),
    };
    let report = export(&recording, &request, &mut || progress.inc(1));
    progress.finish_and_clear();
    let report = report?;
    tell(&report);
    output::line(&summary(&report, &request))?;
    Ok(Exit::Done)
}

/// What a careful reader should know, on standard error.
fn tell(report: &Report) {
    for note in &report.notes {
        output::note(&format!("senescope: {note}"));
    }
    for problem in report.problems.iter().take(PRINTED) {
        output::note(&format!("senescope: left out: {problem}"));
    }
    let more = report.problem_count.saturating_sub(PRINTED as u64);
    if more > 0 {
        output::note(&format!("senescope: and {more} other problem(s)"));
    }
}

fn summary(report: &Report, request: &Request) -> String {
    let mut text = format!(
        "{} cell(s) of {} frame(s) in {}",
        report.cells,
        report.frames,
        request.out.display()
    );
    if report.not_kept > 0 {
        text.push_str(&format!(
            "; {} frame(s) have no image: they were not kept",
            report.not_kept
        ));
    }
    if report.problem_count > 0 {
        text.push_str(&format!(
            "; {} line(s) or frame(s) left out: they cannot be read",
            report.problem_count
        ));
    }
    text
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let exit = match error {
            ExportError::Recording(error) => return error.into(),
            ExportError::Exists(_)
            | ExportError::Foreign(_)
            | ExportError::InRecording(_)
            | ExportError::NoName(_) => Exit::Usage,
            ExportError::NoFrame { .. } | ExportError::NoImage(_) => Exit::NoInput,
            ExportError::NothingRead { .. }
            | ExportError::Strict { .. }
            | ExportError::Column(_) => Exit::Data,
            ExportError::Write { .. } => Exit::Io,
            ExportError::Defect(_) => Exit::Software,
        };
        Self::new(exit, error)
    }
}
