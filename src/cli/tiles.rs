//! `senescope tiles`: the tiles that the pipeline would classify, with labels where the truth is known.

use std::{
    io::{BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::ProgressBar;
use senescope_hal::{
    ScanRequest, SystemClock,
    ome::read_u16_plane,
    replay::{ReplayRequest, ReplaySpeed},
};

use super::{
    Blame, Exit, Failure, SettingsArgs, board,
    output::{self, unwritable},
    simulate::{DISH_FILE, DishFile, TruthFile, truth_path},
};
use crate::{
    domain::{Cell, Tile},
    pipeline,
    stages::infer::Manifest,
};

/// A cell and a true cell are the same from this intersection over union on.
const SAME_IOU: f64 = 0.5;

/// Cut the tiles that the pipeline would classify: the training set.
///
/// Writes `tiles.npy` (tiles × channels × rows × columns, float32) and `tiles.csv` (one row a tile; class,
/// severity and oracle where the truth is known). A folder of dishes stands for each of them. Example:
/// senescope tiles dishes --out tiles
#[derive(Clone, Debug, Args)]
pub(crate) struct TilesArgs {
    /// Recordings: dishes of `senescope simulate`, folders of TIFFs, or TIFFs; each is a run of its own
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Folder to write into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Edge of a pixel in µm, for files that do not say
    #[arg(long, value_name = "UM")]
    pixel_size_um: Option<f64>,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(arguments: &TilesArgs) -> Result<Exit, Failure> {
    let settings = arguments.settings.load()?;
    let manifest = Manifest::read(&settings.ensemble.dir)?;
    let sources: Vec<PathBuf> = arguments
        .paths
        .iter()
        .flat_map(|path| board::expand(path))
        .collect();
    let mut writer = TileWriter::create(&arguments.out, &manifest)?;
    let progress = ProgressBar::new(sources.len() as u64);
    for source in &sources {
        let board = board::replay(
            ReplayRequest {
                paths: vec![source.clone()],
                channels: Vec::new(),
                pixel_size_um: arguments.pixel_size_um,
                wanted: manifest.channels.clone(),
            },
            ReplaySpeed::Max,
        )?;
        let clock = std::sync::Arc::new(SystemClock);
        let mut session = board::on(board, &settings, clock);
        let truth = Truth::of(source)?;
        pipeline::tiles(
            &mut session,
            &ScanRequest::default(),
            &manifest,
            &settings,
            |scan, tile| writer.add(source, &truth, scan.pixel_size_um, tile),
        )??;
        progress.inc(1);
    }
    progress.finish_and_clear();
    let tiles = writer.finish()?;
    output::line(&format!(
        "{tiles} tile(s) of {} recording(s) in {}",
        sources.len(),
        arguments.out.display()
    ))?;
    Ok(Exit::Done)
}

/// The truth of a recording, as far as it is known.
enum Truth {
    Unknown,
    Dish {
        folder: PathBuf,
        file: Box<DishFile>,
    },
}

/// A true cell that a found cell is.
struct Match {
    cell: senescope_hal::sim::TruthCell,
    iou: f64,
}

impl Truth {
    fn of(source: &Path) -> Result<Self, Failure> {
        let path = source.join(DISH_FILE);
        if !path.is_file() {
            return Ok(Self::Unknown);
        }
        Ok(Self::Dish {
            folder: source.to_owned(),
            file: Box::new(read_json(&path)?),
        })
    }
}

/// The truth of the frame whose cells are coming.
struct FrameTruth {
    folder: PathBuf,
    frame: u64,
    width: u32,
    labels: Vec<u16>,
    cells: Vec<senescope_hal::sim::TruthCell>,
}

impl FrameTruth {
    fn read(folder: &Path, frame: u64) -> Result<Self, Failure> {
        let (width, _, labels) = read_u16_plane(&truth_path(folder, frame, "tif"))?;
        let file: TruthFile = read_json(&truth_path(folder, frame, "json"))?;
        Ok(Self {
            folder: folder.to_owned(),
            frame,
            width,
            labels,
            cells: file.cells,
        })
    }

    /// The true cell that covers most of `cell`, with their intersection over union.
    fn of(&self, cell: &Cell) -> Option<Match> {
        let mut shared = std::collections::BTreeMap::<u16, u64>::new();
        for ((row, column), inside) in cell.mask.indexed_iter() {
            let index =
                (cell.bbox.y as usize + row) * self.width as usize + cell.bbox.x as usize + column;
            if let (true, Some(label @ 1..)) = (*inside, self.labels.get(index).copied()) {
                *shared.entry(label).or_default() += 1;
            }
        }
        let (label, shared) = shared.into_iter().max_by_key(|(_, shared)| *shared)?;
        let area = self.labels.iter().filter(|other| **other == label).count() as f64;
        let iou = shared as f64 / (area + f64::from(cell.area_px) - shared as f64);
        let cell = self.cells.iter().find(|cell| cell.index == label)?;
        Some(Match {
            cell: cell.clone(),
            iou,
        })
    }
}

/// `tiles.npy` and `tiles.csv`.
struct TileWriter {
    npy: BufWriter<std::fs::File>,
    npy_path: PathBuf,
    csv: BufWriter<std::fs::File>,
    csv_path: PathBuf,
    shape: [usize; 3],
    tiles: usize,
    truth: Option<FrameTruth>,
}

const CSV_HEADER: &str =
    "index,source,dish,frame,cell,class,severity,p_oracle,instrument,x_um,y_um,area_um2,iou,flags";

impl TileWriter {
    fn create(out: &Path, manifest: &Manifest) -> Result<Self, Failure> {
        std::fs::create_dir_all(out).map_err(|error| unwritable(out, &error))?;
        let create = |name: &str| {
            let path = out.join(name);
            let file = std::fs::File::create(&path).map_err(|error| unwritable(&path, &error))?;
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
            truth: None,
        };
        writer.npy_header()?;
        writer.csv_line(CSV_HEADER)?;
        Ok(writer)
    }

    fn add(
        &mut self,
        source: &Path,
        truth: &Truth,
        pixel_um: f64,
        tile: &Tile,
    ) -> Result<(), Failure> {
        let cell = &tile.cell;
        let (dish, instrument, matched) = match truth {
            Truth::Unknown => (String::new(), String::new(), None),
            Truth::Dish { folder, file } => {
                let seed = file.dish.seed.to_string();
                let matched = self.frame_truth(folder, cell.frame)?.of(cell);
                // Each dish has a microscope of its own.
                (
                    seed.clone(),
                    seed,
                    matched.filter(|matched| matched.iou >= SAME_IOU),
                )
            }
        };
        for value in &tile.values {
            self.npy
                .write_all(&value.to_le_bytes())
                .map_err(|error| unwritable(&self.npy_path, &error))?;
        }
        let [x_um, y_um] = cell.centroid_px.map(|pixels| pixels * pixel_um);
        let area_um2 = f64::from(cell.area_px) * pixel_um * pixel_um;
        let truth = matched.map_or_else(
            || [const { String::new() }; 4],
            |Match { cell, iou }| {
                [
                    cell.class.as_str().to_owned(),
                    cell.severity.to_string(),
                    cell.oracle_p_senescent.to_string(),
                    iou.to_string(),
                ]
            },
        );
        let [class, severity, oracle, iou] = truth;
        self.csv_line(&format!(
            "{},{},{dish},{},{},{class},{severity},{oracle},{instrument},{x_um:.3},{y_um:.3},{area_um2:.3},{iou},{}",
            self.tiles,
            quoted(&source.display().to_string()),
            cell.frame,
            cell.id,
            cell.flags.names().join(" "),
        ))?;
        self.tiles += 1;
        Ok(())
    }

    fn frame_truth(&mut self, folder: &Path, frame: u64) -> Result<&FrameTruth, Failure> {
        let known = match self.truth.take() {
            Some(known) if known.frame == frame && known.folder == folder => known,
            _ => FrameTruth::read(folder, frame)?,
        };
        Ok(self.truth.insert(known))
    }

    fn finish(mut self) -> Result<usize, Failure> {
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

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let file = std::fs::File::open(path).blame(Exit::NoInput)?;
    serde_json::from_reader(std::io::BufReader::new(file)).map_err(|error| {
        Failure::message(
            Exit::Data,
            format!(
                "{} is not a file of `senescope simulate`: {error}",
                path.display()
            ),
        )
    })
}
