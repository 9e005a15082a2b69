//! The watched directory as a board.

use std::{collections::BTreeMap, path::Path};

use crossbeam_channel::{Receiver, select};

use super::{
    config::FolderConfig,
    entry::Entry,
    events::Events,
    expect::Expect,
    intake::{Intake, Next, Opened},
    run::Run,
    unit::Unit,
};
use crate::{
    Board, Capabilities, ChannelInfo, ChannelName, Clock, ErrorKind, HalError, HostInstant,
    Identity, Interrupter, Pacing, ReadEvent, RunId, RunSummary, ScanActual, ScanRequest,
    StripBuffer, SystemClock, Wake,
    replay::{
        limits::MAX_EDGE,
        setup::{self, CLOCK_HZ},
        source::{Frame, ReplaySource},
    },
};

struct Scan {
    actual: ScanActual,
    expect: Expect,
    /// Indices of the enabled channels in the files.
    selected: Vec<usize>,
}

/// A [`Board`] that gives the frames of the files that appear in a directory. See the module for its contract.
pub struct FolderBoard {
    intake: Intake,
    scan: Option<Scan>,
    run: Option<Run>,
    frame: Frame,
    wake: (Wake, Receiver<()>),
}

/// What a try to get the next frame came to.
enum Step {
    /// It is decoded.
    Frame,
    /// Something else was done.
    Again,
    /// Nothing can be done before this instant, or before the next event.
    Wait(HostInstant),
}

impl FolderBoard {
    /// Watches the directory of `config`, and opens its journal.
    ///
    /// # Errors
    /// `Request` when the configuration contradicts itself or another process uses the journal; `NotFound` or `Io`
    /// of the directory; `Malformed` or `Io` of the journal.
    pub fn new(config: FolderConfig) -> Result<Self, HalError> {
        Self::watching(config, Events::of)
    }

    fn watching(config: FolderConfig, watch: fn(&Path) -> Events) -> Result<Self, HalError> {
        Ok(Self {
            intake: Intake::new(config, watch)?,
            scan: None,
            run: None,
            frame: Frame::default(),
            wake: Wake::channel(),
        })
    }

    /// Waits until `until`, or until something happens in the directory. Says whether it was interrupted.
    fn wait(&mut self, until: HostInstant) -> bool {
        let span = until.since(SystemClock.now());
        select! {
            recv(self.wake.1) -> _ => return true,
            recv(self.intake.events.told()) -> _ => self.intake.notice(),
            default(span) => {}
        }
        false
    }

    /// The first complete unit that has the size which `want` asks for.
    fn first(&mut self, want: &ScanRequest) -> Result<ReplaySource, HalError> {
        let patience = self.intake.config.first_file;
        let deadline = patience.map(|span| SystemClock.now().after(span));
        loop {
            let until = match self.intake.next(None)? {
                Next::Unit(opened) => {
                    let Opened { unit, source } = *opened;
                    let (width, height) = (source.width(), source.height());
                    let is = |want: Option<u32>, has| want.is_none_or(|want| want == has);
                    if is(want.width, width) && is(want.height, height) {
                        return Ok(source);
                    }
                    let why =
                        format!("it has {width} × {height} samples, and others are asked for");
                    self.intake.refuse(&unit, why)?;
                    HostInstant::default()
                }
                Next::Again => HostInstant::default(),
                Next::Wait(until) => until,
            };
            if deadline.is_some_and(|deadline| SystemClock.now() >= deadline) {
                return Err(self.nothing_came());
            }
            if self.wait(deadline.map_or(until, |deadline| until.min(deadline))) {
                let message = "waiting for the first file was interrupted; try again";
                return Err(HalError::new(ErrorKind::Exchange, message));
            }
        }
    }

