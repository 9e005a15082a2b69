//! `senescope ensemble`: is an ensemble whole, and does it compute here what it computed when it was made?

use std::path::PathBuf;

use clap::{Args, Subcommand};
use senescope_hal::SystemClock;

use super::{
    Blame, Exit, Failure, SettingsArgs,
    installed::{SHIPPED, ensemble_dir},
    output,
};
use crate::{
    domain::Precision,
    stages::infer::{
        CheckReport, Deviation, GoldenDeviation, Outcome, TOLERANCE, TOLERANCE_BF16, Trial, check,
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum EnsembleCommand {
    /// Check digests, shapes, golden vectors and speed
    Check(CheckArgs),
}

/// Check an ensemble: digests, shapes, golden vectors, speed.
///
/// Ends with 1 when a network does not reproduce its golden vectors. Examples:
/// senescope ensemble check models/ensemble
/// senescope ensemble check --set engine.kind=auto
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folder with manifest.json
    #[arg(value_name = "DIR", default_value = SHIPPED)]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(command: &EnsembleCommand) -> Result<Exit, Failure> {
    let EnsembleCommand::Check(arguments) = command;
    let options = arguments.settings.load()?.engine.options();
    let report = check(&ensemble_dir(&arguments.dir), &options, &SystemClock)?;
    if arguments.json {
        output::line(&serde_json::to_string_pretty(&report).blame(Exit::Software)?)?;
    } else {
        output::line(&text(&report))?;
    }
    Ok(if report.passed() {
        Exit::Done
    } else {
        Exit::Negative
    })
}

fn text(report: &CheckReport) -> String {
    let mut text = format!(
        "{} {} (manifest {})\n  classes {}; channels {}; tile {:?}; reference of the training set: {}",
        report.name,
        report.version,
        &report.digest[..16.min(report.digest.len())],
        report.classes.join(", "),
        report.channels.join(", "),
        report.tile,
        if report.ood { "yes" } else { "no" },
    );
    text.push_str(&format!("\n  computed by {}", report.engine));
    for trial in &report.trials {
        text.push_str(&format!("\n    {}", tried(trial)));
    }
    for member in &report.members {
        let ms = |ns: u64| format!("{:.1} ms", ns as f64 / 1e6);
        let timing = member.timing.map_or_else(String::new, |timing| {
            format!(
                " (plain {}, nhwc {} a tile)",
                ms(timing.plain_ns),
                ms(timing.nhwc_ns)
            )
        });
        let form = member
            .transform
            .map_or_else(String::new, |transform| format!("; transform {transform}"));
        text.push_str(&format!(
            "\n  {}: sha256 {}… right; {}{form}{timing}\n    golden vectors of {} tiles: {}",
            member.name,
            &member.sha256[..16.min(member.sha256.len())],
            match member.features {
                Some(shape) => format!("maps from features {shape:?}"),
                None => "labels only, no maps".to_owned(),
            },
            report.golden_tiles,
            deviations(&member.golden, report.engine.precision),
        ));
    }
    text.push_str(&format!(
        "\n  all together: largest deviation of the probability {:.1e}{}",
        report.probability.value,
        match report.engine.precision {
            Precision::F32 => String::new(),
            Precision::Bf16 => format!(" ({TOLERANCE_BF16} allowed): {}", judged(report.right)),
        }
    ));
    text
}

/// What became of a library that was tried.
fn tried(trial: &Trial) -> String {
    let engine = match &trial.engine {
        Some(engine) => engine.to_string(),
        None => trial.kind.to_string(),
    };
    let ms = |ns: u64| ns as f64 / 1e6;
    match &trial.outcome {
        Outcome::Chosen { tile_ns } => format!("{engine}: {:.1} ms a cell, chosen", ms(*tile_ns)),
        Outcome::Slower { tile_ns } => format!("{engine}: {:.1} ms a cell", ms(*tile_ns)),
        Outcome::Unusable { reason } => format!("{engine} is not used: {reason}"),
    }
}

fn deviations(golden: &GoldenDeviation, precision: Precision) -> String {
    let off = |name: &str, deviation: Option<Deviation>| {
        deviation.map_or_else(String::new, |deviation| {
            format!("{name} {:.1e} ", deviation.value)
        })
    };
    format!(
        "largest deviation {}{}{}{}",
        off("logits", Some(golden.logits)),
        off("weights", golden.cam_weights),
        off("map", golden.map),
        match precision {
            Precision::F32 => {
                format!(
                    "({TOLERANCE:.0e} allowed): {}",
                    judged(golden.within_tolerance())
                )
            }
            // Only what the members say together is judged.
            Precision::Bf16 => String::new(),
        },
    )
}

fn judged(right: bool) -> &'static str {
    if right { "right" } else { "WRONG" }
}
