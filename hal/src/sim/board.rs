//! The simulated microscope as a board.
//!
//! At real speed the board is live: strips are due at the line rate of the scan, and a reader that is
//! late finds them waiting (its session sheds what it has no buffer for). As fast as possible, it is
//! pulled and waits for the reader. Frames are rendered ahead in a thread of their own, so that rows do
//! not wait for it.

use std::time::Duration;

use crossbeam_channel::Receiver;

use super::{
    Ahead, FaultKind, RenderRequest, SimConfig, Speed, Truth,
    plan::{Next, Plan},
    run::{Run, Scan, not_rendered},
};
use crate::{
    Board, Capabilities, ChannelInfo, ChannelName, Clock, ErrorKind, HalError, HostInstant,
    Identity, Interrupter, Pacing, ReadEvent, RunId, RunSummary, ScanActual, ScanRequest,
    StripBuffer, SystemClock, Wake,
};

/// Ticks a second of the device clock: one a nanosecond.
const CLOCK_HZ: u64 = 1_000_000_000;
/// Largest edge of a frame in pixels: rendering takes about 80 bytes a pixel.
const MAX_EDGE: u32 = 2048;
/// Pixel sizes in µm that the optics make sense for.
const PIXEL_UM: std::ops::RangeInclusive<f64> = 0.05..=1.0;
/// Longest wait for the first frame when a scan starts.
const FIRST_FRAME: Duration = Duration::from_secs(60);

/// A seeded simulated microscope.
pub struct SimBoard {
    config: SimConfig,
    scan: Option<Scan>,
    run: Option<Run>,
    wake: (Wake, Receiver<()>),
    /// Unplugged for good.
    gone: bool,
}

impl SimBoard {
    /// A board on the dish of `config`.
    pub fn new(config: SimConfig) -> Self {
        Self {
            config,
            scan: None,
            run: None,
            wake: Wake::channel(),
            gone: false,
        }
    }

    /// The truth of the frame of which rows are being read; `None` before the first row.
    pub fn truth(&self) -> Option<(u64, &Truth)> {
        self.run
            .as_ref()
            .and_then(|run| run.frame.as_ref())
            .map(|(frame, rendered)| (*frame, &rendered.truth))
    }

    fn all_channels(&self) -> Vec<ChannelInfo> {
        let instrument = &self.config.dish.instrument;
        let channel = |name, dark: f64, wavelength| ChannelInfo {
            dark_counts: Some(dark),
            wavelength_nm: wavelength,
            ..ChannelInfo::counts(name, instrument.bit_depth)
        };
        vec![
            channel(
                ChannelName::srs(),
                instrument.srs.offset_counts,
                Some(797.0),
            ),
            channel(
                ChannelName::tpef(),
                instrument.tpef.offset_counts,
                Some(460.0),
            ),
            channel(ChannelName::trans(), instrument.trans.offset_counts, None),
        ]
    }

    fn pacing(&self) -> Pacing {
        match self.config.speed {
            Speed::Real(_) => Pacing::Live,
            Speed::AsFastAsPossible => Pacing::Pulled,
        }
    }

    /// Host time of `scan_ns` nanoseconds of scanning.
    fn host_span(&self, scan_ns: u64) -> Duration {
        match self.config.speed {
            Speed::Real(factor) => Duration::from_nanos((scan_ns as f64 / factor.max(1e-3)) as u64),
            Speed::AsFastAsPossible => Duration::ZERO,
        }
    }

    /// Line period of the scan as it really runs: that of an accelerated scan is shorter.
    fn host_line_ns(&self, line_ns: u64) -> u64 {
        match self.config.speed {
            Speed::Real(_) => u64::try_from(self.host_span(line_ns).as_nanos()).unwrap_or(u64::MAX),
            Speed::AsFastAsPossible => line_ns,
        }
    }

    fn here(&self) -> Result<(), HalError> {
        if self.gone {
            return Err(HalError::new(
                ErrorKind::Disconnected,
                "the simulated board was unplugged by a fault; open it again",
            ));
        }
        Ok(())
    }