    fn nothing_came(&self) -> HalError {
        let config = &self.intake.config;
        let names: Vec<String> = match config.is_by_file() {
            true => {
                let files = config.channels.iter().filter_map(|map| map.file.as_ref());
                files.map(|file| file.display().to_string()).collect()
            }
            false => config.patterns.clone(),
        };
        let message = format!(
            "no complete new file ({}) came to {} within {} s; see that the microscope's software writes there, and \
             that its files are called so",
            names.join(", "),
            config.directory.display(),
            config.first_file.unwrap_or_default().as_secs_f64()
        );
        HalError::new(ErrorKind::NotFound, message)
    }

    /// Makes the next frame of the run the present one.
    fn advance(&mut self) -> Result<Step, HalError> {
        let (Some(scan), Some(run)) = (&self.scan, &mut self.run) else {
            return Err(not_armed());
        };
        match run.decode(scan.actual.height, &scan.selected, &mut self.frame) {
            Ok(true) => {
                let directory = &self.intake.config.directory;
                self.intake.ledger.begin_frame();
                if let Some(place) = &mut run.place {
                    place.source = self.intake.ledger.source_of(place.frame, directory);
                }
                return Ok(Step::Frame);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!("the rest of a file is left to the next run: {error}");
                self.intake.counts.incomplete += 1;
                self.intake.ledger.leave();
            }
        }
        match self.intake.next(Some(&scan.expect))? {
            Next::Unit(opened) => {
                let Opened { unit, source } = *opened;
                self.begin(unit, source)?;
                Ok(Step::Again)
            }
            Next::Again => Ok(Step::Again),
            Next::Wait(until) => Ok(Step::Wait(until)),
        }
    }

    /// Gives frames of `unit` from now on.
    fn begin(&mut self, unit: Unit, source: ReplaySource) -> Result<(), HalError> {
        let Some(run) = &mut self.run else {
            return Err(not_armed());
        };
        let intake = &mut self.intake;
        let frames = source.frames() as u64;
        let begun = intake.journal.begun(&unit);
        let first = begun.filter(|used| *used < frames).unwrap_or(0);
        let files = unit.files.len() as u64;
        intake.counts.taken += files;
        intake.counts.repeated += if begun.is_some() { files } else { 0 };
        let known = |name: &str| intake.journal.knows(name);
        let replaced = unit.files.iter().filter(|file| known(&file.name)).count();
        if replaced > 0 {
            tracing::info!(
                "{} was given before, has changed, and is given as a new file; if its writer had only paused, let files \
                 settle for longer",
                unit.name()
            );
        }
        intake.counts.replaced += replaced as u64;
        let skipped = &mut intake.counts.frames_skipped;
        *skipped = skipped.saturating_add(source.skipped_frames());
        tracing::info!("{}: frames {first} to {frames} are given", unit.name());
        // Not worth the wait for the disk: without it a repeated frame is only not marked as such.
        let entry = Entry::Begun {
            file: unit.name().to_owned(),
            unit: unit.id(),
            frames: first,
        };
        intake.journal.write(&[entry], false)?;
        run.open(source, first as usize);
        intake
            .ledger
            .begin(unit, run.frame, first, frames, begun.is_some());
        Ok(())
    }
}

impl Board for FolderBoard {
    fn identity(&self) -> Identity {
        Identity {
            maker: "senescope".to_owned(),
            model: "folder".to_owned(),
            serial: self.intake.config.directory.display().to_string(),
            firmware: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: 1,
        }
    }

    /// The sizes that this program can read, and the channels of the scan; before one is set up, those that are
    /// configured.
    fn capabilities(&self) -> Capabilities {
        let channels = match &self.scan {
            Some(scan) => scan.actual.channels.clone(),
            None => {
                let config = &self.intake.config;
                let mapped = config.channels.iter().map(|map| &map.name);
                let names: Vec<&ChannelName> = match config.wanted.is_empty() {
                    true => mapped.collect(),
                    false => config.wanted.iter().collect(),
                };
                let info = |name: &ChannelName| ChannelInfo::counts(name.clone(), 16);
                names.into_iter().map(info).collect()
            }
        };
        Capabilities {
            channels,
            width: 1..=MAX_EDGE,
            height: 1..=MAX_EDGE,
            dwell_ns: None,
            strip_rows: 1..=MAX_EDGE,
            bidirectional: false,
            clock_hz: CLOCK_HZ,
            link_bytes_per_s: None,
            retransmit_depth: 0,
            pacing: Pacing::Pulled,
        }
    }

