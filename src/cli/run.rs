//! `senescope run`: the service.

use std::path::Path;

use clap::Args;

use super::{
    Exit, Failure, SettingsArgs, board, output,
    service::{Service, load_ensemble, publish_config},
    summary,
};
use crate::{
    config::{Backend, Settings, SimSpeed},
    pipeline::{Execution, Refused, Skips},
    recording::{self, Recovered},
};

/// Run the service: board → labels and maps.
///
/// Ends by itself after --frames, at the end of a recording, or when it is stopped; what was scanned is
/// always labelled first. Example: senescope run --frames 3 --set sim.seed=7
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// End after this many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
}

pub(crate) fn run(arguments: &RunArgs) -> Result<Exit, Failure> {
    let mut settings = arguments.settings.load()?;
    if arguments.frames.is_some() {
        settings.scan.frames = arguments.frames;
    }
    let publish = publish_config(&settings.publish, settings.limits.outbox_mib);
    if settings.record.enabled {
        recover_recordings(&settings.record.dir)?;
    }
    let service = Service::start(Some(publish))?;
    let result = serve(&settings, &service);
    service.close();
    result
}

fn unreadable(dir: &Path, error: &std::io::Error) -> Failure {
    let message = format!(
        "recordings in {} cannot be read: {error}; set `record.dir` to another folder",
        dir.display()
    );
    Failure::message(Exit::Io, message)
}

/// Makes whole what a killed program left, and says what was saved.
fn recover_recordings(dir: &Path) -> Result<(), Failure> {
    for (folder, recovered) in recording::recover(dir).map_err(|error| unreadable(dir, &error))? {
        match recovered {
            Ok(Recovered {
                frames,
                labels,
                cut_bytes,
                ..
            }) => tracing::warn!(
                frames,
                labels,
                cut_bytes,
                "{} was left by a program that was killed; it is marked as incomplete",
                folder.display()
            ),
            Err(error) => tracing::error!("{} is left as it is: {error}", folder.display()),
        }
    }
    Ok(())
}

fn serve(settings: &Settings, service: &Service) -> Result<Exit, Failure> {
    let ensemble = load_ensemble(settings, &*service.clock)?;
    let mut source = board::session(settings, &ensemble.manifest().channels, service)?;
    let request = board::request(settings);
    let execution = Execution {
        session: &mut source.session,
        request: &request,
        ensemble: &ensemble,
        settings,
        outbox: &service.outbox,
        stop: &service.stop,
        clock: &*service.clock,
        started_utc: Some(jiff::Timestamp::now().to_string()),
        recorded: true,
        skips: &Skips::new(),
    };
    let ports = source.ports.iter();
    let records: String = ports.map(|port| format!("  records  {port}\n")).collect();
    let [labels, maps, control] = service.endpoints().unwrap_or_default();
    let ready = format!(
        "senescope {} is ready: {}, {} of {} network(s)\n  labels   {labels}\n  maps     {maps}\n  control  {control}\n\
         {records}watch with `senescope watch`, stop with Ctrl-C",
        env!("CARGO_PKG_VERSION"),
        description(settings),
        ensemble.manifest().name,
        ensemble.members().len(),
    );
    match output::line(&ready) {
        // A service goes on when nobody reads what it prints.
        Err(failure) if failure.exit == Exit::Done => {}
        printed => printed?,
    }
    let ended = match execution.run(|_| Ok(Vec::new())) {
        // Stopped while a first file was waited for.
        Err(Refused::Board(error)) if service.stop.asked() => {
            output::note(&format!("senescope: {error}"));
            return Ok(Exit::Done);
        }
        ended => ended.map_err(|refused| board::of_settings(refused.into()))?,
    };
    output::line(&summary::of(&ended))?;
    Ok(summary::exit(&ended))
}

fn description(settings: &Settings) -> String {
    match settings.board.backend {
        Backend::Sim => {
            let speed = match settings.sim.speed {
                SimSpeed::Max => "as fast as it is taken".to_owned(),
                SimSpeed::Times(times) if (times - 1.0).abs() < f64::EPSILON => {
                    "in real time".to_owned()
                }
                SimSpeed::Times(times) => format!("at {times} times real time"),
            };
            format!("simulated microscope (dish {}) {speed}", settings.sim.seed)
        }
        Backend::Serial => format!(
            "board at {}",
            settings.serial.port.as_deref().unwrap_or_default()
        ),
        Backend::Folder => format!(
            "files that come into {}",
            settings
                .folder
                .directory
                .as_deref()
                .unwrap_or(Path::new(""))
                .display()
        ),
        Backend::Ingest => "frames that other programs push".to_owned(),
        Backend::Replay => match &settings.board.path {
            Some(path) => format!("replay of {}", path.display()),
            None => "replay of mapped files".to_owned(),
        },
    }
}
