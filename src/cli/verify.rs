//! `senescope replay --verify`: whether a recording is as it was written, and is said to be the same again.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use senescope_hal::{
    ScanRequest,
    replay::{ReplayRequest, ReplaySpeed},
};

use super::{
    Blame, Exit, Failure, board, output,
    replay::ReplayArgs,
    service::{Service, load_ensemble, publish_config},
};
use crate::{
    config::{Effective, LiveSettings, Settings, with},
    pipeline::{Classified, Execution, FrameEnd, Sink, SinkError, Skips, context, label_line},
    recording::{
        Context, FrameLine, FrameSettings, Inspection, Recording, RecordingError, Verdict,
        Verifier, inspect, setting_differences,
    },
    stages::assemble::FrameBuffer,
};

/// What a client is told that wants other settings.
const FIXED: &str =
    "a recording is compared, with the settings that were in force when it was made";
/// Differences that are printed.
const PRINTED: usize = 50;

/// Replays the recording in `folder` with its own settings, but for those that are given, and compares.
pub(crate) fn run(arguments: &ReplayArgs, folder: &Path) -> Result<Exit, Failure> {
    let recording = Recording::open(folder)?;
    let recorded = recorded_settings(&recording)?;
    let settings: Arc<Effective> = Arc::new(over(arguments, recorded.clone())?.into());
    let inspection = inspect(&recording)?;
    let by_frame = settings_by_frame(arguments, &recorded, &settings, &inspection)?;
    let publish = arguments
        .publish
        .then(|| publish_config(&settings.publish, settings.limits.outbox_mib));
    let fixed = LiveSettings::fixed(Settings::clone(&settings), FIXED);
    let service = Service::start(publish, fixed)?;
    let ensemble = load_ensemble(&settings, &*service.clock)?;
    let verdict = if inspection.frames.is_empty() {
        Verifier::new(&recording, inspection)?.finish()?
    } else {
        let replayed = board::replay(
            ReplayRequest {
                paths: files(&recording, &inspection),
                channels: Vec::new(),
                pixel_size_um: None,
                wanted: ensemble.manifest().channels.clone(),
            },
            ReplaySpeed::Max,
        )?;
        let mut session = board::on(replayed, &settings, service.clock.clone());
        let skips = skips(&inspection);
        let verifier = Arc::new(Mutex::new(Some(Verifier::new(&recording, inspection)?)));
        let execution = Execution {
            session: &mut session,
            request: &ScanRequest {
                strip_rows: arguments.strip_rows,
                ..ScanRequest::default()
            },
            ensemble: &ensemble,
            settings: Arc::clone(&settings),
            in_force: &|frame| {
                let index = usize::try_from(frame).ok();
                let of_frame = index.and_then(|index| by_frame.get(index));
                Arc::clone(of_frame.unwrap_or(&settings))
            },
            viewers: &[],
            outbox: &service.desk.outbox,
            lifecycle: service.one_run()?,
            clock: &*service.clock,
            started_utc: None,
            recorded: false,
            looked: &|_, _| {},
            skips: &skips,
        };
        execution.run(|scan| {
            Ok(vec![Box::new(Compare {
                verifier: Arc::clone(&verifier),
                pixel_size_um: scan.pixel_size_um,
            })])
        })?;
        let verifier = verifier
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match verifier {
            Some(verifier) => verifier.finish()?,
            None => Verdict::default(),
        }
    };
    let stopped = service.stop.asked();
    service.close();
    if stopped {
        return Err(Failure::message(
            Exit::Negative,
            "the comparison was stopped before its end".to_owned(),
        ));
    }
    let now = context(&ensemble, &settings);
    tell(&recording, &verdict, &now, &settings)
}

/// Those with which the run began.
fn recorded_settings(recording: &Recording) -> Result<Settings, Failure> {
    serde_json::from_value(recording.run().settings.clone()).map_err(|error| {
        Failure::message(
            Exit::Data,
            format!(
                "the settings in {} are those of another version of senescope ({}): {error}",
                recording.folder().display(),
                recording.run().context.software
            ),
        )
    })
}

/// Those that were in force for each frame, but for those that are given.
fn settings_by_frame(
    arguments: &ReplayArgs,
    recorded: &Settings,
    began: &Arc<Effective>,
    inspection: &Inspection,
) -> Result<Vec<Arc<Effective>>, Failure> {
    let mut known: BTreeMap<&str, Arc<Effective>> = BTreeMap::new();
    let mut by_frame = Vec::with_capacity(inspection.frames.len());
    for FrameLine {
        frame, settings, ..
    } in &inspection.frames
    {
        let of_frame = match settings {
            None => Arc::clone(began),
            Some(FrameSettings { config, changed }) => match known.get(config.as_str()) {
                Some(known) => Arc::clone(known),
                None => {
                    let then = with(recorded, changed).map_err(|error| {
                        let sentence = format!("the settings of frame {frame}: {error}");
                        Failure::message(Exit::Data, sentence)
                    })?;
                    let of_frame: Arc<Effective> = Arc::new(over(arguments, then)?.into());
                    known.insert(config, Arc::clone(&of_frame));
                    of_frame
                }
            },
        };
        by_frame.push(of_frame);
    }
    Ok(by_frame)
}