    /// Waits for the first complete file.
    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        let config = &self.intake.config;
        let told = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            want.width,
            want.height,
            want.channels,
            config.channels,
            config.wanted,
            config.pixel_size_um
        );
        self.intake.seek(crc32fast::hash(told.as_bytes()));
        let source = self.first(want)?;
        // A folder has as many frames as will come; of one file there is at least one.
        let one = ScanRequest {
            frames: want.frames.map(|frames| frames.min(1)),
            ..want.clone()
        };
        let (actual, selected) = setup::achieve(&source, &one)?;
        let actual = ScanActual {
            frames: want.frames,
            ..actual
        };
        self.scan = Some(Scan {
            actual: actual.clone(),
            expect: Expect::of(&source),
            selected,
        });
        Ok(actual)
    }

    fn arm(&mut self) -> Result<RunId, HalError> {
        if self.scan.is_none() {
            let message = "the folder is not set up; configure it first";
            return Err(HalError::new(ErrorKind::State, message));
        }
        self.intake.rewind();
        let id = RunId::random();
        self.run = Some(Run::new(id));
        let _ = self.wake.1.try_recv();
        Ok(id)
    }

    fn start(&mut self) -> Result<(), HalError> {
        Ok(())
    }

    /// A frame that was begun is given to its last row.
    fn stop(&mut self) -> Result<(), HalError> {
        if let Some(run) = &mut self.run {
            run.stopped = true;
        }
        Ok(())
    }

    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        let run = self.run.take().ok_or_else(not_armed)?;
        Ok(run.cut.summary())
    }

    fn read(&mut self, buffer: StripBuffer, deadline: HostInstant) -> Result<ReadEvent, HalError> {
        if self.wake.1.try_recv().is_ok() {
            return Ok(ReadEvent::Idle);
        }
        loop {
            let (Some(scan), Some(run)) = (&self.scan, &mut self.run) else {
                return Err(not_armed());
            };
            if let Some(place) = &run.place {
                let (frame, line_period_ns) = (&self.frame, scan.actual.line_period_ns);
                let event = run
                    .cut
                    .next(&scan.actual, frame, place, line_period_ns, buffer)?;
                if run.cut.row() == 0 {
                    run.place = None;
                    run.frame += 1;
                    self.intake.ledger.end_frame();
                }
                return Ok(event);
            }
            if run.stopped || scan.actual.frames.is_some_and(|frames| run.frame >= frames) {
                return Ok(ReadEvent::EndOfRun);
            }
            let until = match self.advance()? {
                Step::Frame => continue,
                Step::Again => HostInstant::default(),
                Step::Wait(until) => until,
            };
            if SystemClock.now() >= deadline {
                return Ok(ReadEvent::Idle);
            }
            if self.wait(until.min(deadline)) {
                return Ok(ReadEvent::Idle);
            }
        }
    }

    fn interrupter(&self) -> Box<dyn Interrupter> {
        self.wake.0.clone_box()
    }

    fn acknowledge(&mut self, frame: u64) -> Result<(), HalError> {
        let entries = self.intake.ledger.entries(frame);
        if !entries.is_empty() {
            self.intake.journal.write(&entries, true)?;
            self.intake.ledger.written(frame);
        }
        Ok(())
    }

    /// By files, since the board was opened: taken; refused; given up as incomplete; taken though they had been
    /// begun before; taken though a file of their name had been done. And frames that the numbers of `ScanImage`
    /// show to be missing in files.
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.intake.counts.by_name()
    }
}

fn not_armed() -> HalError {
    HalError::new(ErrorKind::State, "no run is armed on the watched folder")
}

#[cfg(test)]
mod tests;
