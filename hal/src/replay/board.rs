//! A recording as a board: pulled, at the pace of the scan or as fast as it is read.

use std::{collections::BTreeMap, path::Path, time::Duration};

use crossbeam_channel::Receiver;

use super::{
    cut::{Cut, FramePlace},
    setup::{self, CLOCK_HZ},
    source::{Frame, ReplaySource},
};
use crate::{
    Board, Capabilities, Clock, ErrorKind, HalError, HostInstant, Identity, Interrupter, Pacing,
    ReadEvent, RunId, RunSummary, ScanActual, ScanRequest, StripBuffer, SystemClock, Wake,
};

/// How fast a recording is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReplaySpeed {
    /// As fast as it is read.
    Max,
    /// This many times as fast as it was scanned: by the recording's line period, or dwell time, or else
    /// 20 µs a pixel. A reader that is late is not waited for, and catches up; nothing is lost.
    Times(f64),
}

struct Scan {
    actual: ScanActual,
    /// Indices of the enabled channels in the source.
    selected: Vec<usize>,
    /// Line period for pacing and for ticks.
    line_ns: u64,
    frames: usize,
}

#[derive(Default)]
struct Run {
    /// `None` when no run is armed.
    cut: Option<Cut>,
    started: Option<HostInstant>,
    stopped: bool,
    frame: usize,
    /// The frame that is decoded.
    decoded: Option<usize>,
}

/// A [`Board`] that gives a [`ReplaySource`].
pub struct ReplayBoard {
    source: ReplaySource,
    speed: ReplaySpeed,
    scan: Option<Scan>,
    run: Run,
    frame: Frame,
    wake: (Wake, Receiver<()>),
    frames_skipped: u64,
}

impl ReplayBoard {
    /// A board that replays `source`.
    ///
    /// # Errors
    /// `Request` when the speed is not a positive number.
    pub fn new(source: ReplaySource, speed: ReplaySpeed) -> Result<Self, HalError> {
        if let ReplaySpeed::Times(times) = speed
            && !(times.is_finite() && times > 0.0)
        {
            let message = format!("a speed of {times} cannot be; give a positive number, or max");
            return Err(HalError::new(ErrorKind::Request, message));
        }
        Ok(Self {
            frames_skipped: source.skipped_frames(),
            source,
            speed,
            scan: None,
            run: Run::default(),
            frame: Frame::default(),
            wake: Wake::channel(),
        })
    }

    fn scan(&self) -> Result<&Scan, HalError> {
        self.scan.as_ref().ok_or_else(|| {
            HalError::new(
                ErrorKind::State,
                "the recording is not set up to be replayed",
            )
        })
    }

    /// When the rows up to `row` of `frame` have been scanned.
    fn due(&self, scan: &Scan, frame: usize, row: u32) -> Option<HostInstant> {
        let ReplaySpeed::Times(times) = self.speed else {
            return None;
        };
        let rows = frame as f64 * f64::from(scan.actual.height) + f64::from(row);
        let seconds = rows * scan.line_ns as f64 * 1e-9 / times;
        let span = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.run.started.map(|started| started.after(span))
    }
}

impl Board for ReplayBoard {
    fn identity(&self) -> Identity {
        let paths = self.source.paths();
        let name = paths.first().map_or("", |path| file_name(path));
        Identity {
            maker: "senescope".to_owned(),
            model: "replay".to_owned(),
            serial: name.to_owned(),
            firmware: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: 1,
        }
    }

    fn capabilities(&self) -> Capabilities {
        let (width, height) = (self.source.width(), self.source.height());
        Capabilities {
            channels: self.source.channels(),
            width: width..=width,
            height: height..=height,
            dwell_ns: self.source.dwell_ns().map(|dwell| dwell..=dwell),
            strip_rows: 1..=height,
            bidirectional: false,
            clock_hz: CLOCK_HZ,
            link_bytes_per_s: None,
            retransmit_depth: 0,
            pacing: Pacing::Pulled,
        }
    }

    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        let (actual, selected) = setup::achieve(&self.source, want)?;
        let frames = actual
            .frames
            .and_then(|frames| usize::try_from(frames).ok())
            .unwrap_or(0);
        let line_ns = setup::line_ns(&self.source);
        self.scan = Some(Scan {
            actual: actual.clone(),
            selected,
            line_ns,
            frames,
        });
        Ok(actual)
    }

    fn arm(&mut self) -> Result<RunId, HalError> {
        self.scan()?;
        let id = RunId::random();
        self.run = Run {
            cut: Some(Cut::new(id)),
            ..Run::default()
        };
        let _ = self.wake.1.try_recv();
        Ok(id)
    }

    fn start(&mut self) -> Result<(), HalError> {
        self.run.started = Some(SystemClock.now());
        Ok(())
    }

    /// The rest of a frame that is being given is not given: it counts as not scanned.
    fn stop(&mut self) -> Result<(), HalError> {
        self.run.stopped = true;
        Ok(())
    }

    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        let run = std::mem::take(&mut self.run);
        Ok(run
            .cut
            .map_or_else(RunSummary::default, |cut| cut.summary()))
    }

    fn read(&mut self, buffer: StripBuffer, deadline: HostInstant) -> Result<ReadEvent, HalError> {
        let scan = self.scan()?;
        let height = scan.actual.height;
        let Some(cut) = &self.run.cut else {
            return Err(not_armed());
        };
        let index = self.run.frame;
        if self.run.stopped || index >= scan.frames {
            return Ok(ReadEvent::EndOfRun);
        }
        let strip = scan.actual.strip_rows;
        let end = ((cut.row() / strip + 1) * strip).min(height);
        match self.due(scan, index, end) {
            // Nothing is sent on this channel but the wish to be woken.
            Some(due) if due > SystemClock.now() => {
                let until = SystemClock::std_instant(due.min(deadline));
                if self.wake.1.recv_deadline(until).is_ok() || due > deadline {
                    return Ok(ReadEvent::Idle);
                }
            }
            _ => {
                if self.wake.1.try_recv().is_ok() {
                    return Ok(ReadEvent::Idle);
                }
            }
        }
        if self.run.decoded != Some(index) {
            let selected = scan.selected.clone();
            self.source.decode(index, &selected, &mut self.frame)?;
            self.run.decoded = Some(index);
        }
        let (Some(scan), Some(cut)) = (&self.scan, &mut self.run.cut) else {
            return Err(not_armed());
        };
        let place = FramePlace {
            frame: index as u64,
            ticks: (index as u64)
                .saturating_mul(u64::from(height))
                .saturating_mul(scan.line_ns),
            line_ticks: scan.line_ns,
            source: None,
        };
        let line_period_ns = self.source.line_period_ns();
        let event = cut.next(&scan.actual, &self.frame, &place, line_period_ns, buffer)?;
        if cut.row() == 0 {
            self.run.frame += 1;
        }
        Ok(event)
    }

    fn interrupter(&self) -> Box<dyn Interrupter> {
        self.wake.0.clone_box()
    }

    /// Frames that the recording lacks, by the numbers of those that it has.
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([("frames_skipped", self.frames_skipped)])
    }
}

fn not_armed() -> HalError {
    HalError::new(ErrorKind::State, "no run is armed")
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}
