//! `senescope config`: the effective configuration, and whether it is valid.

use clap::{Args, Subcommand};

use super::{Exit, Failure, SettingsArgs, output, service::load_security};
use crate::{config::Settings, stages::publish::endpoint::check_bind};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether the configuration is valid
    Check(SettingsArgs),
    /// Print the effective configuration
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON instead of `key = value  # range`
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Check(arguments) => {
            let settings = arguments.load()?;
            check_sockets(&settings)?;
            output::line(&format!(
                "the configuration is valid; its digest is {}",
                crate::config::digest(&settings)
            ))?;
        }
        ConfigCommand::Show(arguments) => {
            let settings = serde_json::to_value(arguments.settings.load()?)
                .map_err(|error| Failure::new(Exit::Software, error))?;
            if arguments.json {
                output::line(&format!("{settings:#}"))?;
            } else {
                show(&settings, "")?;
            }
        }
    }
    Ok(Exit::Done)
}

/// Who may connect, and whether the endpoints are allowed to them. Binds nothing.
fn check_sockets(settings: &Settings) -> Result<(), Failure> {
    let publish = &settings.publish;
    let keys = load_security(&publish.security)?.is_some();
    let endpoints = [&publish.labels, &publish.maps, &publish.control];
    for endpoint in endpoints.into_iter().chain(&settings.ingest.zeromq) {
        check_bind(endpoint, keys)?;
    }
    Ok(())
}

fn show(value: &serde_json::Value, at: &str) -> Result<(), Failure> {
    if let serde_json::Value::Object(table) = value {
        for (key, value) in table {
            let dot = if at.is_empty() { "" } else { "." };
            show(value, &format!("{at}{dot}{key}"))?;
        }
        return Ok(());
    }
    let range = crate::config::KEYS
        .iter()
        .find(|key| key.path == at)
        .map(|key| format!("  # {} to {} {}", key.min, key.max, key.unit))
        .unwrap_or_default();
    output::line(format!("{at} = {value}{range}").trim_end())
}
