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
    run::{Ending, Fit, Phase, Run, Rung},
};
use crate::{
    Board, Capabilities, Clock, ErrorKind, HalError, HostInstant, Identity, Interrupter, ReadEvent,
    RunId, RunSummary, ScanActual, ScanRequest, Strip, StripBuffer, StripHeader, SystemClock, Wake,
    wire::{ActualForm, MAX_FORM, MAX_RECORD, RecordHeader, RunPhase, StatusLine},
};

/// Longest time that a board may take to prepare a scan.
const PREPARE: Duration = Duration::from_secs(60);
/// Time between two attempts to open a link that is gone.
const ATTEMPTS: Duration = Duration::from_millis(100);
/// Time between two comparisons of the clocks.
const COMPARE: Duration = Duration::from_secs(1);
/// Comparisons of the clocks before a run.
const COMPARISONS: u32 = 4;
/// The kind of error that another board at the same address is: nothing will bring the first one back.
const ANOTHER: ErrorKind = ErrorKind::Unsupported;
/// Attempts at an exchange outside of a run.
const TRIES: u32 = 3;

/// A scan that is set up, and the request that it came from.
#[derive(Clone)]
struct Scan {
    want: ScanRequest,
    actual: ScanActual,
    mask: u32,
    /// The boot that knows of it.
    boot: u64,
}

