//! The driver as a board.

use std::collections::BTreeMap;

use crossbeam_channel::Receiver;

use super::{
    ClockFit, SerialConfig,
    clock::ClockFitter,
    counters::Counters,
    exchange::{Exchange, SHOWN, Trouble},
    peer::{self, Peer},
    run::{Ending, Phase, Run},
    setup::{TRIES, interrupted},
};
use crate::{
    Board, Capabilities, Clock, ErrorKind, HalError, HostInstant, Identity, Interrupter, ReadEvent,
    RunId, RunSummary, ScanActual, ScanRequest, StripBuffer, SystemClock, Wake, wire::StatusLine,
};

/// Comparisons of the clocks before a run.
const COMPARISONS: u32 = 4;
/// The kind of error that another board at the same address is: nothing will bring the first one back.
pub(super) const ANOTHER: ErrorKind = ErrorKind::Unsupported;
/// A scan that is set up, and the request that it came from.
#[derive(Clone)]
pub(super) struct Scan {
    pub(super) want: ScanRequest,
    pub(super) actual: ScanActual,
    pub(super) mask: u32,
    /// The boot that knows of it; `None` when the board may have been set otherwise since.
    pub(super) boot: Option<u64>,
}

/// A [`Board`] on the other end of a link.
pub struct SerialBoard {
    pub(super) config: SerialConfig,
    /// `None` while the link is gone.
    pub(super) exchange: Option<Exchange>,
    pub(super) peer: Peer,
    /// The boot that answers now. When it is another than the peer's, the board may have become another one by it.
    pub(super) boot: u64,
    pub(super) scan: Option<Scan>,
    pub(super) run: Option<Run>,
    pub(super) counters: Counters,
    pub(super) clock: ClockFitter,
    pub(super) compared: HostInstant,
    pub(super) wake: (Wake, Receiver<()>),
    /// An interruption ends exchanges: a board is being set up.
    pub(super) heeds: bool,
}

impl SerialBoard {
    /// Opens the link and asks who is there.
    ///
    /// # Errors
    /// `NotFound`, `Io` or `Disconnected` when there is no link; `Malformed` when what answers is no board of the
    /// strip protocol.
    pub fn open(config: SerialConfig) -> Result<Self, HalError> {
        Self::open_interruptibly(config, Wake::channel())
    }

    /// The same with a channel that was made before, so that somebody can interrupt also this.
    ///
    /// # Errors
    /// Those of [`SerialBoard::open`]; `Exchange` when it was interrupted. A TCP connection is waited for to its end,
    /// which is at most 2 s.
    pub fn open_interruptibly(
        config: SerialConfig,
        wake: (Wake, Receiver<()>),
    ) -> Result<Self, HalError> {
        let mut exchange = Exchange::open(&config, &wake.1)?;
        exchange.heeds = true;
        let mut tried = 0;
        let peer = loop {
            match Peer::meet(&mut exchange, config.baud) {
                Ok(peer) => break peer,
                Err(Trouble::Interrupted) => return Err(interrupted()),
                Err(trouble) if tried + 1 == TRIES => {
                    return Err(HalError::new(
                        match trouble {
                            Trouble::Gone(_) => ErrorKind::Disconnected,
                            _ => ErrorKind::Malformed,
                        },
                        format!(
                            "there is no board of the strip protocol at {}: {trouble}; for a UART check the baud rate",
                            config.address
                        ),
                    ));
                }
                Err(_) => tried += 1,
            }
        };
        exchange.heeds = false;
        Ok(Self {
            clock: ClockFitter::new(peer.capabilities.clock_hz),
            boot: peer.boot,
            config,
            exchange: Some(exchange),
            peer,
            scan: None,
            run: None,
            counters: Counters::default(),
            compared: HostInstant::default(),
            wake,
            heeds: false,
        })
    }

    /// What the board says of its run.
    ///
    /// # Errors
    /// When the board does not answer.
    pub fn status(&mut self) -> Result<StatusLine, HalError> {
        self.exchange_safely(peer::status)
    }

