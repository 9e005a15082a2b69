//! From settings to a session on a board.

use std::{path::Path, sync::Arc, time::Duration};

use senescope_hal::{
    Board, ChannelName, Clock, ScanRequest, Session,
    replay::{ChannelMap, ReplayBoard, ReplayRequest, ReplaySource, ReplaySpeed},
    serial::{Address, SerialBoard, SerialConfig},
    sim::{SimBoard, SimConfig, Speed as Pace},
};

use crate::cli::{Exit, Failure};
use crate::config::{Backend, Serial, Settings, SimSpeed};

/// A session on the board of the settings.
pub(crate) fn session(
    settings: &Settings,
    wanted: &[ChannelName],
    clock: Arc<dyn Clock>,
) -> Result<Session, Failure> {
    let board: Box<dyn Board> = match settings.board.backend {
        Backend::Sim => Box::new(SimBoard::new(SimConfig {
            speed: match settings.sim.speed {
                SimSpeed::Max => Pace::AsFastAsPossible,
                SimSpeed::Times(times) => Pace::Real(times),
            },
            ..SimConfig::of_seed(settings.sim.seed)
        })),
        Backend::Replay => {
            let speed = match settings.sim.speed {
                SimSpeed::Max => ReplaySpeed::Max,
                SimSpeed::Times(times) => ReplaySpeed::Times(times),
            };
            let channels = settings
                .board
                .channels
                .iter()
                .map(|(name, place)| channel_map(&format!("{name}={place}")))
                .collect::<Result<Vec<_>, _>>()
                .map_err(of_settings)?;
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
        Backend::Serial => serial(&settings.serial)?,
    };
    Ok(on(board, settings, clock))
}

/// A board on a serial port or TCP.
fn serial(settings: &Serial) -> Result<Box<dyn Board>, Failure> {
    let Some(port) = &settings.port else {
        return Err(Failure::message(
            Exit::Config,
            "`board.backend` is serial and no port is set: set `serial.port` to a serial port or tcp://HOST:PORT"
                .to_owned(),
        ));
    };
    let Ok(address) = port.parse::<Address>();
    Ok(Box::new(SerialBoard::open(SerialConfig {
        baud: settings.baud,
        flow: settings.flow,
        trigger: settings.trigger,
        reopen_for: Duration::from_secs_f64(settings.reopen_s),
        ..SerialConfig::at(address)
    })?))
}

/// What would be a wrong command line of `replay` is a wrong configuration of `run`.
fn of_settings(failure: Failure) -> Failure {
    if failure.exit != Exit::Usage {
        return failure;
    }
    Failure::message(
        Exit::Config,
        format!(
            "{:#} (in the configuration, --channel NAME=PLACE is `board.channels.NAME` and --pixel-size-um is \
             `board.pixel_size_um`)",
            failure.error
        ),
    )
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

/// What is asked of the board of the settings. Files have their own geometry.
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
        Backend::Replay => ScanRequest {
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
