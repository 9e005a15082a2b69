//! Cells as QuPath reads them: GeoJSON (RFC 7946), a feature a cell, a file a frame.
//!
//! Coordinates are pixels of the frame's image. A polygon goes along the edges of the cell's pixels, and pixel (0, 0)
//! spans 0 to 1, as in QuPath; nothing has to be added. What the file is of is in its member `senescope`. Measurements
//! have the names of the [`columns`](super::columns) of the tables.
//!
//! Source: `PathObjectTypeAdapters` of QuPath 0.4 and later, for the names of the properties.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    ExportError, Report, classes,
    columns::{Column, Kind, Row, Value, columns},
    error::unwritable,
    outline::Region,
    walk::{Exporter, FrameHead},
};
use crate::{
    digest::sha256_hex,
    recording::{LabelLine, Recording, RunFile},
};

/// Ends the names of the files.
pub(super) const SUFFIX: &str = ".geojson";

/// Files that are being written.
pub(super) struct GeoJson {
    run: RunFile,
    /// What is measured of a cell.
    columns: Vec<Column>,
    /// A file, or the folder of a file a frame.
    out: PathBuf,
    single: bool,
    file: Option<(BufWriter<File>, PathBuf)>,
    /// Features in the file so far.
    features: u64,
}

impl GeoJson {
    /// Writes to the file `out` when `single`, and into the folder `out` otherwise.
    pub(super) fn create(
        recording: &Recording,
        out: &Path,
        single: bool,
    ) -> Result<Self, ExportError> {
        let mut columns = columns(recording.run())?;
        columns.retain(|column| matches!(column.kind, Kind::F32 | Kind::F64));
        Ok(Self {
            run: recording.run().clone(),
            columns,
            out: out.to_owned(),
            single,
            file: None,
            features: 0,
        })
    }

    fn put(&mut self, text: &[&[u8]]) -> Result<(), ExportError> {
        let Some((file, path)) = &mut self.file else {
            return Err(ExportError::Defect(
                "a cell came before its frame".to_owned(),
            ));
        };
        let mut pieces = text.iter();
        let written = pieces.try_for_each(|piece| file.write_all(piece));
        written.map_err(|error| unwritable(path, &error))
    }

    fn feature(
        &self,
        frame: &FrameHead,
        label: &LabelLine,
        region: &Region,
    ) -> Result<Vec<u8>, ExportError> {
        let (cell, class) = (label.label.cell, label.label.label);
        let row = Row {
            run: &self.run,
            frame,
            label,
        };
        let measured = self.columns.iter().filter_map(|column| {
            let number = match column.value(row) {
                Value::F32(number) => Number::F32(number),
                Value::F64(number) => Number::F64(number),
                // QuPath takes what is not there as not measured.
                _ => return None,
            };
            Some((column.name.as_str(), number))
        });
        let about = [
            ("run", self.run.run.clone()),
            ("frame", frame.frame.to_string()),
            ("field", label.label.field.to_string()),
            ("cell", cell.to_string()),
            ("seq", label.seq.to_string()),
            ("flags", label.label.flags.names().join(";")),
            ("model", self.run.context.model.clone()),
            ("config", frame.config(&self.run).to_owned()),
        ];
        json(&Feature {
            kind: "Feature",
            id: identity(&self.run.run, frame.frame, cell),
            geometry: Geometry::of(region.rings()),
            properties: Properties {
                object_type: "cell",
                name: format!("cell {cell}"),
                classification: Classification {
                    name: classes::name(class),
                    color: classes::colour(class),
                },
                measurements: measured.collect(),
                metadata: BTreeMap::from(about),
            },
        })
    }
}

impl Exporter for GeoJson {
    fn begin(&mut self, frame: &FrameHead, _: &mut Report) -> Result<(), ExportError> {
        let path = match self.single {
            true => self.out.clone(),
            false => self.out.join(format!("frame-{:08}{SUFFIX}", frame.frame)),
        };
        let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        self.file = Some((BufWriter::new(file), path));
        self.features = 0;
        let scan = &self.run.start.scan;
        let about = json(&About {
            run: &self.run.run,
            frame: frame.frame,
            field: frame.field,
            image: frame.image(),
            width_px: scan.width,
            height_px: scan.height,
            pixel_size_um: scan.pixel_size_um,
        })?;
        self.put(&[
            b"{\"type\":\"FeatureCollection\",\"senescope\":",
            &about,
            b",\"features\":[",
        ])
    }

    fn cell(
        &mut self,
        frame: &FrameHead,
        label: &LabelLine,
        report: &mut Report,
    ) -> Result<(), ExportError> {
        let scan = &self.run.start.scan;
        let region = match Region::of(&label.label.outline, scan.width, scan.height) {
            Ok(region) => region,
            Err(clause) => {
                let cell = label.label.cell;
                report.left_out(format!("frame {}, cell {cell}: {clause}", frame.frame));
                return Ok(());
            }
        };
        let feature = self.feature(frame, label, &region)?;
        let separator: &[u8] = if self.features == 0 { b"\n" } else { b",\n" };
        self.features += 1;
        report.cells += 1;
        self.put(&[separator, &feature])
    }

    fn end(&mut self, _: &FrameHead, report: &mut Report) -> Result<(), ExportError> {
        self.put(&[b"\n]}\n"])?;
        report.frames += 1;
        match self.file.take() {
            Some((mut file, path)) => file.flush().map_err(|error| unwritable(&path, &error)),
            None => Ok(()),
        }
    }

    fn finish(self: Box<Self>, _: &mut Report) -> Result<(), ExportError> {
        Ok(())
    }
}

/// The same cell has the same identity in every export: a UUID of version 8 from the digest of what names the cell.
fn identity(run: &str, frame: u64, cell: u32) -> uuid::Uuid {
    let digest = sha256_hex(format!("{run}/{frame}/{cell}").as_bytes());
    let digits = digest.get(..32).unwrap_or_default();
    let bits = u128::from_str_radix(digits, 16).unwrap_or_default();
    uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid()
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ExportError> {
    serde_json::to_vec(value).map_err(|error| ExportError::Defect(error.to_string()))
}

/// What a file is of.
#[derive(Serialize)]
struct About<'a> {
    run: &'a str,
    frame: u64,
    field: u32,
    image: Option<&'a str>,
    width_px: u32,
    height_px: u32,
    pixel_size_um: f64,
}

#[derive(Serialize)]
struct Feature<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: uuid::Uuid,
    geometry: Geometry,
    properties: Properties<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    Polygon([Vec<[u32; 2]>; 1]),
    MultiPolygon(Vec<[Vec<[u32; 2]>; 1]>),
}

impl Geometry {
    fn of(mut rings: Vec<Vec<[u32; 2]>>) -> Self {
        match (rings.len(), rings.pop()) {
            (1, Some(ring)) => Self::Polygon([ring]),
            (_, last) => {
                Self::MultiPolygon(rings.into_iter().chain(last).map(|ring| [ring]).collect())
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    object_type: &'static str,
    name: String,
    classification: Classification,
    measurements: BTreeMap<&'a str, Number>,
    metadata: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Classification {
    name: &'static str,
    color: [u8; 3],
}

/// Written with the digits of its own precision.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    F32(f32),
    F64(f64),
}
