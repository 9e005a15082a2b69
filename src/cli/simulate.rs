//! `senescope simulate`: recordings of simulated dishes with their ground truth.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use clap::Args;
use indicatif::ProgressBar;
use senescope_hal::{
    Board,
    ome::{OmeImage, write_label_tiff, write_ome_tiff},
    sim::{Dish, Fault, FaultKind, RenderRequest, SimBoard, SimConfig, TruthCell, render},
};
use serde::{Deserialize, Serialize};

use super::{
    Blame, Exit, Failure,
    output::{self, unwritable},
};

/// Describes a dish, beside its frames.
pub(crate) const DISH_FILE: &str = "dish.json";

/// Record simulated dishes with their ground truth.
///
/// Each dish is a folder: one OME-TIFF a frame, `truth-*.tif` with the number of the cell in each pixel,
/// `truth-structures-*.tif` with what is there in it (the sum of 1 nucleus, 2 lipid droplet, 4 granule, 8 vacuole,
/// 16 debris), `truth-*.json` with class, severity and phenotype of each cell, and `dish.json`. Example:
/// senescope simulate --out dishes --dishes 4 --frames 2 --seed 1
#[derive(Clone, Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Folder to write into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of dishes
    #[arg(long, value_name = "N", default_value_t = 1)]
    dishes: u32,
    /// Frames (fields of view) of each dish
    #[arg(long, value_name = "N", default_value_t = 1)]
    frames: u32,
    /// Seed of the first dish; the next ones follow
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// What is wrong with the microscope, in every row: lost-overlap, pmt-trip, pmt-saturation, blocked-beam,
    /// swapped-channels (SRS and TPEF), defocus=UM, gain=FACTOR or stuck-bit=BIT. Repeatable
    #[arg(long, value_name = "FAULT", value_parser = fault)]
    fault: Vec<FaultKind>,
    /// Dishes that are made at the same time; one a core when not given
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn fault(text: &str) -> Result<FaultKind, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let number = |low: f64, high: f64| {
        value
            .parse::<f64>()
            .ok()
            .filter(|value| (low..=high).contains(value))
            .ok_or_else(|| format!("{name} takes a number from {low} to {high}: {name}={low}"))
    };
    let kind = match name {
        "lost-overlap" => FaultKind::LostOverlap,
        "pmt-trip" => FaultKind::PmtTrip,
        "pmt-saturation" => FaultKind::PmtSaturation,
        "blocked-beam" => FaultKind::BlockedBeam,
        "swapped-channels" => FaultKind::SwappedChannels,
        "defocus" => FaultKind::Defocus {
            nm: (1e3 * number(0.0, 20.0)?).round() as u32,
        },
        "gain" => FaultKind::Gain {
            percent: (1e2 * number(0.01, 100.0)?).round() as u32,
        },
        "stuck-bit" => FaultKind::StuckBit {
            bit: value
                .parse()
                .ok()
                .filter(|bit| *bit < 16)
                .ok_or("stuck-bit takes a whole number from 0 to 15: stuck-bit=9")?,
        },
        _ => return Err("no such fault; --help names them".to_owned()),
    };
    match (kind, value) {
        (FaultKind::Defocus { .. } | FaultKind::Gain { .. } | FaultKind::StuckBit { .. }, _)
        | (_, "") => Ok(kind),
        _ => Err(format!("{name} takes no value")),
    }
}

/// What `dish.json` says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DishFile {
    /// Form of this file: 1.
    pub(crate) format: u32,
    /// The dish: cell line, treatment, time, instrument.
    pub(crate) dish: Dish,
    /// Number of frames.
    pub(crate) frames: u32,
    /// What was wrong with the microscope all along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) faults: Vec<FaultKind>,
}

/// What `truth-*.json` says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TruthFile {
    /// The cells of the frame.
    pub(crate) cells: Vec<TruthCell>,
}

pub(crate) fn run(arguments: &SimulateArgs) -> Result<Exit, Failure> {
    let threads = arguments
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let progress = ProgressBar::new(u64::from(arguments.dishes) * u64::from(arguments.frames));
    let next = AtomicU64::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, 256) {
            scope.spawn(|| {
                while let Some(seed) = claim(&next, arguments) {
                    if let Err(error) = record(arguments, seed, &progress) {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                        failed
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .get_or_insert(error);
                    }
                }
            });
        }
    });
    progress.finish_and_clear();
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    output::line(&format!(
        "{} dish(es) of {} frame(s) in {}",
        arguments.dishes,
        arguments.frames,
        arguments.out.display()
    ))?;
    Ok(Exit::Done)
}

fn claim(next: &AtomicU64, arguments: &SimulateArgs) -> Option<u64> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    (index < u64::from(arguments.dishes)).then(|| arguments.seed.wrapping_add(index))
}

fn record(arguments: &SimulateArgs, seed: u64, progress: &ProgressBar) -> Result<(), Failure> {
    let dish = Dish::from_seed(seed);
    let folder = arguments.out.join(format!("dish-{seed:06}"));
    std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    // The channels as the board of this dish would name them.
    let infos = SimBoard::new(SimConfig::of_dish(dish.clone()))
        .capabilities()
        .channels;
    for frame in 0..arguments.frames {
        let faults = arguments.fault.iter().map(|kind| Fault {
            kind: *kind,
            frame: 0,
            row: 0,
            rows: None,
        });
        let request = RenderRequest {
            faults: faults.collect(),
            ..RenderRequest::of(&dish, u64::from(frame))
        };
        let rendered = render(&dish, &request);
        let channels = infos
            .iter()
            .cloned()
            .zip(rendered.channels.iter().map(Vec::as_slice))
            .collect();
        let path = folder.join(format!("frame-{frame:06}.ome.tif"));
        write_ome_tiff(
            &path,
            &OmeImage {
                width: request.width,
                height: request.height,
                pixel_size_um: request.pixel_size_um,
                channels,
                dwell_ns: Some(request.dwell_ns),
                line_period_ns: Some(
                    dish.instrument
                        .line_period_ns(request.width, request.dwell_ns),
                ),
                record: None,
                notes: Vec::new(),
            },
        )?;
        let truth = rendered.truth;
        let path = truth_path(&folder, u64::from(frame), "tif");
        write_label_tiff(&path, truth.width, truth.height, &truth.labels)?;
        let structures: Vec<u16> = truth.structures.iter().copied().map(u16::from).collect();
        write_label_tiff(
            &structures_path(&folder, u64::from(frame)),
            truth.width,
            truth.height,
            &structures,
        )?;
        write_json(
            &truth_path(&folder, u64::from(frame), "json"),
            &TruthFile { cells: truth.cells },
        )?;
        progress.inc(1);
    }
    // Last: a folder without it is not a complete dish.
    write_json(
        &folder.join(DISH_FILE),
        &DishFile {
            format: 1,
            dish,
            frames: arguments.frames,
            faults: arguments.fault.clone(),
        },
    )
}

/// Where the truth of a frame is.
pub(crate) fn truth_path(folder: &Path, frame: u64, extension: &str) -> PathBuf {
    folder.join(format!("truth-{frame:06}.{extension}"))
}

/// Where the structures of a frame are.
pub(crate) fn structures_path(folder: &Path, frame: u64) -> PathBuf {
    folder.join(format!("truth-structures-{frame:06}.tif"))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).blame(Exit::Software)?;
    std::fs::write(path, text).map_err(|error| unwritable(path, &error))
}
