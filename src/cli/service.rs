//! What `run` and `replay` share: the runtime, signals, the ensemble, the sockets.

use std::{net::SocketAddr, sync::Arc};

use senescope_hal::{Clock, SystemClock, ingest::IngestPort};
use tokio::runtime::Runtime;

use super::{Blame, Exit, Failure, installed::ensemble_dir};
use crate::{
    config::{self, Http, LiveSettings, Publish, Settings},
    control::{self, Desk, Lifecycle, Stop},
    ingest::IngestSocket,
    pipeline::Refused,
    security::{Security, SecurityError, SecurityErrorKind},
    stages::{
        infer::{Ensemble, EnsembleError, Outcome, Trial, check_golden},
        publish::{Outbox, PublishConfig, PublishError, PublishErrorKind, Publisher},
        record::RecordError,
    },
    web::{self, AccessError, Site, WebError},
};

/// Golden tiles that are run before the daemon says that it is ready; `ensemble check` runs all.
const GOLDEN_TILES: usize = 2;

/// A process that can publish and be stopped.
pub(crate) struct Service {
    runtime: Runtime,
    publisher: Option<Publisher>,
    security: Option<Security>,
    /// Where results go, the runs, and the settings in force: clients ask and change the same.
    pub(crate) desk: Desk,
    /// Asked when the program is to end.
    pub(crate) stop: Stop,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Service {
    /// Starts the runtime, takes the signals, and binds the sockets when there is somewhere to publish.
    /// Clients may change `settings` as far as that is allowed.
    pub(crate) fn start(
        publish: Option<Publishing>,
        settings: LiveSettings,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let stop = Stop::default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .blame(Exit::Software)?;
        let security = match &publish {
            Some(publish) => load_security(&publish.security)?,
            None => None,
        };
        let publisher = match publish {
            Some(Publishing { config, .. }) => {
                let keys = security.as_ref().map(|security| &security.everybody);
                Some(runtime.block_on(Publisher::bind(&config, keys, clock.clone()))?)
            }
            None => None,
        };
        let outbox = match &publisher {
            Some(publisher) => publisher.outbox(),
            None => Outbox::disabled(clock.clone()),
        };
        let desk = Desk::new(outbox, settings);
        if let Some(publisher) = &publisher {
            runtime.spawn(control::serve(
                publisher.control(),
                desk.clone(),
                security.as_ref().map(|security| security.clients.clone()),
            ));
        }
        runtime.spawn(take_signals(stop.clone(), desk.lifecycle.clone()));
        Ok(Self {
            runtime,
            publisher,
            security,
            desk,
            stop,
            clock,
        })
    }

    /// Asks for the only run of this program.
    pub(crate) fn one_run(&self) -> Result<&Lifecycle, Failure> {
        let started = self.desk.lifecycle.start();
        started.map_err(|refusal| Failure::message(Exit::Done, refusal))?;
        Ok(&self.desk.lifecycle)
    }

    /// Where others find the sockets, with the ports that were taken: labels, maps, control.
    pub(crate) fn endpoints(&self) -> Option<[String; 3]> {
        self.publisher.as_ref().map(|publisher| {
            [
                publisher.labels().to_owned(),
                publisher.maps().to_owned(),
                publisher.control().endpoint().to_owned(),
            ]
        })
    }

    /// Serves the live page for as long as this runs; gives where.
    pub(crate) fn show(&self, config: &Http, site: Arc<Site>) -> Result<SocketAddr, Failure> {
        Ok(self.runtime.block_on(web::serve(config.bind, site))?)
    }

    /// Takes records at a ZeroMQ endpoint for as long as this runs; gives where it is bound.
    pub(crate) fn take_records(&self, endpoint: &str, port: IngestPort) -> Result<String, Failure> {
        let keys = self.security.as_ref().map(|security| &security.operators);
        let socket = self.runtime.block_on(IngestSocket::bind(endpoint, keys))?;
        let bound = socket.endpoint().to_owned();
        self.runtime.spawn(socket.serve(port));
        Ok(bound)
    }

    /// Does something beside everything else, for as long as this runs.
    pub(crate) fn beside(&self, what: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(what);
    }

    /// Sends what waits and gives the ports up.
    pub(crate) fn close(self) {
        if let Some(publisher) = self.publisher {
            self.runtime.block_on(publisher.close());
        }
    }
}

/// The first signal drains the run; the second ends the process at once.
async fn take_signals(stop: Stop, lifecycle: Lifecycle) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        tracing::warn!("signals cannot be taken; stop with `senescope ctl stop`");
        return;
    };
    let mut asked = 0;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        asked += 1;
        if asked > 1 {
            // 128 + SIGINT, as shells have it.
            std::process::exit(130);
        }
        tracing::info!("stopping: what was begun is brought to its end; once more to give up");
        stop.ask();
        lifecycle.quit();
    }
}

