//! `senescope evaluate`: how good an ensemble is on dishes that it has not seen.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::ProgressBar;
use senescope_hal::SystemClock;

use super::{
    Blame, Exit, Failure, SettingsArgs,
    installed::{SHIPPED, ensemble_dir},
    output::{self, unwritable},
};
use crate::{
    evaluate::{
        EvaluateError, Figure, Material, Options, Report, evaluate, page, read_learning_curve,
    },
    stages::infer::{Ensemble, check_golden},
    tiles_folder::TileFolderError,
};

/// Golden tiles that are run before anything is judged; `ensemble check` runs all.
const GOLDEN_TILES: usize = 2;

/// Judge an ensemble on labelled tiles of dishes that it has not seen.
///
/// Writes `report.json` and `report.html`, a page that needs no network. Every figure has a 95 % interval from
/// resampling whole dishes; the same tiles, ensemble and seed give the same bytes. Example:
/// senescope evaluate --tiles held-out --unlike blurred=blurred-tiles --out report
#[derive(Clone, Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Folder of the ensemble
    #[arg(long, value_name = "DIR", default_value = SHIPPED)]
    ensemble: PathBuf,
    /// Labelled tiles, as `senescope tiles` writes them: tiles.npy and tiles.csv
    #[arg(long, value_name = "DIR")]
    tiles: PathBuf,
    /// Folder to write into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Tiles that are unlike the training set, with a name for them; their classes are not needed
    #[arg(long, value_name = "NAME=DIR", value_parser = named)]
    unlike: Vec<(String, PathBuf)>,
    /// Learning curve made elsewhere, drawn in the page: a CSV table with the columns row (what was trained: one
    /// line of the plot), tiles (number of labelled tiles it was trained on), accuracy, low and high (from 0 to 1;
    /// low and high, the interval, may be empty); further columns are left alone
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Worker threads for the networks; one a core when not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Resamples of each interval
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    resamples: u32,
    /// Seed of the resamples
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    settings: SettingsArgs,
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.trim().is_empty() && !folder.is_empty() => {
            Ok((name.trim().to_owned(), PathBuf::from(folder)))
        }
        _ => Err("NAME=DIR is expected, for example blurred=blurred-tiles".to_owned()),
    }
}

pub(crate) fn run(arguments: &EvaluateArgs) -> Result<Exit, Failure> {
    let table = arguments
        .table
        .as_deref()
        .map(read_learning_curve)
        .transpose()?;
    let options = arguments.settings.load()?.engine.options();
    let ensemble = Ensemble::load(&ensemble_dir(&arguments.ensemble), &options, &SystemClock)?;
    let unlike = arguments
        .unlike
        .iter()
        .map(|(name, folder)| (name.as_str(), folder.as_path()));
    let material = Material::open(&ensemble, &arguments.tiles, unlike)?;
    check_golden(&ensemble, GOLDEN_TILES)?;
    // Before the minutes that the networks take: whoever gave a wrong folder is told at once.
    let out = &arguments.out;
    fs::create_dir_all(out).map_err(|error| unwritable(out, &error))?;
    let options = Options {
        threads: arguments
            .threads
            .and_then(|threads| NonZeroUsize::new(threads.into()))
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN),
        resamples: arguments.resamples,
        seed: arguments.seed,
    };
    let progress = ProgressBar::new(material.tiles() as u64);
    let report = evaluate(&ensemble, material, table, &options, &|| progress.inc(1));
    progress.finish_and_clear();
    let report = report?;
    let mut json = serde_json::to_string_pretty(&report).blame(Exit::Software)?;
    json.push('\n');
    write_whole(&out.join("report.html"), &page::render(&report))?;
    write_whole(&out.join("report.json"), &json)?;
    if report.judged.trained_on_these_tiles {
        output::note(
            "warning: the ensemble was trained on these very tiles; the figures say nothing about other dishes",
        );
    }
    output::line(&text(&report, out))?;
    Ok(Exit::Done)
}

/// Writes a file under another name and then gives it its own: nobody finds half of it.
fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let part = path.with_added_extension("part");
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, path))
        .map_err(|error| {
            // What cannot be removed either is no worse than what failed.
            let _ = fs::remove_file(&part);
            unwritable(path, &error)
        })
}

/// A table for people.
fn text(report: &Report, out: &Path) -> String {
    let judged = &report.judged;
    let mut rows = vec![("ensemble".to_owned(), report.ensemble)];
    rows.extend(
        judged
            .members
            .iter()
            .filter_map(|name| Some((name.clone(), *report.members.get(name)?))),
    );
    rows.extend(
        report
            .oracle
            .iter()
            .map(|oracle| ("oracle".to_owned(), oracle.metrics)),
    );
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = format!(
        "{} {} on {} tiles of {} dishes ({:.0} % senescent)\n  {:width$}  {:22}  {:22}",
        judged.ensemble,
        judged.version,
        judged.tiles,
        judged.dishes,
        100.0 * judged.share_senescent,
        "",
        "accuracy",
        "area under ROC",
    );
    text.truncate(text.trim_end().len());
    for (name, metrics) in rows {
        text.push_str(&format!(
            "\n  {name:width$}  {:22}  {}",
            plain(metrics.accuracy),
            plain(metrics.auc)
        ));
    }
    let conformal = &report.conformal;
    text.push_str(&format!(
        "\n  coverage, {:.2} stated: proliferating {}, senescent {}",
        conformal.stated_coverage,
        plain(conformal.observed_coverage.proliferating),
        plain(conformal.observed_coverage.senescent),
    ));
    if let Some(any) = report
        .map_on_structures
        .as_ref()
        .and_then(|found| found.senescent.get("any"))
    {
        text.push_str(&format!(
            "\n  maps of senescent cells lie on their structures {} times as much as chance, {} times as much as \
             turned by 180°",
            plain(any.ratio),
            plain(any.ratio_to_turned)
        ));
    }
    if let Some(unlike) = &report.unlike {
        text.push_str(&format!(
            "\n  unlike the training set: false alarms {}",
            plain(unlike.held_out)
        ));
        for set in &unlike.sets {
            text.push_str(&format!(
                "\n    {}: {} of {} tiles flagged",
                set.name,
                plain(set.flagged),
                set.tiles
            ));
        }
    }
    text.push_str(&format!(
        "\n  report.json and report.html in {}",
        out.display()
    ));
    text
}

fn plain(figure: Figure) -> String {
    format!("{:.3} ({:.3}–{:.3})", figure.value, figure.low, figure.high)
}

impl From<EvaluateError> for Failure {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::Tiles(error) => error.into(),
            EvaluateError::Ensemble(error) => error.into(),
            error => {
                let exit = match &error {
                    EvaluateError::NoReference => Exit::Usage,
                    EvaluateError::NoTable { .. } => Exit::NoInput,
                    EvaluateError::Defect => Exit::Software,
                    _ => Exit::Data,
                };
                Self::new(exit, error)
            }
        }
    }
}

impl From<TileFolderError> for Failure {
    fn from(error: TileFolderError) -> Self {
        let exit = match &error {
            TileFolderError::Missing { .. } => Exit::NoInput,
            TileFolderError::Read { .. } => Exit::Io,
            _ => Exit::Data,
        };
        Self::new(exit, error)
    }
}
