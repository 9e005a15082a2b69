//! `senescope run`: the service.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use clap::Args;

use super::{
    Exit, Failure, SettingsArgs, board, output,
    service::{Service, load_ensemble, publish_config},
    summary,
    supervisor::Supervisor,
};
use crate::{
    config::{Backend, Http, LiveSettings, Settings, SimSpeed},
    pipeline::{Cause, Ended, Execution, LastFrame, Reprocessor, Skips, Viewer},
    recording::{self, Recovered},
    stages::{infer::Ensemble, publish::Finish},
    web::{Access, Canvas, Site},
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
    let service = Service::start(Some(publish), LiveSettings::new(settings.clone()))?;
    let patience = Duration::from_secs(settings.control.watchdog_s);
    let supervisor = Supervisor::of(&service, patience);
    let result = page(&settings.http, &service)
        .and_then(|page| serve(&settings, &service, &supervisor, page));
    supervisor.stopping();
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

/// The live page, and what it shows.
struct Page {
    at: SocketAddr,
    site: Arc<Site>,
    canvas: Arc<Canvas>,
}

/// Serves the live page, when there is to be one.
fn page(config: &Http, service: &Service) -> Result<Option<Page>, Failure> {
    if !config.enabled {
        return Ok(None);
    }
    let canvas = Arc::new(Canvas::default());
    let access = Access::of(config)?;
    let site = Arc::new(Site::new(service.desk.clone(), Arc::clone(&canvas), access));
    let at = service.show(config, Arc::clone(&site))?;
    Ok(Some(Page { at, site, canvas }))
}

fn serve(
    settings: &Settings,
    service: &Service,
    supervisor: &Supervisor,
    page: Option<Page>,
) -> Result<Exit, Failure> {
    supervisor.preparing("loading and checking the ensemble");
    let ensemble = Arc::new(load_ensemble(settings, &*service.clock)?);
    supervisor.preparing("opening the board");
    let source = board::session(settings, &ensemble.manifest().channels, service)?;
    let ports = source.ports.iter();
    let records: String = ports.map(|port| format!("  records  {port}\n")).collect();
    let [labels, maps, control] = service.endpoints().unwrap_or_default();
    let live = page.as_ref();
    let live = live.map_or_else(String::new, |page| {
        format!("  page     http://{}\n", page.at)
    });
    let ready = format!(
        "senescope {} is ready: {}, {} of {} network(s)\n{live}  labels   {labels}\n  maps     {maps}\n  control  {control}\n\
         {records}watch with `senescope watch`, stop with Ctrl-C",
        env!("CARGO_PKG_VERSION"),
        description(settings),
        ensemble.manifest().name,
        ensemble.members().len(),
    );
    if let Some(page) = &page {
        page.site.ready();
    }
    match output::line(&ready) {
        // A service goes on when nobody reads what it prints.
        Err(failure) if failure.exit == Exit::Done => {}
        printed => printed?,
    }
    supervisor.ready(service);
    let last_frame = Arc::new(LastFrame::new(
        (settings.limits.last_frame_mib as usize) << 20,
    ));
    service.desk.reprocessing.by(Arc::new(Reprocessor {
        ensemble: Arc::clone(&ensemble),
        last_frame: Arc::clone(&last_frame),
        clock: Arc::clone(&service.clock),
    }));
    let mut viewers: Vec<&dyn Viewer> = vec![&*last_frame];
    if let Some(page) = &page {
        viewers.push(&*page.canvas);
    }
    let mut runs = Runs {
        settings,
        service,
        supervisor,
        ensemble: &ensemble,
        source: Some(source),
        viewers: &viewers,
    };
    runs.all()
}

/// A thread that stands still cannot be ended from outside: a supervisor starts the program anew, which makes its
/// recording whole.
fn give_up(stage: &str) {
    tracing::error!("{stage} has work and makes no progress; the program gives up");
    std::process::exit(Exit::Software as i32);
}

/// One run after the other.
struct Runs<'a> {
    settings: &'a Settings,
    service: &'a Service,
    supervisor: &'a Supervisor,
    ensemble: &'a Ensemble,
    /// The board, until it fails.
    source: Option<board::Source>,
    /// Those who look on while rows come.
    viewers: &'a [&'a dyn Viewer],
}

impl Runs<'_> {
    /// Carries out the runs that are wanted, until one ends by itself or the program is to end.
    fn all(&mut self) -> Result<Exit, Failure> {
        let lifecycle = &self.service.desk.lifecycle;
        if self.settings.control.autostart
            && let Err(refusal) = lifecycle.start()
        {
            tracing::debug!("the first run is not started: {refusal}");
        }
        let mut exit = Exit::Done;
        while lifecycle.wait() {
            let stop = lifecycle.run_stop();
            let by_itself = match self.one() {
                Ok(ended) => {
                    output::line(&summary::of(&ended))?;
                    exit = summary::exit(&ended);
                    if let Some(Cause::Board(_)) = ended.cause {
                        // What failed is opened anew.
                        self.source = None;
                    }
                    ended.end.finish != Finish::Cancelled
                }
                // Stopped while it was set up.
                Err(failure) if stop.asked() => {
                    output::note(&format!("senescope: {:#}", failure.error));
                    false
                }
                Err(failure) if !self.settings.control.stay => return Err(failure),
                Err(failure) => {
                    tracing::error!("no run was begun: {:#}", failure.error);
                    self.source = None;
                    true
                }
            };
            if by_itself && !self.settings.control.stay {
                return Ok(exit);
            }
            if !lifecycle.is_quitting() {
                tracing::info!(
                    "no run is on; `senescope ctl start` begins one, Ctrl-C ends the program"
                );
            }
        }
        Ok(exit)
    }

    fn one(&mut self) -> Result<Ended, Failure> {
        let mut source = match self.source.take() {
            Some(source) => source,
            None => {
                let channels = &self.ensemble.manifest().channels;
                let opened = board::session(self.settings, channels, self.service);
                opened.inspect_err(|_| self.service.desk.lifecycle.not_armed())?
            }
        };
        let live = &self.service.desk.settings;
        let ended = Execution {
            session: &mut source.session,
            request: &board::request(self.settings),
            ensemble: self.ensemble,
            settings: live.now(),
            in_force: &|_| live.now(),
            viewers: self.viewers,
            outbox: &self.service.desk.outbox,
            lifecycle: &self.service.desk.lifecycle,
            clock: &*self.service.clock,
            started_utc: Some(jiff::Timestamp::now().to_string()),
            recorded: true,
            looked: &|monitor, stuck| {
                if let Some(stage) = stuck {
                    give_up(stage);
                }
                self.supervisor.looked(monitor);
            },
            skips: &Skips::new(),
        }
        .run(|scan| {
            live.scanning(scan.pixel_size_um);
            Ok(Vec::new())
        });
        self.supervisor.run_ended();
        self.source = Some(source);
        ended.map_err(|refused| board::of_settings(refused.into()))
    }
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
