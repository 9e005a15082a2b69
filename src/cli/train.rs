//! `senescope train`: new heads for an ensemble from a laboratory's own labelled tiles.

use std::{path::PathBuf, sync::Mutex};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use senescope_hal::SystemClock;

use super::{Blame, Exit, Failure, SettingsArgs, installed::ensemble_dir, output};
use crate::{
    stages::infer::EngineOptions,
    train::{Figures, Report, Settings, Step, TrainError, train},
};

/// Retrain an ensemble's heads on your own labelled cells.
///
/// Takes the folder that `senescope tiles` wrote, with the columns `class` (proliferating, senescent or
/// nothing) and `dish` of its tiles.csv filled in. A dish, or whatever is named there, is never split: cells
/// that share a donor or a treatment should share a name. Writes a whole ensemble and training.json, whose
/// figures are of dishes that no head had seen. Example:
/// senescope train --tiles tiles --out my-ensemble
#[derive(Clone, Debug, Args)]
pub(crate) struct TrainArgs {
    /// Folder of labelled tiles
    #[arg(long, value_name = "DIR")]
    tiles: PathBuf,
    /// Ensemble whose backbones are used; the configured one when not given
    #[arg(long, alias = "base", value_name = "DIR")]
    backbones: Option<PathBuf>,
    /// Folder to make; it must not be there or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Share of the dishes that ends a head's training, and that is left out in turn: 0.2 makes 5 folds
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "folds")]
    validation_share: Option<f64>,
    /// Folds of the dishes; as many as members and at least 5 when not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(3..=1000))]
    folds: Option<u16>,
    /// Views of each tile that are learned from, itself among them
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    views: u16,
    /// Hidden units of a head
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4096))]
    hidden: u16,
    /// Seed of everything random
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Threads; one a core when not given. The result does not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Part of the cells of each class whose class is to be among the possible ones
    #[arg(long, value_name = "PART", default_value_t = 0.9, value_parser = coverage)]
    coverage: f64,
    /// Name of the new ensemble
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Version of the new ensemble
    #[arg(long, value_name = "VERSION", default_value = "1")]
    version: String,
    /// The tiles come from the simulated microscope
    #[arg(long)]
    simulated: bool,
    /// Print training.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.001..=0.34).contains(share))
        .ok_or_else(|| "a share is a number from 0.001 to 0.34".to_owned())
}

fn coverage(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|part| (0.5..=0.9999).contains(part))
        .ok_or_else(|| "a coverage is a number from 0.5 to 0.9999".to_owned())
}

pub(crate) fn run(arguments: &TrainArgs) -> Result<Exit, Failure> {
    let configured = arguments.settings.load()?;
    let share = arguments.validation_share;
    let settings = Settings {
        tiles: arguments.tiles.clone(),
        backbones: arguments
            .backbones
            .clone()
            .unwrap_or_else(|| ensemble_dir(&configured.ensemble.dir)),
        out: arguments.out.clone(),
        folds: arguments
            .folds
            .map(usize::from)
            .or(share.map(|share| (1.0 / share).round().max(3.0) as usize)),
        views: usize::from(arguments.views),
        hidden: usize::from(arguments.hidden),
        seed: arguments.seed,
        threads: arguments.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            usize::from,
        ),
        coverage: arguments.coverage,
        name: arguments.name.clone(),
        version: arguments.version.clone(),
        simulated: arguments.simulated,
        engine: EngineOptions {
            transform: configured.engine.transform,
            ..EngineOptions::default()
        },
    };
    let bars = Mutex::new(ProgressBar::hidden());
    let result = train(&settings, &SystemClock, &|step| {
        let mut bar = bars
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match step {
            Step::Begin(what, steps) => {
                bar.finish_and_clear();
                *bar = ProgressBar::new(steps as u64).with_message(what);
                if let Ok(style) =
                    ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} to go")
                {
                    bar.set_style(style);
                }
            }
            Step::Done => bar.inc(1),
        }
    });
    bars.into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .finish_and_clear();
    let report = result?;
    for warning in &report.warnings {
        output::note(&format!("senescope: note: {warning}"));
    }
    if arguments.json {
        output::line(&serde_json::to_string_pretty(&report).blame(Exit::Software)?)?;
    } else {
        output::line(&text(&report))?;
        output::line(&format!("written to {}", arguments.out.display()))?;
    }
    Ok(Exit::Done)
}

fn text(report: &Report) -> String {
    let [p, s] = [report.proliferating, report.senescent];
    let mut text = format!(
        "{} proliferating tiles of {} dishes, {} senescent of {}; {} without a class left out; {} folds\n",
        p.tiles,
        p.dishes,
        s.tiles,
        s.dishes,
        report.unlabelled,
        report.folds.len()
    );
    for member in &report.members {
        let training = &member.training;
        text.push_str(&format!(
            "  {}: kept epoch {} of {}; unseen dishes {}\n",
            member.name,
            training.kept_epoch,
            training.epochs.len(),
            figures(&member.cross_validated)
        ));
    }
    let sets = report.sets;
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mean_auc = report
        .cross_validated
        .mean_auc
        .map_or_else(String::new, |auc| {
            format!(", mean AUC of the folds {auc:.3}")
        });
    text.push_str(&format!(
        "ensemble as it was: {}\nretrained, unseen dishes: {}{mean_auc}\n\
         temperature {:.3}; limits proliferating {:.3}, senescent {:.3}\n\
         sets on unseen dishes: {} named, {} of them rightly; coverage {} and {} where {} was asked for",
        figures(&report.before),
        figures(&report.cross_validated.all),
        report.temperature,
        report.limits.proliferating,
        report.limits.senescent,
        percent(sets.named),
        percent(sets.accuracy_of_named),
        percent(sets.coverage_proliferating),
        percent(sets.coverage_senescent),
        percent(report.coverage),
    ));
    text
}

fn figures(figures: &Figures) -> String {
    let auc = figures
        .auc
        .map_or_else(String::new, |auc| format!(", AUC {auc:.3}"));
    format!("accuracy {:.1} %{auc}", 100.0 * figures.accuracy)
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let exit = match error {
            TrainError::Ensemble(error) => return error.into(),
            TrainError::Tiles(error) => return error.into(),
            TrainError::Unfit { .. } => Exit::Data,
            TrainError::Setting(_) => Exit::Usage,
            TrainError::Output { .. } => Exit::Io,
            TrainError::Arithmetic(_) => Exit::Software,
        };
        Self::new(exit, error)
    }
}
