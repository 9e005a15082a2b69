//! `tiles.npy`, `tiles.csv` and `structures.npy`.

use std::{
    fs::{self, File},
    io::{BufWriter, ErrorKind, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::truth::Match;
use crate::{
    cli::{Failure, output::unwritable},
    csv::quoted,
    domain::Tile,
    recording::MarkedClass,
    stages::infer::Manifest,
    tiles_folder::STRUCTURES,
};

/// The files, open.
pub(super) struct TileWriter {
    tiles: Npy,
    structures: Option<Npy>,
    csv: BufWriter<File>,
    csv_path: PathBuf,
    written: usize,
}

/// What is known of a cell.
pub(super) struct Known {
    /// The true cell that it is.
    pub(super) matched: Option<Match>,
    /// What somebody said of it, which outweighs the truth.
    pub(super) mark: Option<MarkedClass>,
}

/// A file of equal arrays, one after the other.
struct Npy {
    file: BufWriter<File>,
    path: PathBuf,
    /// Type of a sample as NumPy writes it.
    descr: &'static str,
    /// Shape of one array.
    shape: Vec<usize>,
}

const CSV_HEADER: &str = "index,source,dish,frame,cell,class,severity,p_oracle,instrument,x_um,y_um,area_um2,iou,seen,flags";

impl TileWriter {
    /// Creates the files in `out`, which is made if need be; that of the structures when some truth is known.
    pub(super) fn create(
        out: &Path,
        manifest: &Manifest,
        truth_known: bool,
    ) -> Result<Self, Failure> {
        fs::create_dir_all(out).map_err(|error| unwritable(out, &error))?;
        let pixels = manifest.tile.pixels;
        let shape = vec![manifest.channels.len(), pixels, pixels];
        if !truth_known {
            // Of other tiles, from a time before.
            match fs::remove_file(out.join(STRUCTURES)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(unwritable(&out.join(STRUCTURES), &error));
                }
                _ => {}
            }
        }
        let structures = truth_known
            .then(|| Npy::create(out.join(STRUCTURES), "|u1", vec![pixels, pixels]))
            .transpose()?;
        let csv_path = out.join("tiles.csv");
        let csv = File::create(&csv_path).map_err(|error| unwritable(&csv_path, &error))?;
        let mut writer = Self {
            tiles: Npy::create(out.join("tiles.npy"), "<f4", shape)?,
            structures,
            csv: BufWriter::new(csv),
            csv_path,
            written: 0,
        };
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
        Known { matched, mark }: Known,
    ) -> Result<(), Failure> {
        let cell = &tile.cell;
        for value in tile.values.iter() {
            self.tiles.write(&value.to_le_bytes())?;
        }
        if let Some(structures) = &mut self.structures {
            let pixels: usize = structures.shape.iter().product();
            let bytes = matched.as_ref().map_or_else(
                || vec![0; pixels],
                |matched| matched.structures.iter().copied().collect(),
            );
            structures.write(&bytes)?;
        }
        let [x_um, y_um] = cell.centroid_px.map(|pixels| pixels * pixel_um);
        let area_um2 = f64::from(cell.area_px) * pixel_um * pixel_um;
        let truth = matched.map_or_else(
            || [const { String::new() }; 5],
            |Match {
                 cell, iou, seen, ..
             }| {
                [
                    cell.class.as_str().to_owned(),
                    cell.severity.to_string(),
                    cell.oracle_p_senescent.to_string(),
                    iou.to_string(),
                    format!("{seen:.3}"),
                ]
            },
        );
        let [mut class, severity, oracle, iou, seen] = truth;
        if let Some(mark) = mark {
            class = mark.as_str().to_owned();
        }
        // Each dish has a microscope of its own.
        let dish = dish.map_or_else(String::new, |seed| seed.to_string());
        self.csv_line(&format!(
            "{},{},{dish},{},{},{class},{severity},{oracle},{dish},{x_um:.3},{y_um:.3},{area_um2:.3},{iou},{seen},{}",
            self.written,
            quoted(&source.display().to_string()),
            cell.frame,
            cell.id,
            cell.flags.names().join(" "),
        ))?;
        self.written += 1;
        Ok(())
    }

    /// Completes the files and gives the number of tiles.
    pub(super) fn finish(mut self) -> Result<usize, Failure> {
        self.csv
            .flush()
            .map_err(|error| unwritable(&self.csv_path, &error))?;
        self.tiles.header(self.written)?;
        if let Some(mut structures) = self.structures {
            structures.header(self.written)?;
        }
        Ok(self.written)
    }

    fn csv_line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.csv, "{line}").map_err(|error| unwritable(&self.csv_path, &error))
    }
}

impl Npy {
    fn create(path: PathBuf, descr: &'static str, shape: Vec<usize>) -> Result<Self, Failure> {
        let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        let mut npy = Self {
            file: BufWriter::new(file),
            path,
            descr,
            shape,
        };
        npy.header(0)?;
        Ok(npy)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file
            .write_all(bytes)
            .map_err(|error| unwritable(&self.path, &error))
    }

    /// Writes the header for `arrays` arrays at the start of the file. Its length does not depend on their
    /// number, so that it can be written again when that is known. Source: NumPy format version 1.0.
    fn header(&mut self, arrays: usize) -> Result<(), Failure> {
        let shape: String = self.shape.iter().map(|edge| format!(", {edge}")).collect();
        let dict = format!(
            "{{'descr': '{}', 'fortran_order': False, 'shape': ({arrays}{shape}), }}",
            self.descr
        );
        let mut header = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        header.extend_from_slice(format!("{dict:<117}\n").as_bytes());
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&header))
            .and_then(|()| self.file.flush())
            .map_err(|error| unwritable(&self.path, &error))
    }
}