    fn plane(&self, name: &ChannelName) -> Option<usize> {
        self.all_channels()
            .iter()
            .position(|channel| channel.name == *name)
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    what: &str,
    value: T,
    range: &std::ops::RangeInclusive<T>,
) -> Result<T, HalError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(HalError::new(
        ErrorKind::Unsupported,
        format!(
            "the simulated microscope cannot scan with {what} {value}; ask for {} to {}",
            range.start(),
            range.end()
        ),
    ))
}

impl Board for SimBoard {
    fn identity(&self) -> Identity {
        Identity {
            maker: "senescope".into(),
            model: "simulated microscope".into(),
            serial: format!("sim-{}", self.config.dish.seed),
            firmware: env!("CARGO_PKG_VERSION").into(),
            protocol: 1,
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            channels: self.all_channels(),
            width: 16..=MAX_EDGE,
            height: 16..=MAX_EDGE,
            dwell_ns: Some(200..=1_000_000),
            strip_rows: 1..=MAX_EDGE,
            bidirectional: true,
            clock_hz: CLOCK_HZ,
            link_bytes_per_s: None,
            retransmit_depth: 0,
            pacing: self.pacing(),
        }
    }

    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        self.here()?;
        let can = self.capabilities();
        let config = &self.config;
        let width = within("a width of", want.width.unwrap_or(config.width), &can.width)?;
        let height = within(
            "a height of",
            want.height.unwrap_or(config.height),
            &can.height,
        )?;
        let dwell_ns = want.dwell_ns.unwrap_or(config.dwell_ns);
        if let Some(range) = &can.dwell_ns {
            within("a dwell time (ns) of", dwell_ns, range)?;
        }
        let pixel_size_um = want.pixel_size_um.unwrap_or(config.pixel_size_um);
        within("a pixel size (µm) of", pixel_size_um, &PIXEL_UM)?;
        let strip_rows = want.strip_rows.unwrap_or(config.strip_rows).min(height);
        within("a strip height of", strip_rows, &can.strip_rows)?;
        let bidirectional = want.bidirectional.unwrap_or(true);
        let all = self.all_channels();
        let mut planes: Vec<usize> = if want.channels.is_empty() {
            (0..all.len()).collect()
        } else {
            let known = |name: &ChannelName| {
                self.plane(name).ok_or_else(|| {
                    HalError::new(
                        ErrorKind::Unsupported,
                        format!("the simulated microscope has no channel {name}; it has SRS, TPEF and TRANS"),
                    )
                })
            };
            want.channels.iter().map(known).collect::<Result<_, _>>()?
        };
        planes.sort_unstable();
        planes.dedup();
        let line_ns = config.dish.instrument.line_period_ns(width, dwell_ns);
        let actual = ScanActual {
            width,
            height,
            pixel_size_um,
            dwell_ns: Some(dwell_ns),
            line_period_ns: Some(self.host_line_ns(line_ns)),
            bidirectional,
            strip_rows,
            channels: planes
                .iter()
                .filter_map(|&plane| all.get(plane).cloned())
                .collect(),
            clock_hz: CLOCK_HZ,
            frames: want.frames,
            pacing: self.pacing(),
        };
        self.scan = Some(Scan {
            actual: actual.clone(),
            request: RenderRequest {
                frame: 0,
                width,
                height,
                pixel_size_um,
                dwell_ns,
                bidirectional,
                faults: config.faults.clone(),
            },
            line_ns,
            planes,
        });
        Ok(actual)
    }

    fn arm(&mut self) -> Result<RunId, HalError> {
        self.here()?;
        let Some(scan) = &self.scan else {
            return Err(HalError::new(
                ErrorKind::Request,
                "no scan is set up on the simulated board; configure it first",
            ));
        };
        let id = RunId::random();
        let actual = &scan.actual;
        self.run = Some(Run {
            id,
            ahead: Ahead::start(
                self.config.dish.clone(),
                scan.request.clone(),
                actual.frames,
            )?,
            frame: None,
            plan: Plan::new(
                actual.height,
                actual.strip_rows,
                actual.frames,
                &self.config.faults,
            ),
            started: None,
            sequence: 0,
            lost_before: 0,
            ended: false,
            stall_until: None,
            stalled: vec![false; self.config.faults.len()],
            summary: RunSummary::default(),
        });
        Ok(id)
    }

    fn start(&mut self) -> Result<(), HalError> {
        self.here()?;
        let Some(run) = &mut self.run else {
            return Err(not_armed());
        };
        // The clock of the scan begins when there is something to scan.
        if run.plan.has_rows()
            && let Some(frames) = run.ahead.frames()
        {
            let until = SystemClock.now().after(FIRST_FRAME);
            let frame = frames
                .recv_deadline(SystemClock::std_instant(until))
                .map_err(|_| not_rendered())?;
            run.frame = Some((0, frame));
        }
        run.started = Some(SystemClock.now());
        Ok(())
    }

    fn stop(&mut self) -> Result<(), HalError> {
        self.here()?;
        let now = SystemClock.now();
        let (speed, line_ns) = (
            self.config.speed,
            self.scan.as_ref().map(|scan| scan.line_ns),
        );
        let Some(run) = &mut self.run else {
            return Err(not_armed());
        };
        let scanned = match (speed, run.started, line_ns) {
            (Speed::Real(factor), Some(started), Some(line_ns)) => {
                let scan_ns = now.since(started).as_nanos() as f64 * factor.max(1e-3);
                (scan_ns / line_ns.max(1) as f64) as u64
            }
            // A board that is pulled has scanned what was taken.
            _ => 0,
        };
        // A frame that is not rendered yet was not scanned, whatever the clock says.
        let rendered = run.frame.as_ref().map_or(0, |(frame, _)| frame + 1);
        let height = self
            .scan
            .as_ref()
            .map_or(0, |scan| u64::from(scan.actual.height));
        run.plan
            .end_after(scanned.min(rendered.saturating_mul(height)));
        Ok(())
    }

    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        let Some(run) = self.run.take() else {
            return Err(not_armed());
        };
        Ok(run.summary)
    }

    fn read(&mut self, buffer: StripBuffer, deadline: HostInstant) -> Result<ReadEvent, HalError> {
        self.here()?;
        let next = match &self.run {
            Some(run) if run.ended => return Ok(ReadEvent::EndOfRun),
            Some(run) => run.plan.next(),
            None => return Err(not_armed()),
        };
        let Some(next) = next else {
            if let Some(run) = &mut self.run {
                run.ended = true;
            }
            return Ok(ReadEvent::EndOfRun);
        };
        if !self.ready(next, deadline)? {
            return Ok(ReadEvent::Idle);
        }
        let (Some(scan), Some(run)) = (&self.scan, &mut self.run) else {
            return Err(not_armed());
        };
        run.take(scan, next, buffer)
    }

    fn interrupter(&self) -> Box<dyn Interrupter> {
        self.wake.0.clone_box()
    }
}

