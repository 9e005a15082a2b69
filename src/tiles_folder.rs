//! Reader of the folder that `senescope tiles` writes: `tiles.npy` and `tiles.csv`.
//!
//! The table is read whole, the tiles one at a time: a training set of gigabytes needs the memory of one
//! tile. The header, the length of the file and the table are checked when the folder is opened; values
//! when a tile is read.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use ndarray::Array3;
use sha2::{Digest, Sha256};
use thiserror::Error;

mod header;
mod table;

/// Largest table that is read: this, and as much again for each tile, in bytes.
const ROW_LIMIT: u64 = 16 << 10;

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
    /// A file is not what `senescope tiles` writes, or the two files contradict each other.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl TileFolderError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing { path },
            _ => Self::Read { path, source },
        }
    }

    fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// What is known of one tile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TileRow {
    /// The recording that it was cut from.
    pub source: String,
    /// What was prepared and treated by itself: never on both sides of a split. Empty when not known.
    pub dish: String,
    /// Frame within the recording, as written.
    pub frame: String,
    /// Cell within the frame, as written.
    pub cell: String,
    /// Whether the cell is senescent; `None` when that is not known.
    pub class: Option<bool>,
    /// Probability of senescence from the true phenotype, in [0, 1].
    pub p_oracle: Option<f64>,
    /// The microscope; empty when not known.
    pub instrument: String,
    /// Area of the cell in µm².
    pub area_um2: Option<f64>,
    /// What was noticed of the cell.
    pub flags: Vec<String>,
}

/// An opened folder of tiles.
#[derive(Debug)]
pub struct TileFolder {
    npy: File,
    npy_path: PathBuf,
    csv_path: PathBuf,
    /// Bytes before the first tile.
    offset: u64,
    shape: [usize; 3],
    rows: Vec<TileRow>,
}

impl TileFolder {
    /// Opens `folder`, whose tiles must have this `shape` (channels, rows, columns).
    ///
    /// # Errors
    /// When a file is missing, cut off or of another form, or when both do not have as many tiles.
    pub fn open(folder: &Path, shape: [usize; 3]) -> Result<Self, TileFolderError> {
        let (npy_path, csv_path) = (folder.join("tiles.npy"), folder.join("tiles.csv"));
        let failed = |error| TileFolderError::io(&npy_path, error);
        let mut npy = File::open(&npy_path).map_err(failed)?;
        let length = npy.metadata().map_err(failed)?.len();
        let header = header::read(&mut npy)
            .map_err(failed)?
            .map_err(|reason| TileFolderError::malformed(&npy_path, reason))?;
        let tiles = header
            .tiles(shape, length)
            .map_err(|reason| TileFolderError::malformed(&npy_path, reason))?;
        let text = bounded_text(&csv_path, ROW_LIMIT * (1 + tiles as u64))?;
        let rows = table::parse(&text, tiles)
            .map_err(|reason| TileFolderError::malformed(&csv_path, reason))?;
        Ok(Self {
            npy,
            npy_path,
            csv_path,
            offset: header.offset,
            shape,
            rows,
        })
    }

    /// What is known of each tile; row i is of tile i.
    pub fn rows(&self) -> &[TileRow] {
        &self.rows
    }

    /// Tile `index` of channels × rows × columns, in [−1, 1].
    ///
    /// # Errors
    /// When it cannot be read, is not there, or has a value that is not finite.
    pub fn read(&mut self, index: usize) -> Result<Array3<f32>, TileFolderError> {
        let malformed = |reason: String| TileFolderError::malformed(&self.npy_path, reason);
        if index >= self.rows.len() {
            let tiles = self.rows.len();
            return Err(malformed(format!("has {tiles} tiles and no tile {index}")));
        }
        let mut bytes = vec![0; self.shape.iter().product::<usize>() * 4];
        let at = self.offset + index as u64 * bytes.len() as u64;
        self.npy
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.npy.read_exact(&mut bytes))
            .map_err(|error| TileFolderError::io(&self.npy_path, error))?;
        let values: Vec<f32> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(malformed(format!(
                "tile {index} has a value that is not finite; cut the tiles again with `senescope tiles`"
            )));
        }
        Array3::from_shape_vec(self.shape, values).map_err(|error| malformed(error.to_string()))
    }

    /// The sha256 over the digests of both files, in hexadecimal: what a manifest calls `tiles_sha256`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn sha256(&self) -> Result<String, TileFolderError> {
        let mut total = Sha256::new();
        for path in [&self.npy_path, &self.csv_path] {
            total.update(file_digest(path).map_err(|error| TileFolderError::io(path, error))?);
        }
        Ok(total
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

fn file_digest(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            read => digest.update(&buffer[..read]),
        }
    }
}

fn bounded_text(path: &Path, limit: u64) -> Result<String, TileFolderError> {
    let file = File::open(path).map_err(|error| TileFolderError::io(path, error))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| TileFolderError::io(path, error))?;
    if bytes.len() as u64 > limit {
        return Err(TileFolderError::malformed(
            path,
            format!(
                "has more than {limit} bytes, too many for its tiles; is it the table of these tiles?"
            ),
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| TileFolderError::malformed(path, "is not UTF-8 text; save it as CSV in UTF-8"))
}

#[cfg(test)]
mod tests;
