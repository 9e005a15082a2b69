//! A folder of tiles as `senescope tiles` writes it: `tiles.npy`, `tiles.csv` and, of simulated cells,
//! `structures.npy`.
//!
//! The table is read when the folder is opened, and both files are compared; the tiles stay on the disk and are
//! read one at a time. Not done here: writing, and what the tiles are for.

mod arrays;
mod structures;
mod walk;

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use ndarray::Array3;
use thiserror::Error;

use crate::{
    csv::Table,
    digest::{sha256_hex_of, sha256_of_file},
    npy::Sample,
    stages::infer::{PROLIFERATING, SENESCENT},
};
use arrays::Arrays;
pub(crate) use structures::{CELL, STRUCTURES, Structures};
pub(crate) use walk::walk;

/// Largest table that is read, in bytes.
const TABLE_LIMIT: u64 = 256 << 20;

/// Why a folder of tiles was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TileFolderError {
    /// A file is not there.
    #[error("{} is missing: give a folder that `senescope tiles` wrote", path.display())]
    Missing {
        /// The missing file.
        path: PathBuf,
    },
    /// The operating system could not read a file.
    #[error("{} cannot be read ({source}): check its permissions and the disk", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not of the form that `senescope tiles` writes, or the two contradict each other.
    #[error("{}: {reason}; cut the tiles again with `senescope tiles`", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A row of the table has a value that is not understood.
    #[error("{}: row {row} {reason}", path.display())]
    Row {
        /// The table.
        path: PathBuf,
        /// Number of the row below the header, from 1.
        row: usize,
        /// What is wrong with it and what is expected.
        reason: String,
    },
}

/// Part of a cell that must be in the field for its class to count.
const LEAST_SEEN: f64 = 0.5;

/// What the table says of a tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TileRow {
    /// Place of the tile in `tiles.npy`.
    pub index: usize,
    /// The recording that it was cut from.
    pub source: String,
    /// The dish; empty when it was not said.
    pub dish: String,
    /// The frame in the recording; empty when it was not said.
    pub frame: String,
    /// Number of the cell in its frame; empty when it was not said.
    pub cell: String,
    /// The cell is senescent; `None` when its class is not known, or when less than half of it is in the
    /// field: nobody would label such a cell.
    pub class: Option<bool>,
    /// Probability of `senescent` of somebody who knows the true phenotype, in [0, 1].
    pub p_oracle: Option<f64>,
    /// The microscope; empty when it was not said.
    pub instrument: String,
    /// Area of the cell in µm².
    pub area_um2: Option<f64>,
    /// What is unusual about the image of the cell, see [`CellFlags`](crate::domain::CellFlags).
    pub flags: Vec<String>,
}

/// An opened folder of tiles.
#[derive(Debug)]
pub struct TileFolder {
    folder: PathBuf,
    table_path: PathBuf,
    arrays: Arrays,
    shape: [usize; 3],
    rows: Vec<TileRow>,
}

impl TileFolder {
    /// Opens a folder of tiles of `shape` (channels, rows, columns).
    ///
    /// # Errors
    /// When a file is missing or cut off, has another shape or type, or the two contradict each other.
    pub fn open(folder: &Path, shape: [usize; 3]) -> Result<Self, TileFolderError> {
        let table_path = folder.join("tiles.csv");
        let arrays = Arrays::open(folder.join("tiles.npy"), Sample::Float, &shape)?;
        let rows = table(&table_path, arrays.count())?;
        Ok(Self {
            folder: folder.to_owned(),
            table_path,
            arrays,
            shape,
            rows,
        })
    }

    /// What the table says of each tile, in the order of the tiles.
    pub fn rows(&self) -> &[TileRow] {
        &self.rows
    }

    /// Where the table is, for sentences about it.
    pub fn table_path(&self) -> &Path {
        &self.table_path
    }

    /// What opens the file that says where the structures of the cells are, once for each reader; it gives
    /// `None` when there is none, and fails when that cannot be read or contradicts the tiles.
    pub(crate) fn structures(
        &self,
    ) -> impl Fn() -> Result<Option<Structures>, TileFolderError> + use<> {
        let (folder, tiles, pixels) = (self.folder.clone(), self.arrays.count(), self.shape[1]);
        move || Structures::open(&folder, tiles, pixels)
    }

