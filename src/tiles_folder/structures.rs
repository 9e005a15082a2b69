//! Where the structures of simulated cells are in their tiles.

use std::path::Path;

use ndarray::Array2;

use super::{TileFolderError, arrays::Arrays};
use crate::npy::Sample;

/// The file beside `tiles.npy`: uint8, tiles × rows × columns, bits of [`senescope_hal::sim::structure`] and
/// [`CELL`]; 0 wherever the tile's own true cell is not, and in tiles without one.
pub(crate) const STRUCTURES: &str = "structures.npy";

/// The bit of every pixel of the true cell.
pub(crate) const CELL: u8 = 32;

/// The opened file.
#[derive(Debug)]
pub(crate) struct Structures {
    arrays: Arrays,
    pixels: usize,
}

impl Structures {
    /// Opens the file of a folder of `tiles` tiles of `pixels` × `pixels`; `None` when the folder has none.
    ///
    /// # Errors
    /// When it cannot be read, or contradicts the tiles.
    pub(crate) fn open(
        folder: &Path,
        tiles: usize,
        pixels: usize,
    ) -> Result<Option<Self>, TileFolderError> {
        let path = folder.join(STRUCTURES);
        if !path.exists() {
            return Ok(None);
        }
        let arrays = Arrays::open(path, Sample::Byte, &[pixels, pixels])?;
        if arrays.count() != tiles {
            let reason = format!(
                "it is of {} tile(s) and tiles.npy has {tiles}",
                arrays.count()
            );
            return Err(arrays.form(reason));
        }
        Ok(Some(Self { arrays, pixels }))
    }

    /// The bits in the tile of this index.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(&mut self, index: usize) -> Result<Array2<u8>, TileFolderError> {
        let bytes = self.arrays.read(index)?;
        Array2::from_shape_vec((self.pixels, self.pixels), bytes)
            .map_err(|error| self.arrays.form(error.to_string()))
    }
}
