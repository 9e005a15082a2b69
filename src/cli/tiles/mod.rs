//! `senescope tiles`: the tiles that the pipeline would classify, with labels where the truth is known.

mod marks;
mod truth;
mod writer;

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use senescope_hal::{
    ScanRequest, SystemClock,
    replay::{ChannelMap, ReplayRequest, ReplaySpeed},
};

use super::{
    Exit, Failure, SettingsArgs, board, installed::ensemble_dir, output, replay::pixel_size,
};
use crate::{pipeline, recording::MarkedClass, stages::infer::Manifest};
use marks::Marks;
use truth::Truth;
use writer::{Known, TileWriter};

/// Cut the tiles that the pipeline would classify: the training set.
///
/// Writes `tiles.npy` (tiles × channels × rows × columns, float32) and `tiles.csv` (one row a tile; class,
/// severity and oracle where the truth is known, or the class that was marked at the live page), and of simulated dishes `structures.npy` (tiles × rows ×
/// columns, uint8: the sum of 1 nucleus, 2 lipid droplet, 4 granule, 8 vacuole and 32 the cell). A folder of
/// dishes stands for each of them. Example:
/// senescope tiles dishes --out tiles
#[derive(Clone, Debug, Args)]
pub(crate) struct TilesArgs {
    /// Recordings: dishes of `senescope simulate`, folders of TIFFs, or TIFFs; each is a run of its own
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Folder to write into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Which channel number or page of each PATH is which channel, when the files do not name them: NAME=#N
    #[arg(long, value_name = "NAME=#N")]
    channel: Vec<ChannelMap>,
    /// Edge of a pixel in µm, for files that do not say
    #[arg(long, value_name = "UM", value_parser = pixel_size)]
    pixel_size_um: Option<f64>,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(arguments: &TilesArgs) -> Result<Exit, Failure> {
    let settings = arguments.settings.load()?;
    let manifest = Manifest::read(&ensemble_dir(&settings.ensemble.dir))?;
    let sources: Vec<PathBuf> = arguments
        .paths
        .iter()
        .flat_map(|path| board::expand(path))
        .collect();
    let truth_known = sources.iter().any(|source| Truth::known(source));
    let mut writer = TileWriter::create(&arguments.out, &manifest, truth_known)?;
    let pixels = manifest.tile.pixels;
    let (mut marked, mut left_out) = (0, 0);
    let progress = ProgressBar::new(sources.len() as u64);
    for source in &sources {
        let board = board::replay(
            ReplayRequest {
                paths: vec![source.clone()],
                channels: arguments.channel.clone(),
                pixel_size_um: arguments.pixel_size_um,
                wanted: manifest.channels.clone(),
            },
            ReplaySpeed::Max,
        )?;
        let clock = std::sync::Arc::new(SystemClock);
        let mut session = board::on(board, &settings, clock);
        let mut truth = Truth::of(source)?;
        let marks = Marks::of(source)?;
        pipeline::tiles(
            &mut session,
            &ScanRequest::default(),
            &manifest,
            &settings,
            |scan, tile| {
                let mark = marks.class(tile.cell.frame, tile.cell.bbox);
                marked += usize::from(mark.is_some());
                if mark == Some(MarkedClass::Neither) {
                    left_out += 1;
                    return Ok(());
                }
                let dish = truth.as_ref().map(Truth::seed);
                let matched = match &mut truth {
                    Some(truth) => truth.matching(&tile.cell, tile.window, pixels)?,
                    None => None,
                };
                let known = Known { matched, mark };
                writer.add(source, dish, scan.pixel_size_um, tile, known)
            },
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
    if marked > 0 {
        output::note(&format!(
            "{marked} cell(s) are marked; {left_out} of them, which are neither, are left out"
        ));
    }
    Ok(Exit::Done)
}
