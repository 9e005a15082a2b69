//! The truth of a simulated recording, and which true cell a found cell is.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use ndarray::Array2;
use senescope_hal::{
    ome::read_u16_plane,
    sim::{TruthCell, structure},
};
use serde::de::DeserializeOwned;

use crate::{
    cli::{
        Blame, Exit, Failure,
        simulate::{DISH_FILE, DishFile, TruthFile, structures_path, truth_path},
    },
    domain::{Cell, TileWindow},
    tiles_folder::CELL,
};

/// A cell and a true cell are the same from this intersection over union on.
const SAME_IOU: f64 = 0.5;

/// Structures that are part of a cell: debris may lie on it.
const OF_A_CELL: u8 =
    structure::NUCLEUS | structure::DROPLET | structure::GRANULE | structure::VACUOLE;

/// The truth of a recording, a frame at a time.
pub(super) struct Truth {
    folder: PathBuf,
    seed: u64,
    frame: Option<FrameTruth>,
}

/// A true cell that a found cell is.
pub(super) struct Match {
    pub(super) cell: TruthCell,
    /// Intersection over union of the two.
    pub(super) iou: f64,
    /// Part of the true cell's area that is in the field and not under another cell, 0 to 1.
    pub(super) seen: f64,
    /// What there is of it in each pixel of the tile: rows × columns of `structures.npy`.
    pub(super) structures: Array2<u8>,
}

impl Truth {
    /// The truth of the recording in `source`; `None` when it is no simulated dish.
    pub(super) fn of(source: &Path) -> Result<Option<Self>, Failure> {
        if !Self::known(source) {
            return Ok(None);
        }
        let dish: DishFile = read_json(&source.join(DISH_FILE))?;
        Ok(Some(Self {
            folder: source.to_owned(),
            seed: dish.dish.seed,
            frame: None,
        }))
    }

    /// The seed of the dish. Each dish has a microscope of its own.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The recording in `source` has a truth.
    pub(super) fn known(source: &Path) -> bool {
        source.join(DISH_FILE).is_file()
    }

    /// The true cell that `cell` is, which a tile of `pixels` × `pixels` shows through `window`.
    pub(super) fn matching(
        &mut self,
        cell: &Cell,
        window: TileWindow,
        pixels: usize,
    ) -> Result<Option<Match>, Failure> {
        let frame = match self.frame.take() {
            Some(known) if known.frame == cell.frame => known,
            _ => FrameTruth::read(&self.folder, cell.frame)?,
        };
        Ok(self
            .frame
            .insert(frame)
            .most_covered(cell, window, pixels)
            .filter(|matched| matched.iou >= SAME_IOU))
    }
}

/// The truth of the frame whose cells are coming.
struct FrameTruth {
    frame: u64,
    width: u32,
    /// Number of the true cell in each pixel, row by row; 0 for none.
    labels: Vec<u16>,
    /// Bits of [`senescope_hal::sim::structure`], row by row.
    structures: Vec<u16>,
    /// Pixels of each number.
    areas: BTreeMap<u16, u32>,
    cells: Vec<TruthCell>,
}

impl FrameTruth {
    fn read(folder: &Path, frame: u64) -> Result<Self, Failure> {
        let (width, _, labels) = read_u16_plane(&truth_path(folder, frame, "tif"))?;
        let path = structures_path(folder, frame);
        if !path.exists() {
            return Err(Failure::message(
                Exit::NoInput,
                format!(
                    "{} is missing: an older release recorded this dish; record it again with `senescope simulate`",
                    path.display()
                ),
            ));
        }
        let (_, _, structures) = read_u16_plane(&path)?;
        let file: TruthFile = read_json(&truth_path(folder, frame, "json"))?;
        let mut areas = BTreeMap::new();
        for label in &labels {
            *areas.entry(*label).or_default() += 1;
        }
        Ok(Self {
            frame,
            width,
            labels,
            structures,
            areas,
            cells: file.cells,
        })
    }

    /// The true cell that covers most of `cell`.
    fn most_covered(&self, cell: &Cell, window: TileWindow, pixels: usize) -> Option<Match> {
        let mut shared = BTreeMap::<u16, u32>::new();
        for ((row, column), inside) in cell.mask.indexed_iter() {
            let index =
                (cell.bbox.y as usize + row) * self.width as usize + cell.bbox.x as usize + column;
            if let (true, Some(label @ 1..)) = (*inside, self.labels.get(index).copied()) {
                *shared.entry(label).or_default() += 1;
            }
        }
        let (label, shared) = shared.into_iter().max_by_key(|(_, shared)| *shared)?;
        let area = self.areas.get(&label).copied().unwrap_or(0);
        let either = f64::from(area) + f64::from(cell.area_px) - f64::from(shared);
        let cell = self.cells.iter().find(|cell| cell.index == label)?;
        Some(Match {
            cell: cell.clone(),
            iou: f64::from(shared) / either,
            seen: (cell.area_um2 / cell.phenotype.footprint_um2).clamp(0.0, 1.0),
            structures: self.structures(label, window, pixels),
        })
    }

    /// What there is of the cell `label` at the middle of each pixel of a tile.
    fn structures(&self, label: u16, window: TileWindow, pixels: usize) -> Array2<u8> {
        let scale = window.size / pixels as f64;
        let place = |start: f64, pixel: usize| {
            let place = (start + (pixel as f64 + 0.5) * scale).floor();
            (place >= 0.0).then_some(place as usize)
        };
        Array2::from_shape_fn((pixels, pixels), |(row, column)| {
            let width = self.width as usize;
            let index = place(window.y, row)
                .zip(place(window.x, column).filter(|x| *x < width))
                .map(|(y, x)| y * width + x);
            match index
                .and_then(|index| Some((self.labels.get(index)?, self.structures.get(index)?)))
            {
                Some((found, bits)) if *found == label => CELL | (*bits as u8 & OF_A_CELL),
                _ => 0,
            }
        })
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let file = File::open(path).blame(Exit::NoInput)?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| {
        Failure::message(
            Exit::Data,
            format!(
                "{} is not a file of `senescope simulate`: {error}",
                path.display()
            ),
        )
    })
}
