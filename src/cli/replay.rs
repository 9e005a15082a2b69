//! `senescope replay`: the same pipeline over recordings and TIFF files.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Args;
use senescope_hal::{
    ScanRequest,
    replay::{ChannelMap, ReplayRequest, ReplaySpeed},
};

use super::{
    Exit, Failure, SettingsArgs, board,
    maps::MapFiles,
    output,
    pictures::Pictures,
    service::{Service, load_ensemble, publish_config},
    summary, verify,
};
use crate::{
    config::LiveSettings,
    control::Stop,
    pipeline::{Classified, Execution, FrameEnd, Sink, SinkError, Skips, label_message},
    stages::{assemble::FrameBuffer, publish::LabelMessage},
};

/// Replay recordings or TIFF files through the pipeline.
///
/// Nothing is lost, however fast: the files wait for the pipeline. Example:
/// senescope replay --channel SRS=a.tif --channel TPEF=b.tif --channel TRANS=c.tif --pixel-size-um 0.2 --json
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplayArgs {
    /// TIFF files, folders of them, or companion files of OME-TIFF sets; one run, in this order
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Pace: max, or a multiple of the real scan such as 1 or 4
    #[arg(long, default_value = "max", value_parser = speed)]
    speed: ReplaySpeed,
    /// Which file, page or channel number is which channel: NAME=FILE, NAME=FILE#N or NAME=#N
    #[arg(long, value_name = "NAME=FILE[#N]")]
    channel: Vec<ChannelMap>,
    /// Edge of a pixel in µm, for files that do not say
    #[arg(long, value_name = "UM", value_parser = pixel_size)]
    pixel_size_um: Option<f64>,
    /// Rows that are handed on at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) strip_rows: Option<u32>,
    /// Worker threads for the networks; one a core when not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: Option<u32>,
    /// Publish over ZeroMQ as `run` does
    #[arg(long)]
    pub(crate) publish: bool,
    /// Print one label a line as JSON, sorted by frame and cell, without times: two runs can be compared with cmp
    #[arg(long)]
    json: bool,
    /// Compare every label and map with the recording in PATH: exit code 0 when all are equal, 1 when not
    #[arg(long, conflicts_with_all = ["channel", "pixel_size_um", "json", "maps", "pictures"])]
    verify: bool,
    /// Write each map as PNG (preview) and TIFF (values) into this folder
    #[arg(long, value_name = "DIR")]
    maps: Option<PathBuf>,
    /// Draw each frame with outlines and maps as PNG into this folder
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

fn speed(text: &str) -> Result<ReplaySpeed, String> {
    match text {
        "max" => Ok(ReplaySpeed::Max),
        number => number
            .parse()
            .ok()
            .filter(|times| (0.01..=1000.0).contains(times))
            .map(ReplaySpeed::Times)
            .ok_or_else(|| "a speed is max or a number from 0.01 to 1000".to_owned()),
    }
}

/// An edge of a pixel in µm, as typed.
pub(crate) fn pixel_size(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|size| (0.02..=5.0).contains(size))
        .ok_or_else(|| "a pixel size is a number of µm from 0.02 to 5".to_owned())
}

pub(crate) fn run(arguments: &ReplayArgs) -> Result<Exit, Failure> {
    if arguments.paths.is_empty() && arguments.channel.is_empty() {
        return Err(Failure::message(
            Exit::Usage,
            "nothing to replay: give files or folders, or map channels with --channel".to_owned(),
        ));
    }
    if arguments.verify {
        return match arguments.paths.as_slice() {
            [folder] => verify::run(arguments, folder),
            _ => Err(Failure::message(
                Exit::Usage,
                "--verify takes the folder of one recording".to_owned(),
            )),
        };
    }
    let mut settings = arguments.settings.load()?;
    if let Some(threads) = arguments.threads {
        settings.engine.threads = threads;
    }
    let publish = arguments
        .publish
        .then(|| publish_config(&settings.publish, settings.limits.outbox_mib));
    let service = Service::start(publish, LiveSettings::new(settings.clone()))?;
    let ensemble = load_ensemble(&settings, &*service.clock)?;
    let replayed = board::replay(
        ReplayRequest {
            paths: arguments.paths.clone(),
            channels: arguments.channel.clone(),
            pixel_size_um: arguments.pixel_size_um,
            wanted: ensemble.manifest().channels.clone(),
        },
        arguments.speed,
    )?;
    let mut session = board::on(replayed, &settings, service.clock.clone());
    let live = &service.desk.settings;
    let execution = Execution {
        session: &mut session,
        request: &ScanRequest {
            strip_rows: arguments.strip_rows,
            frames: settings.scan.frames,
            ..ScanRequest::default()
        },
        ensemble: &ensemble,
        settings: live.now(),
        in_force: &|_| live.now(),
        viewers: &[],
        outbox: &service.desk.outbox,
        lifecycle: service.one_run()?,
        clock: &*service.clock,
        started_utc: Some(jiff::Timestamp::now().to_string()),
        recorded: false,
        looked: &|_, _| {},
        skips: &Skips::new(),
    };
    let reader_left = Arc::new(AtomicBool::new(false));
    let ended = execution.run(|scan| {
        live.scanning(scan.pixel_size_um);
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if arguments.json {
            sinks.push(Box::new(JsonLines {
                pixel_size_um: scan.pixel_size_um,
                frame: Vec::new(),
                reader_left: reader_left.clone(),
                stop: service.desk.lifecycle.run_stop(),
            }));
        }
        if let Some(dir) = &arguments.maps {
            sinks.push(Box::new(MapFiles::create(dir)?));
        }
        if let Some(dir) = &arguments.pictures {
            sinks.push(Box::new(Pictures::create(dir, scan)?));
        }
        Ok(sinks)
    })?;
    service.close();
    if reader_left.load(Ordering::SeqCst) {
        // Whoever reads has seen enough, as `head` has: nothing remains to be said.
    } else if arguments.json {
        // Standard output is for machines.
        output::note(&summary::of(&ended));
    } else {
        output::line(&summary::of(&ended))?;
    }
    Ok(summary::exit(&ended))
}

/// Labels as JSON lines, a frame at a time, sorted by cell.
struct JsonLines {
    pixel_size_um: f64,
    frame: Vec<LabelMessage>,
    /// Nobody reads standard output any more.
    reader_left: Arc<AtomicBool>,
    /// Asked to end the run then.
    stop: Stop,
}

impl Sink for JsonLines {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        let mut label = label_message(classified, self.pixel_size_um);
        // Times differ from run to run; everything else must not.
        label.latency_ns.clear();
        self.frame.push(label);
        Ok(())
    }

    fn frame(&mut self, _: &FrameEnd, _: Option<&FrameBuffer>) -> Result<(), SinkError> {
        self.frame.sort_by_key(|label| (label.frame, label.cell));
        for label in self.frame.drain(..) {
            let line =
                serde_json::to_string(&label).map_err(|error| SinkError(error.to_string()))?;
            match output::line(&line) {
                Err(failure) if failure.exit == Exit::Done => {
                    self.reader_left.store(true, Ordering::SeqCst);
                    self.stop.ask();
                    break;
                }
                written => written?,
            }
        }
        Ok(())
    }
}
