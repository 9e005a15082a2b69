//! `tiles.npy` and `tiles.csv`.

use std::{
    fs::{self, File},
    io::{BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::truth::Match;
use crate::{
    cli::{Failure, output::unwritable},
    domain::Tile,
    stages::infer::Manifest,
};

/// Both files, open.
pub(super) struct TileWriter {
    npy: BufWriter<File>,
    npy_path: PathBuf,
    csv: BufWriter<File>,
    csv_path: PathBuf,
    shape: [usize; 3],
    tiles: usize,
}

const CSV_HEADER: &str = "index,source,dish,frame,cell,class,severity,p_oracle,instrument,x_um,y_um,area_um2,iou,seen,flags";

impl TileWriter {
    /// Creates both files in `out`, which is made if need be.
    pub(super) fn create(out: &Path, manifest: &Manifest) -> Result<Self, Failure> {
        fs::create_dir_all(out).map_err(|error| unwritable(out, &error))?;
        let create = |name: &str| {
            let path = out.join(name);
            let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
            Ok::<_, Failure>((BufWriter::new(file), path))
        };
        let (npy, npy_path) = create("tiles.npy")?;
        let (csv, csv_path) = create("tiles.csv")?;
        let pixels = manifest.tile.pixels;
        let mut writer = Self {
            npy,
            npy_path,
            csv,
            csv_path,
            shape: [manifest.channels.len(), pixels, pixels],
            tiles: 0,
        };
        writer.npy_header()?;
        writer.csv_line(CSV_HEADER)?;
        Ok(writer)
    }

    /// Adds a tile of the recording `source` with what is known of its cell.
    pub(super) fn add(
        &mut self,
        source: &Path,
        dish: Option<u64>,
        pixel_um: f64,
        tile: &Tile,
        matched: Option<Match>,
    ) -> Result<(), Failure> {
        let cell = &tile.cell;
        for value in &tile.values {
            self.npy
                .write_all(&value.to_le_bytes())
                .map_err(|error| unwritable(&self.npy_path, &error))?;
        }
        let [x_um, y_um] = cell.centroid_px.map(|pixels| pixels * pixel_um);
        let area_um2 = f64::from(cell.area_px) * pixel_um * pixel_um;
        let truth = matched.map_or_else(
            || [const { String::new() }; 5],
            |Match { cell, iou, seen }| {
                [
                    cell.class.as_str().to_owned(),
                    cell.severity.to_string(),
                    cell.oracle_p_senescent.to_string(),
                    iou.to_string(),
                    format!("{seen:.3}"),
                ]
            },
        );
        let [class, severity, oracle, iou, seen] = truth;
        // Each dish has a microscope of its own.
        let dish = dish.map_or_else(String::new, |seed| seed.to_string());
        self.csv_line(&format!(
            "{},{},{dish},{},{},{class},{severity},{oracle},{dish},{x_um:.3},{y_um:.3},{area_um2:.3},{iou},{seen},{}",
            self.tiles,
            quoted(&source.display().to_string()),
            cell.frame,
            cell.id,
            cell.flags.names().join(" "),
        ))?;
        self.tiles += 1;
        Ok(())
    }

    /// Completes both files and gives the number of tiles.
    pub(super) fn finish(mut self) -> Result<usize, Failure> {
        self.csv
            .flush()
            .map_err(|error| unwritable(&self.csv_path, &error))?;
        self.npy_header()?;
        Ok(self.tiles)
    }

    /// Writes the header at the start of the file. Its length does not depend on the number of tiles, so
    /// that it can be written again when that is known. Source: NumPy format version 1.0.
    fn npy_header(&mut self) -> Result<(), Failure> {
        let [channels, rows, columns] = self.shape;
        let shape = format!("({}, {channels}, {rows}, {columns})", self.tiles);
        let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let mut header = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        header.extend_from_slice(format!("{dict:<117}\n").as_bytes());
        self.npy
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.npy.write_all(&header))
            .and_then(|()| self.npy.flush())
            .map_err(|error| unwritable(&self.npy_path, &error))
    }

    fn csv_line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.csv, "{line}").map_err(|error| unwritable(&self.csv_path, &error))
    }
}

/// A CSV field (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