    /// The tile of row `index`: channels × rows × columns, in [−1, 1].
    ///
    /// # Errors
    /// When there is no such row, it cannot be read, or a value is not finite.
    pub fn read(&mut self, index: usize) -> Result<Array3<f32>, TileFolderError> {
        let Some(row) = self.rows.get(index) else {
            let reason = format!("it has no tile for row {}", index + 1);
            return Err(self.arrays.form(reason));
        };
        let values: Vec<f32> = self
            .arrays
            .read(row.index)?
            .chunks_exact(4)
            .map(|sample| {
                sample
                    .iter()
                    .rev()
                    .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            })
            .map(f32::from_bits)
            .collect();
        if values.iter().any(|value| !value.is_finite()) {
            let reason = format!("tile {} has a value that is not finite", row.index);
            return Err(self.arrays.form(reason));
        }
        Array3::from_shape_vec(self.shape, values)
            .map_err(|error| self.arrays.form(error.to_string()))
    }

    /// SHA-256, in hexadecimal, over the digests of `tiles.npy` and `tiles.csv`: the digest that a manifest
    /// states of its training set.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn sha256(&self) -> Result<String, TileFolderError> {
        let digests: Vec<_> = [self.arrays.path(), self.table_path.as_path()]
            .into_iter()
            .map(|path| sha256_of_file(path).map_err(|error| unread(path, error)))
            .collect::<Result<_, _>>()?;
        Ok(sha256_hex_of(digests))
    }
}

fn unread(path: &Path, source: std::io::Error) -> TileFolderError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => TileFolderError::Missing { path },
        _ => TileFolderError::Read { path, source },
    }
}

fn table(path: &Path, tiles: usize) -> Result<Vec<TileRow>, TileFolderError> {
    let form = |reason: String| TileFolderError::Form {
        path: path.to_owned(),
        reason,
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(TABLE_LIMIT + 1).read_to_string(&mut text))
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidData => form("it is not UTF-8 text".to_owned()),
            _ => unread(path, error),
        })?;
    if text.len() as u64 > TABLE_LIMIT {
        return Err(form(format!("it has more than {TABLE_LIMIT} bytes")));
    }
    let table = Table::parse(&text).map_err(form)?;
    let columns = table
        .columns([
            "index",
            "source",
            "dish",
            "frame",
            "cell",
            "class",
            "p_oracle",
            "instrument",
            "area_um2",
            "seen",
            "flags",
        ])
        .map_err(form)?;
    if table.records().len() != tiles {
        return Err(form(format!(
            "it has {} row(s) and tiles.npy {tiles} tile(s)",
            table.records().len()
        )));
    }
    let mut taken = vec![false; tiles];
    let mut rows = Vec::with_capacity(tiles);
    for (place, record) in table.records().iter().enumerate() {
        let row = row(columns.map(|column| record[column].as_str())).and_then(|row| {
            match taken.get_mut(row.index) {
                Some(taken) if !*taken => {
                    *taken = true;
                    Ok(row)
                }
                _ => Err(format!(
                    "has the index {}; each number below {tiles} is expected once",
                    row.index
                )),
            }
        });
        rows.push(row.map_err(|reason| TileFolderError::Row {
            path: path.to_owned(),
            row: place + 1,
            reason,
        })?);
    }
    rows.sort_unstable_by_key(|row| row.index);
    Ok(rows)
}

fn row(
    [
        index,
        source,
        dish,
        frame,
        cell,
        class,
        p_oracle,
        instrument,
        area,
        seen,
        flags,
    ]: [&str; 11],
) -> Result<TileRow, String> {
    let number = |name: &str, text: &str, high: f64| match text {
        "" => Ok(None),
        _ => text
            .parse()
            .ok()
            .filter(|value| (0.0..=high).contains(value))
            .map(Some)
            .ok_or_else(|| {
                format!("has {text:?} as `{name}`; a number from 0 to {high} is expected")
            }),
    };
    let seen = number("seen", seen, 1.0)?;
    let class = match class.trim() {
        "" => None,
        SENESCENT => Some(true),
        PROLIFERATING => Some(false),
        other => {
            return Err(format!(
                "names the class {other:?}; {PROLIFERATING}, {SENESCENT} or nothing is expected"
            ));
        }
    };
    Ok(TileRow {
        index: index
            .parse()
            .map_err(|_| format!("has {index:?} as `index`; a whole number is expected"))?,
        source: source.to_owned(),
        dish: dish.trim().to_owned(),
        frame: frame.trim().to_owned(),
        cell: cell.trim().to_owned(),
        class: class.filter(|_| seen.is_none_or(|seen| seen >= LEAST_SEEN)),
        p_oracle: number("p_oracle", p_oracle, 1.0)?,
        instrument: instrument.trim().to_owned(),
        area_um2: number("area_um2", area, 1e9)?,
        flags: flags.split_whitespace().map(str::to_owned).collect(),
    })
}
