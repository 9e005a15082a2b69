//! The driver as a board.

use std::{collections::BTreeMap, time::Duration};

use crossbeam_channel::Receiver;

use super::{
    ClockFit, SerialConfig,
    clock::ClockFitter,
    counters::Counters,
    exchange::{Exchange, SHOWN, Trouble},
    peer::{self, Peer},
    request,
    run::{Ending, Phase, Run},
};
use crate::{
    Board, Capabilities, Clock, ErrorKind, HalError, HostInstant, Identity, Interrupter, ReadEvent,
    RunId, RunSummary, ScanActual, ScanRequest, StripBuffer, SystemClock, Wake,
    wire::{ActualForm, MAX_FORM, StatusLine},
};

/// Longest time that a board may take to prepare a scan.
const PREPARE: Duration = Duration::from_secs(60);
/// Comparisons of the clocks before a run.
const COMPARISONS: u32 = 4;
/// The kind of error that another board at the same address is: nothing will bring the first one back.
pub(super) const ANOTHER: ErrorKind = ErrorKind::Unsupported;
/// Attempts at an exchange outside of a run.
const TRIES: u32 = 3;

/// A scan that is set up, and the request that it came from.
#[derive(Clone)]
pub(super) struct Scan {
    pub(super) want: ScanRequest,
    pub(super) actual: ScanActual,
    pub(super) mask: u32,
    /// The boot that knows of it.
    pub(super) boot: u64,
}

/// A [`Board`] on the other end of a link.
pub struct SerialBoard {
    pub(super) config: SerialConfig,
    /// `None` while the link is gone.
    pub(super) exchange: Option<Exchange>,
    pub(super) peer: Peer,
    pub(super) scan: Option<Scan>,
    pub(super) run: Option<Run>,
    pub(super) counters: Counters,
    pub(super) clock: ClockFitter,
    pub(super) compared: HostInstant,
    pub(super) wake: (Wake, Receiver<()>),
}

