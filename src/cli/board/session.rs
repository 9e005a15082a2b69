//! From settings to a session on a board.

use std::{path::Path, sync::Arc, time::Duration};

use senescope_hal::{
    Board, ChannelInfo, ChannelName, Clock, ScanRequest, Session, Wake,
    folder::{FolderBoard, FolderConfig},
    ingest::{IngestBoard, IngestConfig, IngestListener},
    replay::{ChannelMap, ReplayBoard, ReplayRequest, ReplaySource, ReplaySpeed},
    serial::{Address, SerialBoard, SerialConfig},
    sim::{SimBoard, SimConfig, Speed as Pace},
};

use crate::cli::{Exit, Failure, service::Service};
use crate::config::{Backend, Serial, Settings, SimSpeed};

/// Where rows come from: a session, and what must live as long as it.
pub(crate) struct Source {
    pub(crate) session: Session,
    /// Where records are taken, for people.
    pub(crate) ports: Vec<String>,
    _listener: Option<IngestListener>,
}

/// A session on the board of the settings. `wanted` are the channels of the ensemble.
pub(crate) fn session(
    settings: &Settings,
    wanted: &[ChannelName],
    service: &Service,
) -> Result<Source, Failure> {
    let (mut ports, mut listener) = (Vec::new(), None);
    let board: Box<dyn Board> = match settings.board.backend {
        Backend::Sim => Box::new(SimBoard::new(SimConfig {
            speed: match settings.sim.speed {
                SimSpeed::Max => Pace::AsFastAsPossible,
                SimSpeed::Times(times) => Pace::Real(times),
            },
            faults: settings.sim.faults.clone(),
            ..SimConfig::of_seed(settings.sim.seed)
        })),
        Backend::Replay => {
            let speed = match settings.sim.speed {
                SimSpeed::Max => ReplaySpeed::Max,
                SimSpeed::Times(times) => ReplaySpeed::Times(times),
            };
            let channels = channels(settings).map_err(of_settings)?;
            if settings.board.path.is_none() && channels.is_empty() {
                return Err(Failure::message(
                    Exit::Config,
                    "`board.backend` is replay and there is nothing to replay: set `board.path` to a file or folder, \
                     or each channel in the table `board.channels`"
                        .to_owned(),
                ));
            }
            replay(
                ReplayRequest {
                    paths: settings.board.path.iter().cloned().collect(),
                    channels,
                    pixel_size_um: settings.board.pixel_size_um,
                    wanted: wanted.to_vec(),
                },
                speed,
            )
            .map_err(of_settings)?
        }
        Backend::Serial => Box::new(serial(&settings.serial, service)?),
        Backend::Folder => folder(settings, wanted).map_err(of_settings)?,
        Backend::Ingest => {
            let (board, port) = IngestBoard::new(ingest(settings, wanted))
                .map_err(|error| of_settings(error.into()))?;
            let loopback = settings.ingest.tcp.ip().to_canonical().is_loopback();
            if !loopback {
                return Err(Failure::message(
                    Exit::Config,
                    format!(
                        "`ingest.tcp` is {}; only the loopback interface is allowed, for example 127.0.0.1:5559",
                        settings.ingest.tcp
                    ),
                ));
            }
            let bound = listener.insert(IngestListener::bind(settings.ingest.tcp, port.clone())?);
            ports.push(format!("tcp://{}", bound.address()));
            if let Some(endpoint) = &settings.ingest.zeromq {
                ports.push(format!(
                    "{} (ZeroMQ)",
                    service.take_records(endpoint, port)?
                ));
            }
            Box::new(board)
        }
    };
    Ok(Source {
        session: on(board, settings, service.clock.clone()),
        ports,
        _listener: listener,
    })
}

/// Where the settings say that channels are.
fn channels(settings: &Settings) -> Result<Vec<ChannelMap>, Failure> {
    let table = settings.board.channels.iter();
    table
        .map(|(name, place)| channel_map(&format!("{name}={place}")))
        .collect()
}

/// A watched folder.
fn folder(settings: &Settings, wanted: &[ChannelName]) -> Result<Box<dyn Board>, Failure> {
    let folder = &settings.folder;
    let Some(directory) = &folder.directory else {
        return Err(Failure::message(
            Exit::Config,
            "`board.backend` is folder and there is none: set `folder.directory`".to_owned(),
        ));
    };
    Ok(Box::new(FolderBoard::new(FolderConfig {
        patterns: folder.patterns.clone(),
        channels: channels(settings)?,
        pixel_size_um: settings.board.pixel_size_um,
        wanted: wanted.to_vec(),
        settle: Duration::from_secs_f64(folder.settle_s),
        poll: Duration::from_secs_f64(folder.poll_s),
        give_up: Duration::from_secs_f64(folder.give_up_s),
        first_file: folder.first_file_s.map(Duration::from_secs_f64),
        journal: folder.journal.clone(),
        ..FolderConfig::new(directory)
    })?))
}

