//! `senescope tiles`: the tiles that the pipeline would classify, with labels where the truth is known.

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
use crate::{pipeline, stages::infer::Manifest};
use truth::Truth;
use writer::TileWriter;

/// Cut the tiles that the pipeline would classify: the training set.
///
/// Writes `tiles.npy` (tiles × channels × rows × columns, float32) and `tiles.csv` (one row a tile; class,
/// severity and oracle where the truth is known), and of simulated dishes `structures.npy` (tiles × rows ×
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
        pipeline::tiles(
            &mut session,
            &ScanRequest::default(),
            &manifest,
            &settings,
            |scan, tile| {
                let dish = truth.as_ref().map(Truth::seed);
                let matched = match &mut truth {
                    Some(truth) => truth.matching(&tile.cell, tile.window, pixels)?,
                    None => None,
                };
                writer.add(source, dish, scan.pixel_size_um, tile, matched)
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
    Ok(Exit::Done)
}