impl SimBoard {
    /// Waits until the rows of `next` are scanned and rendered; `false` when the deadline or an
    /// interruption came first.
    fn ready(&mut self, next: Next, deadline: HostInstant) -> Result<bool, HalError> {
        let Some(scan) = &self.scan else {
            return Err(not_armed());
        };
        let height = u64::from(scan.actual.height);
        let rows = next.frame * height + u64::from(next.first_row + next.rows);
        let due_span = self.host_span(rows.saturating_mul(scan.line_ns));
        let Some(run) = &mut self.run else {
            return Err(not_armed());
        };
        let mut due = run.started.unwrap_or_default().after(due_span);
        let height = scan.actual.height;
        for (fault, done) in self.config.faults.iter().zip(&mut run.stalled) {
            if !next.touches(fault, height) {
                continue;
            }
            match fault.kind {
                FaultKind::Disconnect => {
                    self.gone = true;
                    return self.here().map(|()| false);
                }
                FaultKind::Stalled { ms } if !*done => {
                    *done = true;
                    let span = Duration::from_millis(u64::from(ms));
                    run.stall_until = Some(SystemClock.now().max(due).after(span));
                }
                _ => {}
            }
        }
        if let Some(until) = run.stall_until {
            due = due.max(until);
        }
        let wake = &self.wake.1;
        if wake.try_recv().is_ok() {
            return Ok(false);
        }
        if due > SystemClock.now() {
            let until = SystemClock::std_instant(due.min(deadline));
            if wake.recv_deadline(until).is_ok() || due > deadline {
                return Ok(false);
            }
        }
        run.stall_until = None;
        run.render(next.frame, wake, deadline)
    }
}

fn not_armed() -> HalError {
    HalError::new(
        ErrorKind::State,
        "no run is prepared on the simulated board; arm it first",
    )
}