impl SerialBoard {
    /// Opens the link and asks who is there.
    ///
    /// # Errors
    /// `NotFound`, `Io` or `Disconnected` when there is no link; `Malformed` when what answers is no board of the
    /// strip protocol.
    pub fn open(config: SerialConfig) -> Result<Self, HalError> {
        let mut exchange = Exchange::open(&config)?;
        let mut tried = 0;
        let peer = loop {
            match Peer::meet(&mut exchange, config.baud) {
                Ok(peer) => break peer,
                Err(trouble) if tried + 1 == TRIES => {
                    return Err(HalError::new(
                        match trouble {
                            Trouble::Gone(_) => ErrorKind::Disconnected,
                            Trouble::Silent | Trouble::Garbled(_) => ErrorKind::Malformed,
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
        Ok(Self {
            clock: ClockFitter::new(peer.capabilities.clock_hz),
            config,
            exchange: Some(exchange),
            peer,
            scan: None,
            run: None,
            counters: Counters::default(),
            compared: HostInstant::default(),
            wake: Wake::channel(),
        })
    }

    /// What the board says of its run.
    ///
    /// # Errors
    /// When the board does not answer.
    pub fn status(&mut self) -> Result<StatusLine, HalError> {
        self.exchange_safely(peer::status)
    }

    fn gone(&self, trouble: &Trouble) -> HalError {
        HalError::new(
            ErrorKind::Disconnected,
            format!(
                "the board at {} does not answer: {trouble}",
                self.config.address
            ),
        )
    }

    /// An exchange outside of a run, tried again on a line that was made quiet, and on a new link.
    fn exchange_safely<T>(
        &mut self,
        ask: impl Fn(&mut Exchange) -> Result<T, Trouble>,
    ) -> Result<T, HalError> {
        let mut tried = 0;
        loop {
            if self.exchange.is_none() {
                self.reconnect()?;
            }
            let Some(exchange) = &mut self.exchange else {
                continue;
            };
            let trouble = match ask(exchange) {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            self.note(&trouble);
            tried += 1;
            if tried == TRIES {
                return Err(self.gone(&trouble));
            }
            let gone = matches!(trouble, Trouble::Gone(_));
            let quiet = self
                .exchange
                .as_mut()
                .is_some_and(|exchange| !gone && exchange.quiet().is_ok());
            if !quiet {
                self.exchange = None;
            }
        }
    }

    /// Opens the link anew and meets the same board, which may have restarted.
    pub(super) fn reconnect(&mut self) -> Result<(), HalError> {
        // The old one would keep the port from being opened.
        self.exchange = None;
        let mut exchange = Exchange::open(&self.config)?;
        let (identity, boot) = peer::greet(&mut exchange).map_err(|trouble| self.gone(&trouble))?;
        // The firmware may be another: boards restart after they were given one.
        if identity.serial != self.peer.identity.serial {
            return Err(HalError::new(
                ANOTHER,
                format!(
                    "another board is at {} now: {} {} instead of {}",
                    self.config.address, identity.model, identity.serial, self.peer.identity.serial
                ),
            ));
        }
        self.is_now(boot);
        self.exchange = Some(exchange);
        Ok(())
    }

    /// The board that answers has this boot. The clock of another one began anew.
    fn is_now(&mut self, boot: u64) {
        if boot != self.peer.boot {
            self.peer.boot = boot;
            self.clock = ClockFitter::new(self.peer.capabilities.clock_hz);
        }
    }

    pub(super) fn note(&mut self, trouble: &Trouble) {
        let count = match trouble {
            Trouble::Gone(_) => &mut self.counters.gone,
            Trouble::Silent => &mut self.counters.silent,
            Trouble::Garbled(_) => &mut self.counters.garbled,
        };
        *count += 1;
        tracing::debug!(%trouble, "an exchange with the board failed");
    }

    fn set_up(&mut self, want: &ScanRequest) -> Result<Scan, HalError> {
        let messages = request::messages(want, &self.peer, self.config.trigger)?;
        let (errors, form) = self.exchange_safely(|exchange| {
            // A run that another host has left behind keeps the board from being set.
            peer::abort(exchange)?;
            exchange.clear()?;
            for message in &messages {
                exchange.send(message)?;
            }
            let done = exchange.query_within("*OPC?", PREPARE)?;
            if done != "1" {
                return Err(Trouble::Garbled(format!("`*OPC?` is answered by {done:?}")));
            }
            let errors = exchange.clear()?;
            let block = exchange.query_block("SCAN:ACT?", MAX_FORM)?;
            let form: ActualForm = serde_json::from_slice(&block)
                .map_err(|error| Trouble::Garbled(format!("its scan cannot be read: {error}")))?;
            Ok((errors, form))
        })?;
        if let Some(error) = errors.first() {
            return Err(HalError::new(
                ErrorKind::Unsupported,
                format!("the board refuses this scan: {error:.SHOWN$}"),
            ));
        }
        Ok(Scan {
            want: want.clone(),
            actual: request::achieved(&form, want, &self.peer)?,
            mask: form.channels,
            boot: self.peer.boot,
        })
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
        let scan = self.set_up(want)?;
        Ok(self.scan.insert(scan).actual.clone())
    }

    fn arm(&mut self) -> Result<RunId, HalError> {
        let scan = self.scan.clone().ok_or_else(|| {
            HalError::new(
                ErrorKind::State,
                "no scan is set up on the board; configure it first",
            )
        })?;
        let boot = self.exchange_safely(peer::boot)?;
        self.is_now(boot);
        if scan.boot != self.peer.boot {
            let again = self.set_up(&scan.want)?;
            if again.actual != scan.actual {
                return Err(HalError::new(
                    ErrorKind::Unsupported,
                    "the board has restarted and scans otherwise than before; set the scan up again",
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

    fn start(&mut self) -> Result<(), HalError> {
        let (Some(run), Some(scan)) = (&mut self.run, &self.scan) else {
            return Err(not_armed());
        };
        run.begun = true;
        let known = scan.boot;
        let (errors, status) = self.exchange_safely(|exchange| {
            peer::abort(exchange)?;
            let boot = peer::boot(exchange)?;
            if boot != known {
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