/// `recorded`, but for those that are given.
fn over(arguments: &ReplayArgs, recorded: Settings) -> Result<Settings, Failure> {
    let mut settings = arguments.settings.load_over(Some(recorded))?;
    if let Some(threads) = arguments.threads {
        settings.engine.threads = threads;
    }
    Ok(settings)
}

fn files(recording: &Recording, inspection: &Inspection) -> Vec<std::path::PathBuf> {
    let names = inspection
        .frames
        .iter()
        .filter_map(|line| line.file.as_ref());
    names.map(|name| recording.folder().join(name)).collect()
}

/// What was not classified then is not classified now: the time that networks take decides nothing again.
fn skips(inspection: &Inspection) -> Skips {
    let lines = inspection.frames.iter().zip(0_u64..);
    lines
        .flat_map(|(line, frame)| {
            let skipped = line.skipped.iter();
            skipped.map(move |skipped| ((frame, skipped.cell), skipped.reason))
        })
        .collect()
}

struct Compare {
    verifier: Arc<Mutex<Option<Verifier>>>,
    pixel_size_um: f64,
}

impl Compare {
    fn with(
        &self,
        what: impl FnOnce(&mut Verifier) -> Result<(), RecordingError>,
    ) -> Result<(), SinkError> {
        let mut verifier = self.verifier.lock().unwrap_or_else(PoisonError::into_inner);
        match verifier.as_mut() {
            Some(verifier) => what(verifier).map_err(|error| SinkError(error.to_string())),
            None => Ok(()),
        }
    }
}

impl Sink for Compare {
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError> {
        let label = label_line(classified, self.pixel_size_um);
        self.with(|verifier| {
            verifier.label(label);
            Ok(())
        })
    }

    fn frame(&mut self, end: &FrameEnd, _: Option<&FrameBuffer>) -> Result<(), SinkError> {
        self.with(|verifier| verifier.frame(end.cells))
    }
}

fn tell(
    recording: &Recording,
    verdict: &Verdict,
    now: &Context,
    settings: &Effective,
) -> Result<Exit, Failure> {
    let figures = format!(
        "{} frame(s), {} label(s) and {} map(s) of {} are as they were recorded",
        verdict.frames,
        verdict.equal_labels,
        verdict.equal_maps,
        recording.folder().display()
    );
    let mut text = match verdict.is_equal() {
        true => format!("equal: {figures}"),
        false => format!("different: {figures}, but"),
    };
    for difference in verdict.differences.iter().take(PRINTED) {
        text.push_str(&format!("\n  {difference}"));
    }
    let more = verdict.differences.len().saturating_sub(PRINTED) as u64 + verdict.more;
    if more > 0 {
        text.push_str(&format!("\n  and {more} other difference(s)"));
    }
    if verdict.unchecked > 0 {
        text.push_str(&format!(
            "\n  {} label(s) cannot be said again: their frames were not kept or not intact",
            verdict.unchecked
        ));
    }
    if !verdict.is_equal() {
        let was = &recording.run().context;
        let effective = serde_json::to_value(&**settings).blame(Exit::Software)?;
        for reason in reasons(was, now, &recording.run().settings, &effective) {
            text.push_str(&format!("\n  why: {reason}"));
        }
    }
    output::line(&text)?;
    Ok(match verdict.is_equal() {
        true => Exit::Done,
        false => Exit::Negative,
    })
}

/// What may be why results differ, a sentence each.
fn reasons(
    was: &Context,
    now: &Context,
    settings_then: &serde_json::Value,
    settings_now: &serde_json::Value,
) -> Vec<String> {
    let pairs = [
        ("the ensemble", &was.model, &now.model),
        ("the version of senescope", &was.software, &now.software),
        ("the engine", &was.engine, &now.engine),
        ("the processor", &was.machine, &now.machine),
    ];
    let context = pairs
        .into_iter()
        .filter(|(_, was, is)| was != is)
        .map(|(what, was, is)| format!("{what} is another: {is}, and was {was}"));
    let settings = setting_differences(settings_then, settings_now);
    let settings = settings
        .into_iter()
        .map(|clause| format!("the setting {clause}"));
    context.chain(settings).collect()
}

impl From<RecordingError> for Failure {
    fn from(error: RecordingError) -> Self {
        let exit = match &error {
            RecordingError::Missing(_) => Exit::NoInput,
            RecordingError::Read { source, .. } if source.kind() == ErrorKind::NotFound => {
                Exit::NoInput
            }
            RecordingError::Read { .. } => Exit::Io,
            _ => Exit::Data,
        };
        Self::new(exit, error)
    }
}
