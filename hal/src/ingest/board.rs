//! The board of pushed frames. It is live: what the host does not take in time is lost, and told.

use std::{collections::BTreeMap, sync::Arc};

use crossbeam_channel::{Receiver, at, select_biased};

use super::{
    config::IngestConfig,
    frame::Stretch,
    join::{Joiner, Next},
    port::{IngestPort, Shared},
    setup::{CLOCK_HZ, Scan},
};
use crate::{
    Board, Capabilities, ChannelMask, Clock, ErrorKind, Gap, GapCause, HalError, HostInstant,
    Identity, Interrupter, Pacing, ReadEvent, RunId, RunSummary, ScanActual, ScanRequest, Strip,
    StripBuffer, StripFlags, StripHeader, SystemClock, Wake,
};

#[derive(Default)]
struct Run {
    id: Option<RunId>,
    started: HostInstant,
    sequence: u64,
    /// Rows told as gaps since the last strip.
    lost_rows: u32,
    ticks: u64,
    summary: RunSummary,
}

/// A [`Board`] that gives what is pushed through its [`IngestPort`].
pub struct IngestBoard {
    config: IngestConfig,
    shared: Arc<Shared>,
    news: Receiver<()>,
    scan: Option<ScanActual>,
    run: Run,
    wake: (Wake, Receiver<()>),
}

impl IngestBoard {
    /// A board, and the way into it.
    ///
    /// # Errors
    /// `Request` when the configuration cannot be; the sentence names the field.
    pub fn new(config: IngestConfig) -> Result<(Self, IngestPort), HalError> {
        config.validate()?;
        let scan = Scan::achieve(&config, &ScanRequest::default())?;
        let (shared, news) = Shared::new(Joiner::new(&config, scan));
        let port = IngestPort(Arc::clone(&shared));
        let board = Self {
            config,
            shared,
            news,
            scan: None,
            run: Run::default(),
            wake: Wake::channel(),
        };
        Ok((board, port))
    }

    fn actual(&self) -> Result<&ScanActual, HalError> {
        self.scan.as_ref().ok_or_else(|| {
            let message = "no scan of pushed frames is set up; configure it first";
            HalError::new(ErrorKind::State, message)
        })
    }

    fn strip(
        &mut self,
        (frame, field): (u64, u32),
        stretch: Stretch,
        received: HostInstant,
        samples: StripBuffer,
    ) -> Result<Strip, HalError> {
        let actual = self.actual()?;
        let (width, channels) = (actual.width, actual.channels.len());
        let lines = samples.chunks_exact(width as usize).enumerate();
        let saturated = lines.into_iter().any(|(index, line)| {
            let limit = actual.channels[index % channels].saturation();
            line.iter().any(|&sample| sample >= limit)
        });
        let (line_period_ns, height) = (actual.line_period_ns, actual.height);
        let bit_depth = actual.bit_depth();
        // The pusher's clock is not known. By ours the last row was scanned when it came.
        let since = u64::try_from(received.since(self.run.started).as_nanos()).unwrap_or(u64::MAX);
        let line_ns = line_period_ns.unwrap_or(0);
        let scanned = since.saturating_sub(line_ns.saturating_mul(u64::from(stretch.rows)));
        // Rows that waited for those above them came earlier.
        self.run.ticks = self.run.ticks.max(scanned);
        let lost_rows = std::mem::take(&mut self.run.lost_rows);
        let header = StripHeader {
            run: self.run.id.ok_or_else(not_armed)?,
            boot: 0,
            frame,
            field,
            source: None,
            sequence: self.run.sequence,
            first_row: stretch.first_row,
            rows: stretch.rows,
            width,
            channels: ChannelMask::all(channels),
            bit_depth,
            odd_rows_reversed: false,
            ticks_first_row: self.run.ticks,
            line_period_ns,
            received,
            lost_rows,
            flags: StripFlags {
                saturated,
                overrun: false,
                last_of_frame: stretch.first_row + stretch.rows >= height,
            },
        };
        self.run.sequence += 1;
        Ok(Strip { header, samples })
    }
}

impl Board for IngestBoard {
    fn identity(&self) -> Identity {
        identity()
    }

