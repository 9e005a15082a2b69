//! `senescope ctl`: questions to a running daemon, and stopping its run.

use std::time::Duration;

use ciborium::Value;
use clap::{Args, ValueEnum};

use super::{Blame, Exit, Failure, keys::ClientArgs, output};
use crate::control::{self, Reply};

/// Ask a running daemon, or stop its run.
///
/// Examples: senescope ctl status; senescope ctl snapshot --json
#[derive(Clone, Debug, Args)]
pub(crate) struct CtlArgs {
    /// What to do
    #[arg(value_enum)]
    command: Command,
    /// Command socket of the daemon
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp://127.0.0.1:5558")]
    endpoint: String,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
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
}

impl Command {
    fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Snapshot => "snapshot",
            Self::Since => "since",
        }
    }
}

pub(crate) fn run(arguments: &CtlArgs) -> Result<Exit, Failure> {
    let keys = arguments.keys.load()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .blame(Exit::Software)?;
    let answer = runtime.block_on(control::request::<Value>(
        &arguments.endpoint,
        arguments.command.as_str(),
        arguments.seq,
        Duration::from_secs(arguments.timeout),
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

/// One line a field; lists by their length.
fn readable(answer: &Value) -> Vec<String> {
    let fields = answer.as_map().map_or(&[][..], Vec::as_slice);
    fields
        .iter()
        .filter_map(|(name, value)| Some((name.as_text()?, value)))
        .filter(|(name, _)| *name != "ok")
        .map(|(name, value)| format!("{name}: {}", brief(name, value)))
        .collect()
}

fn brief(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Text(text) => text.escape_debug().to_string(),
        Value::Array(items) => format!("{} item(s)", items.len()),
        Value::Map(fields) if name == "run_start" => format!("{} field(s)", fields.len()),
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
            "labels" => [1, 2],
        })
        .unwrap();
        assert_eq!(
            readable(&answer),
            [
                "run: -",
                "state: idle\\u{1b}[2J",
                "last_seq: label 3, cam 0",
                "labels: 2 item(s)"
            ]
        );
    }
}
