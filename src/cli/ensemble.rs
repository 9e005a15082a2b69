//! `senescope ensemble`: is an ensemble whole, and does it compute here what it computed when it was made?

use std::path::PathBuf;

use clap::{Args, Subcommand};
use senescope_hal::SystemClock;

use super::{
    Blame, Exit, Failure,
    installed::{SHIPPED, ensemble_dir},
    output,
};
use crate::stages::infer::{
    CheckReport, Deviation, EngineOptions, GoldenDeviation, TOLERANCE, check,
};

#[derive(Debug, Subcommand)]
pub(crate) enum EnsembleCommand {
    /// Check digests, shapes, golden vectors and speed
    Check(CheckArgs),
}

/// Check an ensemble: digests, shapes, golden vectors, speed.
///
/// Ends with 1 when a network does not reproduce its golden vectors. Example:
/// senescope ensemble check models/ensemble
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folder with manifest.json
    #[arg(value_name = "DIR", default_value = SHIPPED)]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &EnsembleCommand) -> Result<Exit, Failure> {
    let EnsembleCommand::Check(arguments) = command;
    let report = check(
        &ensemble_dir(&arguments.dir),
        &EngineOptions::default(),
        &SystemClock,
    )?;
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
    for member in &report.members {
        let ms = |ns: u64| format!("{:.1} ms", ns as f64 / 1e6);
        let timing = member.timing.map_or_else(String::new, |timing| {
            format!(
                " (plain {}, nhwc {} a tile)",
                ms(timing.plain_ns),
                ms(timing.nhwc_ns)
            )
        });
        text.push_str(&format!(
            "\n  {}: sha256 {}… right; {}; transform {}{timing}\n    golden vectors of {} tiles: {}",
            member.name,
            &member.sha256[..16.min(member.sha256.len())],
            match member.features {
                Some(shape) => format!("maps from features {shape:?}"),
                None => "labels only, no maps".to_owned(),
            },
            member.transform,
            report.golden_tiles,
            deviations(&member.golden),
        ));
    }
    text
}

fn deviations(golden: &GoldenDeviation) -> String {
    let off = |name: &str, deviation: Option<Deviation>| {
        deviation.map_or_else(String::new, |deviation| {
            format!("{name} {:.1e} ", deviation.value)
        })
    };
    format!(
        "largest deviation {}{}{}({:.0e} allowed): {}",
        off("logits", Some(golden.logits)),
        off("weights", golden.cam_weights),
        off("map", golden.map),
        TOLERANCE,
        if golden.within_tolerance() {
            "right"
        } else {
            "WRONG"
        },
    )
}