    fn capabilities(&self) -> Capabilities {
        let (width, height) = (self.config.width, self.config.height);
        Capabilities {
            channels: self.config.channels.clone(),
            width: width..=width,
            height: height..=height,
            dwell_ns: self.config.dwell_ns.map(|dwell| dwell..=dwell),
            strip_rows: 1..=height,
            bidirectional: false,
            clock_hz: CLOCK_HZ,
            link_bytes_per_s: None,
            retransmit_depth: 0,
            pacing: Pacing::Live,
        }
    }

    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        let scan = Scan::achieve(&self.config, want)?;
        let actual = scan.actual.clone();
        self.shared.joiner().configure(scan);
        self.scan = Some(actual.clone());
        Ok(actual)
    }

    fn arm(&mut self) -> Result<RunId, HalError> {
        self.actual()?;
        let id = RunId::random();
        self.run = Run {
            id: Some(id),
            ..Run::default()
        };
        let _ = self.wake.1.try_recv();
        Ok(id)
    }

    fn start(&mut self) -> Result<(), HalError> {
        let frames = self.actual()?.frames;
        self.run.started = SystemClock.now();
        self.shared.joiner().begin(frames);
        Ok(())
    }

    /// Frames that were begun are still given, with what came of them.
    fn stop(&mut self) -> Result<(), HalError> {
        self.shared.joiner().stop();
        Ok(())
    }

    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        self.shared.joiner().end();
        self.run.id.ok_or_else(not_armed)?;
        Ok(std::mem::take(&mut self.run).summary)
    }

    fn read(
        &mut self,
        mut buffer: StripBuffer,
        deadline: HostInstant,
    ) -> Result<ReadEvent, HalError> {
        self.run.id.ok_or_else(not_armed)?;
        let (frame, field, stretch, received) = loop {
            if self.wake.1.try_recv().is_ok() {
                return Ok(ReadEvent::Idle);
            }
            let mut joiner = self.shared.joiner();
            let now = SystemClock.now();
            let due = match joiner.next(now) {
                Next::End => return Ok(ReadEvent::EndOfRun),
                Next::Rows {
                    frame,
                    field,
                    stretch,
                } => {
                    let received = match stretch.whole {
                        true => Some(joiner.copy(stretch, &mut buffer)?),
                        false => None,
                    };
                    joiner.given(stretch);
                    break (frame, u32::from(field), stretch, received);
                }
                Next::Wait(due) => due.map_or(deadline, |due| due.min(deadline)),
            };
            drop(joiner);
            if now >= deadline {
                return Ok(ReadEvent::Idle);
            }
            select_biased! {
                recv(self.wake.1) -> _ => return Ok(ReadEvent::Idle),
                recv(self.news) -> _ => {}
                recv(at(SystemClock::std_instant(due))) -> _ => {}
            }
        };
        let summary = &mut self.run.summary;
        summary.frames += u64::from(stretch.first_row == 0);
        summary.rows_scanned += u64::from(stretch.rows);
        if let Some(received) = received {
            summary.rows_delivered += u64::from(stretch.rows);
            let strip = self.strip((frame, field), stretch, received, buffer)?;
            return Ok(ReadEvent::Strip(strip));
        }
        summary.rows_lost += u64::from(stretch.rows);
        self.run.lost_rows = self.run.lost_rows.saturating_add(stretch.rows);
        Ok(ReadEvent::Gap(Gap {
            frame,
            field,
            first_row: stretch.first_row,
            rows: stretch.rows,
            // A record that the link spoilt is refused and sent again: what never comes, the source did not send.
            cause: GapCause::SourceIncomplete,
        }))
    }

    fn interrupter(&self) -> Box<dyn Interrupter> {
        self.wake.0.clone_box()
    }

    fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.shared.joiner().counts()
    }
}

impl Drop for IngestBoard {
    fn drop(&mut self) {
        self.shared.joiner().end();
    }
}

/// Who answers `*IDN?`.
pub(super) fn identity() -> Identity {
    Identity {
        maker: "senescope".to_owned(),
        model: "ingest".to_owned(),
        // IEEE 488.2, 10.14.3: none is `0`.
        serial: "0".to_owned(),
        firmware: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: 1,
    }
}

fn not_armed() -> HalError {
    let message = "no run of pushed frames is prepared; arm it first";
    HalError::new(ErrorKind::State, message)
}