/// Loads an ensemble and runs some of its golden vectors.
pub(crate) fn load_ensemble(settings: &Settings, clock: &dyn Clock) -> Result<Ensemble, Failure> {
    let options = settings.engine.options();
    let ensemble = Ensemble::load(&ensemble_dir(&settings.ensemble.dir), &options, clock)?;
    for trial in ensemble.trials() {
        tell(trial);
    }
    check_golden(&ensemble, GOLDEN_TILES)?;
    tracing::info!(engine = %ensemble.engine(), "the networks are built");
    Ok(ensemble)
}

/// What became of a library that `engine.kind = "auto"` has tried.
fn tell(trial: &Trial) {
    let ms = |ns: u64| ns as f64 / 1e6;
    let kind = trial.kind;
    match &trial.outcome {
        Outcome::Chosen { tile_ns } => {
            tracing::info!(%kind, tile_ms = ms(*tile_ns), "the fastest engine");
        }
        Outcome::Slower { tile_ns } => {
            tracing::info!(%kind, tile_ms = ms(*tile_ns), "a slower engine");
        }
        Outcome::Unusable { reason } if trial.named => {
            tracing::warn!(%kind, "an engine that is configured is not used: {reason}");
        }
        Outcome::Unusable { reason } => tracing::info!(%kind, "an engine is not used: {reason}"),
    }
}

/// Where to publish, and the files that say who may connect.
pub(crate) struct Publishing {
    config: PublishConfig,
    security: config::Security,
}

/// The publisher's settings as the publisher has them.
pub(crate) fn publish_config(publish: &Publish, outbox_mib: u32) -> Publishing {
    let bytes = |mib: u32| (mib as usize) << 20;
    let config = PublishConfig {
        labels: publish.labels.clone(),
        maps: publish.maps.clone(),
        control: publish.control.clone(),
        labels_backlog_bytes: bytes(publish.labels_backlog_mib),
        maps_backlog_bytes: bytes(publish.maps_backlog_mib),
        labels_queue_bytes: bytes(outbox_mib),
        maps_queue_bytes: bytes(outbox_mib),
        ..PublishConfig::default()
    };
    Publishing {
        config,
        security: publish.security.clone(),
    }
}

/// Reads the keys that are configured; `None` when there are none.
pub(crate) fn load_security(files: &config::Security) -> Result<Option<Security>, Failure> {
    let missing = match (&files.server_key, &files.clients) {
        (None, None) => return Ok(None),
        (Some(server_key), Some(clients)) => {
            // Whatever is wrong with them, it is the configuration that names them.
            let security = Security::load(server_key, clients).blame(Exit::Config)?;
            return Ok(Some(security));
        }
        (Some(_), None) => "clients",
        (None, Some(_)) => "server_key",
    };
    Err(Failure::message(
        Exit::Config,
        format!(
            "`publish.security.{missing}` is missing; keys need both `server_key` (a file) and `clients` (a folder), \
             which `senescope keys new` makes"
        ),
    ))
}

impl From<SecurityError> for Failure {
    fn from(error: SecurityError) -> Self {
        let exit = match error.kind() {
            SecurityErrorKind::Missing => Exit::NoInput,
            SecurityErrorKind::Malformed => Exit::Data,
            SecurityErrorKind::Exposed => Exit::Config,
            SecurityErrorKind::Usage => Exit::Usage,
            SecurityErrorKind::Io => Exit::Io,
        };
        Self::new(exit, error)
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let exit = match error.kind() {
            PublishErrorKind::Configuration => Exit::Config,
            PublishErrorKind::Unavailable => Exit::Unavailable,
            PublishErrorKind::Io => Exit::Io,
            PublishErrorKind::Data => Exit::Data,
        };
        Self::new(exit, error)
    }
}

impl From<EnsembleError> for Failure {
    fn from(error: EnsembleError) -> Self {
        let exit = match &error {
            EnsembleError::Missing { .. } => Exit::NoInput,
            EnsembleError::Read { .. } => Exit::Io,
            EnsembleError::Golden { .. } => Exit::Negative,
            EnsembleError::Engine { .. } => Exit::Config,
            _ => Exit::Data,
        };
        Self::new(exit, error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Board(error) => error.into(),
            Refused::Ensemble(error) => error.into(),
            refused @ Refused::Unfit(_) => Self::new(Exit::Data, refused),
            Refused::Record(refused @ RecordError::NoRoom { .. }) => {
                Self::new(Exit::Config, refused)
            }
            refused @ (Refused::Sink(_) | Refused::Record(_)) => Self::new(Exit::Io, refused),
            refused => Self::new(Exit::Software, refused),
        }
    }
}

impl From<WebError> for Failure {
    fn from(error: WebError) -> Self {
        Self::new(Exit::Unavailable, error)
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::new(Exit::Config, error)
    }
}