/// A [`Board`] on the other end of a link.
pub struct SerialBoard {
    config: SerialConfig,
    /// `None` while the link is gone.
    exchange: Option<Exchange>,
    peer: Peer,
    scan: Option<Scan>,
    run: Option<Run>,
    counters: Counters,
    clock: ClockFitter,
    compared: HostInstant,
    wake: (Wake, Receiver<()>),
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
    fn reconnect(&mut self) -> Result<(), HalError> {
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

    fn note(&mut self, trouble: &Trouble) {
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

    /// Compares the clocks.
    fn compare(&mut self) -> Result<StatusLine, Trouble> {
        let Some(exchange) = &mut self.exchange else {
            return Err(Trouble::Silent);
        };
        let asked = SystemClock.now();
        let status = peer::status(exchange)?;
        let answered = SystemClock.now();
        self.clock.add(asked, answered, status.ticks);
        self.compared = answered;
        Ok(status)
    }

    /// One step of a run; `None` when there is more to do.
    fn step(
        &mut self,
        buffer: &mut Option<StripBuffer>,
        deadline: HostInstant,
    ) -> Result<Option<ReadEvent>, HalError> {
        let run = self.run.as_mut().ok_or_else(not_armed)?;
        if let Some(gap) = run.rows.gap() {
            return Ok(Some(ReadEvent::Gap(gap)));
        }
        match run.phase.clone() {
            Phase::Ended(None) => Ok(Some(ReadEvent::EndOfRun)),
            Phase::Ended(Some(ending)) => Err(self.ended(ending)),
            Phase::Reopen { at, until } => Ok(self.reopen(at, until, deadline)),
            Phase::Ask => {
                if let Err(trouble) = self.ask() {
                    self.repair(&trouble);
                }
                Ok(None)
            }
            Phase::Asked => match self.receive(deadline) {
                Ok(idle) => Ok(idle),
                Err(trouble) => {
                    self.repair(&trouble);
                    Ok(None)
                }
            },
            Phase::Held(range) => self.give(range, buffer).map(Some),
        }
    }

    fn ask(&mut self) -> Result<(), Trouble> {
        if SystemClock.now().since(self.compared) > COMPARE {
            self.compare()?;
        }
        let (Some(run), Some(exchange)) = (&mut self.run, &mut self.exchange) else {
            return Err(Trouble::Silent);
        };
        if run.abort {
            exchange.send("ABOR")?;
            run.abort = false;
        }
        exchange.send(&format!("FETC:STR? {}", run.sequence))?;
        run.phase = Phase::Asked;
        Ok(())
    }

    /// Takes the answer to a fetch in. `Idle` when it has not come in time.
    fn receive(&mut self, deadline: HostInstant) -> Result<Option<ReadEvent>, Trouble> {
        let (Some(run), Some(exchange), Some(scan)) =
            (&mut self.run, &mut self.exchange, &self.scan)
        else {
            return Err(Trouble::Silent);
        };
        let Some(range) = exchange.receive(MAX_RECORD, deadline, &self.wake.1)? else {
            return Ok(Some(ReadEvent::Idle));
        };
        if range.is_empty() {
            exchange.done();
            return self.nothing().map(|()| None);
        }
        let (header, _) = RecordHeader::read(exchange.reply(range.clone()))
            .map_err(|error| Trouble::Garbled(error.to_string()))?;
        match run.fit(&header, self.peer.boot, &scan.actual, scan.mask) {
            Fit::Next => run.phase = Phase::Held(range),
            Fit::Wrong(how) => return Err(Trouble::Garbled(how)),
            Fit::Foreign => {
                exchange.done();
                self.nothing()?;
                if !self.has_ended() {
                    return Err(Trouble::Garbled("a record of another run".to_owned()));
                }
            }
        }
        Ok(None)
    }

    /// The board had no strip: finds out why.
    fn nothing(&mut self) -> Result<(), Trouble> {
        let status = self.compare()?;
        let (Some(run), Some(exchange)) = (&mut self.run, &mut self.exchange) else {
            return Err(Trouble::Silent);
        };
        run.phase = Phase::Ask;
        if Some(status.run) != run.number {
            let (_, boot) = peer::greet(exchange)?;
            let ending = if boot == self.peer.boot {
                Ending::Taken
            } else {
                Ending::Restarted
            };
            self.peer.boot = boot;
            self.fail(ending);
        } else if !run.is_possible(&status) {
            return Err(Trouble::Garbled(format!(
                "a status that cannot be ({status})"
            )));
        } else if run.sequence < status.oldest {
            self.counters.strips_late += run.late(status.oldest);
        } else if run.sequence < status.next {
            if run.is_withheld() {
                return Err(Trouble::Garbled(
                    "a strip that the status has is not given".to_owned(),
                ));
            }
        } else if status.phase == RunPhase::Idle {
            run.end(status.rows);
        } else {
            run.waits();
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        let ended = |run: &Run| matches!(run.phase, Phase::Ended(_));
        self.run.as_ref().is_some_and(ended)
    }

    fn fail(&mut self, ending: Ending) {
        match ending {
            Ending::Restarted => self.counters.restarts += 1,
            Ending::Lost | Ending::Another | Ending::Unreadable => {
                self.counters.runs_given_up += 1;
            }
            Ending::Taken => {}
        }
        if let Some(run) = &mut self.run {
            run.fail(ending);
        }
    }

    /// The strip of a record that was found to be the one that is wanted.
    fn give(
        &mut self,
        range: std::ops::Range<usize>,
        buffer: &mut Option<StripBuffer>,
    ) -> Result<ReadEvent, HalError> {
        let (Some(run), Some(exchange), Some(scan)) =
            (&mut self.run, &mut self.exchange, &self.scan)
        else {
            return Err(not_armed());
        };
        let received = SystemClock.now();
        let read = RecordHeader::read(exchange.reply(range));
        let Ok((header, bytes)) = read else {
            return Err(HalError::new(
                ErrorKind::Exchange,
                "a record changed while it waited",
            ));
        };
        let too_small = || {
            HalError::new(
                ErrorKind::Request,
                "the strip buffer is smaller than a strip",
            )
        };
        let mut samples = buffer.take().ok_or_else(too_small)?;
        let out = samples.resize(bytes.len() / 2).ok_or_else(too_small)?;
        for (sample, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
            *sample = u16::from_le_bytes(*bytes);
        }
        self.counters.strips += 1;
        self.counters.bytes += bytes.len() as u64;
        exchange.done();
        let header = StripHeader {
            run: run.id,
            boot: header.boot,
            frame: u64::from(header.frame),
            field: u32::from(header.field),
            sequence: header.sequence,
            first_row: u32::from(header.first_row),
            rows: u32::from(header.rows),
            width: u32::from(header.width),
            channels: crate::ChannelMask::all(scan.actual.channels.len()),
            bit_depth: header.bit_depth,
            odd_rows_reversed: header.odd_rows_reversed,
            ticks_first_row: header.ticks_first_row,
            line_period_ns: (header.line_period_ns > 0).then(|| u64::from(header.line_period_ns)),
            received,
            lost_rows: header.lost_rows,
            flags: header.flags,
        };
        run.accept(u64::from(header.rows));
        Ok(ReadEvent::Strip(Strip { header, samples }))
    }

    /// Repairs the line, or else decides to open the link again.
    fn repair(&mut self, trouble: &Trouble) {
        self.note(trouble);
        let mut gone = matches!(trouble, Trouble::Gone(_));
        let mut at = SystemClock.now();
        if let Some(run) = &mut self.run
            && gone
        {
            if run.is_repaired() {
                // A link that is lost again and again is not opened without a pause.
                at = at.after(ATTEMPTS);
            }
            // A strip that breaks the link each time is given up like one that is never whole.
            run.climb();
        }
        while !gone {
            let Some(run) = &mut self.run else { return };
            if run.climb() == Rung::Reopen {
                break;
            }
            let Some(exchange) = &mut self.exchange else {
                break;
            };
            self.counters.discarded += 1;
            let cleared = exchange.quiet().and_then(|()| exchange.clear());
            match cleared {
                Ok(errors) => {
                    self.counters.cleared += 1;
                    self.counters.board_errors += errors.len() as u64;
                    self.counters.fetched_again += 1;
                    run.phase = Phase::Ask;
                    return;
                }
                Err(trouble) => {
                    gone = matches!(trouble, Trouble::Gone(_));
                    self.note(&trouble);
                }
            }
        }
        let now = SystemClock.now();
        self.exchange = None;
        if let Some(run) = &mut self.run {
            let until = now.after(self.config.reopen_for);
            run.phase = Phase::Reopen { at, until };
            tracing::warn!(address = %self.config.address, "the link to the board is opened again");
        }
    }

    /// Tries to open the link again. `Idle` when it was not time yet.
    fn reopen(
        &mut self,
        at: HostInstant,
        until: HostInstant,
        deadline: HostInstant,
    ) -> Option<ReadEvent> {
        let now = SystemClock.now();
        if now < at {
            let wait = SystemClock::std_instant(at.min(deadline));
            let woken = self.wake.1.recv_deadline(wait).is_ok();
            return (woken || at > deadline).then_some(ReadEvent::Idle);
        }
        let boot = self.peer.boot;
        let result = self.reconnect();
        let Some(run) = &mut self.run else {
            return None;
        };
        match result {
            Ok(()) if self.peer.boot != boot => self.fail(Ending::Restarted),
            Ok(()) => {
                self.counters.resumed += 1;
                if run.resume() {
                    self.counters.strips_given_up += 1;
                    if run.is_hopeless() {
                        self.fail(Ending::Unreadable);
                    }
                }
            }
            Err(error) if error.kind() == ANOTHER => self.fail(Ending::Another),
            // Who wants to stop does not wait for the board to come back.
            Err(_) if run.abort || SystemClock.now() >= until => self.fail(Ending::Lost),
            Err(error) => {
                tracing::debug!(%error, "the board is not back yet");
                let at = SystemClock.now().after(ATTEMPTS);
                run.phase = Phase::Reopen { at, until };
            }
        }
        None
    }

    fn ended(&self, ending: Ending) -> HalError {
        let address = &self.config.address;
        let why = match ending {
            Ending::Restarted => {
                format!("the board at {address} has restarted; the rest of its run is lost")
            }
            Ending::Taken => format!("another program has begun a run on the board at {address}"),
            Ending::Another => format!(
                "another board is at {address} now; this run was that of {} {}",
                self.peer.identity.model, self.peer.identity.serial
            ),
            Ending::Lost => format!(
                "the board at {address} did not come back within {} s; check its cable",
                self.config.reopen_for.as_secs()
            ),
            Ending::Unreadable => {
                format!(
                    "strips from the board at {address} cannot be read; check cable and baud rate"
                )
            }
        };
        HalError::new(ErrorKind::Disconnected, why)
    }
}

fn not_armed() -> HalError {
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