/// The frames that other programs push: of the scan's size, with the ensemble's channels.
fn ingest(settings: &Settings, wanted: &[ChannelName]) -> IngestConfig {
    let (scan, ingest) = (&settings.scan, &settings.ingest);
    let counts = |name: &ChannelName| ChannelInfo::counts(name.clone(), ingest.bit_depth);
    IngestConfig {
        channels: wanted.iter().map(counts).collect(),
        width: scan.width,
        height: scan.height,
        pixel_size_um: scan.pixel_size_um,
        dwell_ns: None,
        line_period_ns: None,
        strip_rows: scan.strip_rows,
        frame_timeout: Duration::from_secs_f64(ingest.frame_timeout_s),
        frames_ahead: ingest.frames_ahead as usize,
    }
}

/// A board on a serial port or TCP.
fn serial(settings: &Serial, service: &Service) -> Result<SerialBoard, Failure> {
    let Some(port) = &settings.port else {
        return Err(Failure::message(
            Exit::Config,
            "`board.backend` is serial and no port is set: set `serial.port` to a serial port or tcp://HOST:PORT"
                .to_owned(),
        ));
    };
    let Ok(address) = port.parse::<Address>();
    let config = SerialConfig {
        baud: settings.baud,
        flow: settings.flow,
        trigger: settings.trigger,
        reopen_for: Duration::from_secs_f64(settings.reopen_s),
        ..SerialConfig::at(address)
    };
    open_serial(config, service)
}

/// Opens a board on a link. Whoever stops the program does not wait for a board that does not answer, and has not
/// failed.
pub(super) fn open_serial(config: SerialConfig, service: &Service) -> Result<SerialBoard, Failure> {
    let (wake, woken) = Wake::channel();
    service.stop.wakes(Box::new(wake.clone()));
    match SerialBoard::open_interruptibly(config, (wake, woken)) {
        Err(error) if service.stop.asked() => Err(Failure::new(Exit::Done, error)),
        opened => Ok(opened?),
    }
}

/// What would be a wrong command line of `replay` is a wrong configuration of `run`.
pub(crate) fn of_settings(failure: Failure) -> Failure {
    if failure.exit != Exit::Usage {
        return failure;
    }
    let mut sentence = format!("{:#}", failure.error);
    if sentence.contains("--channel") || sentence.contains("--pixel-size-um") {
        sentence += " (in the configuration, --channel NAME=PLACE is `board.channels.NAME` and --pixel-size-um is \
                     `board.pixel_size_um`)";
    }
    Failure::message(Exit::Config, sentence)
}

/// A session on `board` with the settings' memory.
pub(crate) fn on(board: Box<dyn Board>, settings: &Settings, clock: Arc<dyn Clock>) -> Session {
    Session::new(board, clock, (settings.limits.strips_mib as usize) << 20)
}

/// A board that replays.
pub(crate) fn replay(
    request: ReplayRequest,
    speed: ReplaySpeed,
) -> Result<Box<dyn Board>, Failure> {
    Ok(Box::new(ReplayBoard::new(
        ReplaySource::open(&request)?,
        speed,
    )?))
}

/// `NAME=FILE[#PAGE]` of a command line or a setting.
pub(crate) fn channel_map(text: &str) -> Result<ChannelMap, Failure> {
    text.parse()
        .map_err(|sentence| Failure::message(Exit::Usage, sentence))
}

/// What is asked of the board of the settings. Files have their own geometry, and pushed frames that of the settings.
pub(crate) fn request(settings: &Settings) -> ScanRequest {
    let scan = &settings.scan;
    match settings.board.backend {
        Backend::Sim | Backend::Serial => ScanRequest {
            width: Some(scan.width),
            height: Some(scan.height),
            dwell_ns: Some(scan.dwell_ns),
            pixel_size_um: Some(scan.pixel_size_um),
            bidirectional: Some(scan.bidirectional),
            strip_rows: Some(scan.strip_rows),
            channels: Vec::new(),
            frames: scan.frames,
        },
        Backend::Replay | Backend::Folder | Backend::Ingest => ScanRequest {
            strip_rows: Some(scan.strip_rows),
            frames: scan.frames,
            ..ScanRequest::default()
        },
    }
}

/// The folders with frames at or one level below `path`: dishes of a simulation, or the path itself.
pub(crate) fn expand(path: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return vec![path.to_owned()];
    };
    let mut dishes: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|entry| entry.join(crate::cli::simulate::DISH_FILE).is_file())
        .collect();
    dishes.sort();
    if dishes.is_empty() {
        vec![path.to_owned()]
    } else {
        dishes
    }
}