    /// Sees that the board knows of the scan, and compares the clocks.
    fn prepare(&mut self) -> Result<RunId, HalError> {
        let scan = self.scan.clone().ok_or_else(|| {
            HalError::new(
                ErrorKind::State,
                "no scan is set up on the board; configure it first",
            )
        })?;
        self.recognise()?;
        if scan.boot != Some(self.boot) {
            let again = self.set_up(&scan.want)?;
            if again.actual != scan.actual {
                return Err(HalError::new(
                    ErrorKind::Unsupported,
                    "the board scans otherwise than when this scan was set up; set it up again",
                ));
            }
            self.scan = Some(again);
        }
        for _ in 0..COMPARISONS {
            let (asked, status) = self.exchange_safely(|exchange| {
                let asked = SystemClock.now();
                Ok((asked, peer::status(exchange)?))
            })?;
            self.clock.add(asked, SystemClock.now(), status.ticks);
        }
        let run = Run::new(RunId::random(), &scan.actual);
        let _ = self.wake.1.try_recv();
        Ok(self.run.insert(run).id)
    }

    pub(super) fn note(&mut self, trouble: &Trouble) {
        let count = match trouble {
            Trouble::Gone(_) => &mut self.counters.gone,
            Trouble::Silent => &mut self.counters.silent,
            Trouble::Garbled(_) => &mut self.counters.garbled,
            // The line is well.
            Trouble::Interrupted => return,
        };
        *count += 1;
        tracing::debug!(%trouble, "an exchange with the board failed");
    }
}

pub(super) fn not_armed() -> HalError {
    HalError::new(
        ErrorKind::State,
        "no run is prepared on the board; arm it first",
    )
}

impl Board for SerialBoard {
    fn identity(&self) -> Identity {
        self.peer.identity.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.peer.capabilities.clone()
    }

    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        let scan = self.interruptibly(|board| board.set_up(want))?;
        Ok(self.scan.insert(scan).actual.clone())
    }

    fn arm(&mut self) -> Result<RunId, HalError> {
        self.interruptibly(Self::prepare)
    }

    fn start(&mut self) -> Result<(), HalError> {
        let (Some(run), Some(scan)) = (&mut self.run, &self.scan) else {
            return Err(not_armed());
        };
        run.begun = true;
        let known = scan.boot;
        let (errors, status) = self.exchange_safely(|exchange| {
            peer::abort(exchange)?;
            let boot = peer::boot(exchange)?;
            if Some(boot) != known {
                return Ok((
                    vec!["it has restarted; set the scan up again".to_owned()],
                    peer::status(exchange)?,
                ));
            }
            exchange.send("INIT")?;
            let errors = exchange.clear()?;
            Ok((errors, peer::status(exchange)?))
        })?;
        if let Some(error) = errors.first() {
            return Err(HalError::new(
                ErrorKind::Unsupported,
                format!("the board does not start: {error:.SHOWN$}"),
            ));
        }
        if let Some(run) = &mut self.run {
            run.number = Some(status.run);
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), HalError> {
        if let Some(run) = &mut self.run {
            // Sent before the next question: one may be open.
            run.abort = true;
        }
        Ok(())
    }

    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        let run = self.run.take().ok_or_else(not_armed)?;
        // Who interrupted this run did not mean the next set-up.
        let _ = self.wake.1.try_recv();
        let over = matches!(
            run.phase,
            Phase::Ended(None | Some(Ending::Restarted | Ending::Taken | Ending::Another))
        );
        if run.begun && !over {
            let aborted = |exchange: &mut Exchange| {
                exchange.quiet()?;
                exchange.send("ABOR")
            };
            if self
                .exchange
                .as_mut()
                .is_some_and(|exchange| aborted(exchange).is_err())
            {
                self.exchange = None;
            }
        }
        Ok(run.rows.summary())
    }

    fn read(&mut self, buffer: StripBuffer, deadline: HostInstant) -> Result<ReadEvent, HalError> {
        let mut buffer = Some(buffer);
        loop {
            if let Some(event) = self.step(&mut buffer, deadline)? {
                return Ok(event);
            }
            // A board that answers at once, and has nothing, does not keep the thread.
            if self.wake.1.try_recv().is_ok() || SystemClock.now() > deadline {
                return Ok(ReadEvent::Idle);
            }
        }
    }

    fn interrupter(&self) -> Box<dyn Interrupter> {
        self.wake.0.clone_box()
    }

    fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.counters.by_name()
    }

    fn clock_fit(&self) -> Option<ClockFit> {
        self.clock.fit()
    }
}

impl Drop for SerialBoard {
    fn drop(&mut self) {
        if self.run.is_some() {
            // A board that nobody hears needs not scan; a failure to tell it changes nothing.
            let _ = self.disarm();
        }
    }
}
