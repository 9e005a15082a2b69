//! `senescope ctl`: questions to a running daemon, and stopping its run.

use std::{collections::BTreeMap, time::Duration};

use ciborium::Value;
use clap::{Args, ValueEnum};

use super::{Blame, Exit, Failure, keys::ClientArgs, output};
use crate::control::{self, Reply, Request};

/// Ask a running daemon, or tell it what to do.
///
/// Examples: senescope ctl status; senescope ctl snapshot --json; senescope ctl set segment.threshold_noise=5
#[derive(Clone, Debug, Args)]
pub(crate) struct CtlArgs {
    /// What to do
    #[arg(value_enum)]
    command: Command,
    /// For set and reprocess: settings of the sections segment and quality, or publish.member_maps
    #[arg(value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Command socket of the daemon
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp://127.0.0.1:5558")]
    endpoint: String,
    /// Seconds to wait for an answer [default: 3; 120 for reprocess]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
    /// For since: the number of the last label that is not wanted
    #[arg(long, value_name = "N")]
    seq: Option<u64>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keys: ClientArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Command {
    /// Where the daemon is, and its counters
    Status,
    /// Start a run
    Start,
    /// End the run: what was scanned is still labelled and published; the daemon waits for the next start
    Stop,
    /// The present run and its last labels
    Snapshot,
    /// Labels of the recording whose number is above --seq
    Since,
    /// The settings in force
    Settings,
    /// Change settings: in force from the next frame on
    Set,
    /// What is said of the last frame with other settings, as labels; nothing is published
    Reprocess,
}

impl Command {
    fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Snapshot => "snapshot",
            Self::Since => "since",
            Self::Settings => "settings",
            Self::Set => "set",
            Self::Reprocess => "reprocess",
        }
    }

    /// How long an answer may take, in seconds.
    fn patience(self) -> u64 {
        match self {
            Self::Reprocess => 120,
            _ => 3,
        }
    }
}

pub(crate) fn run(arguments: &CtlArgs) -> Result<Exit, Failure> {
    let takes_settings = matches!(arguments.command, Command::Set | Command::Reprocess);
    if !takes_settings && !arguments.set.is_empty() {
        let command = arguments.command.as_str();
        let sentence = format!("`{command}` takes no settings; `set` and `reprocess` do");
        return Err(Failure::message(Exit::Usage, sentence));
    }
    let keys = arguments.keys.load()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .blame(Exit::Software)?;
    let answer = runtime.block_on(control::request::<Value>(
        &arguments.endpoint,
        &Request {
            cmd: arguments.command.as_str().to_owned(),
            seq: arguments.seq,
            set: arguments.set.clone(),
        },
        Duration::from_secs(arguments.timeout.unwrap_or(arguments.command.patience())),
        keys.as_ref(),
    ))?;
    match answer {
        Reply::Refused(sentence) => Err(Failure::message(
            Exit::Negative,
            format!("the daemon refused: {sentence}"),
        )),
        Reply::Granted(answer) => {
            if arguments.json {
                output::line(&serde_json::to_string(&answer).blame(Exit::Data)?)?;
            } else {
                for line in readable(&answer) {
                    output::line(&line)?;
                }
            }
            Ok(Exit::Done)
        }
    }
}

/// One line a field; lists by their length, and settings key by key.
fn readable(answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in fields(answer).filter(|(name, _)| *name != "ok") {
        match (name, value) {
            ("settings", Value::Map(_)) => leaves(value, "", &mut lines),
            ("labels", Value::Array(labels)) => lines.push(format!("labels: {}", counts(labels))),
            _ => lines.push(format!("{name}: {}", brief(name, value))),
        }
    }
    lines
}

/// The fields of a map whose names are text.
fn fields(map: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = map.as_map().map_or(&[][..], Vec::as_slice);
    fields
        .iter()
        .filter_map(|(name, value)| Some((name.as_text()?, value)))
}

/// `section.key = value`, a line each.
fn leaves(tree: &Value, at: &str, lines: &mut Vec<String>) {
    let dot = if at.is_empty() { "" } else { "." };
    for (name, value) in fields(tree) {
        let path = format!("{at}{dot}{name}");
        match value {
            Value::Map(_) => leaves(value, &path, lines),
            value => lines.push(format!("{path} = {}", brief(name, value))),
        }
    }
}

/// How many labels there are of each kind.
fn counts(labels: &[Value]) -> String {
    let mut kinds = BTreeMap::new();
    for label in labels {
        let kind = fields(label).find(|(name, _)| *name == "label");
        if let Some(kind) = kind.and_then(|(_, kind)| kind.as_text()) {
            *kinds.entry(kind).or_insert(0_u64) += 1;
        }
    }
    let kinds = kinds.iter();
    let kinds = kinds.map(|(kind, count)| format!(", {count} {}", kind.escape_debug()));
    format!("{}{}", labels.len(), kinds.collect::<String>())
}

fn brief(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Text(text) => text.escape_debug().to_string(),
        Value::Array(items) => format!("{} item(s)", items.len()),
        Value::Map(fields) if matches!(name, "run_start" | "run_end") => {
            format!("{} field(s)", fields.len())
        }
        Value::Map(fields) => fields
            .iter()
            .map(|(key, value)| format!("{} {}", brief("", key), brief("", value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use ciborium::cbor;

    use super::*;

    #[test]
    fn an_answer_is_readable_and_terminal_codes_in_it_are_not_obeyed() {
        let answer = cbor!({
            "ok" => true,
            "run" => null,
            "state" => "idle\u{1b}[2J",
            "last_seq" => {"label" => 3, "cam" => 0},
            "labels" => [{"label" => "senescent"}, {"label" => "uncertain"}, {"label" => "senescent"}],
            "settings" => {"segment" => {"block_um" => 3.2}, "record" => {"enabled" => false}},
        })
        .unwrap();
        assert_eq!(
            readable(&answer),
            [
                "run: -",
                "state: idle\\u{1b}[2J",
                "last_seq: label 3, cam 0",
                "labels: 3, 2 senescent, 1 uncertain",
                "segment.block_um = 3.2",
                "record.enabled = false",
            ]
        );
    }
}
