//! What a person types: one file a subcommand.

mod board;
mod budget;
mod config;
mod ctl;
mod ensemble;
mod evaluate;
mod exit;
mod export;
mod generate;
mod installed;
mod keys;
mod log;
mod maps;
mod output;
mod pictures;
mod replay;
mod run;
mod service;
mod simulate;
mod summary;
mod supervisor;
mod tiles;
mod train;
mod verify;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::config::{Settings, Sources};
use exit::{Blame, Exit, Failure};

/// Classifies senescent cells in label-free non-linear microscopy while they are being scanned.
///
/// Without a command it is `senescope run`: without a configuration it runs the simulated microscope
/// with the shipped ensemble and prints where to subscribe.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Replay(replay::ReplayArgs),
    Watch(watch::WatchArgs),
    Ctl(ctl::CtlArgs),
    /// Make keys for the daemon and its clients, and list them
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    Budget(budget::BudgetArgs),
    Simulate(simulate::SimulateArgs),
    Tiles(tiles::TilesArgs),
    Evaluate(evaluate::EvaluateArgs),
    Export(export::ExportArgs),
    Train(train::TrainArgs),
    /// Try a board on a serial port or TCP, or be one
    #[command(subcommand)]
    Board(board::BoardCommand),
    /// Check an ensemble
    #[command(subcommand)]
    Ensemble(ensemble::EnsembleCommand),
    /// Print or check the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Write man pages and completions
    #[command(subcommand, hide = true)]
    Generate(generate::GenerateCommand),
}

/// Where the settings come from; each overrides the one before.
#[derive(Clone, Debug, Default, Args)]
struct SettingsArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one key, for example --set scan.height=256
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl SettingsArgs {
    fn load(&self) -> Result<Settings, Failure> {
        self.load_over(None)
    }

    /// The settings, with `base` instead of the built-in values.
    fn load_over(&self, base: Option<Settings>) -> Result<Settings, Failure> {
        Ok(crate::config::load(&Sources {
            base,
            file: self.config.clone(),
            environment: None,
            set: self.set.clone(),
        })?)
    }
}

/// Parses the command line, runs the command and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A failure to print the usage has no better place to go.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
            .into();
        }
    };
    log::start();
    match dispatch(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let sentence = format!("{:#}", failure.error);
            if !sentence.is_empty() {
                output::note(&format!("senescope: {sentence}"));
            }
            failure.exit.into()
        }
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(arguments) => run::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Ctl(arguments) => ctl::run(&arguments),
        Command::Keys(command) => keys::run(&command),
        Command::Budget(arguments) => budget::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Tiles(arguments) => tiles::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Board(command) => board::run(&command),
        Command::Ensemble(command) => ensemble::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Generate(command) => generate::run(&command),
    }
}
