//! A run of the driver: one question after the other, and what is done when an answer is wrong.

use std::{ops::Range, time::Duration};

use super::{
    board::{ANOTHER, SerialBoard, not_armed},
    exchange::Trouble,
    peer,
    run::{Ending, Fit, Phase, Run, Rung},
};
use crate::{
    ChannelMask, Clock, ErrorKind, HalError, HostInstant, ReadEvent, Strip, StripBuffer,
    StripHeader, SystemClock,
    wire::{MAX_RECORD, RecordHeader, RunPhase, StatusLine},
};

/// Time between two attempts to open a link that is gone.
const ATTEMPTS: Duration = Duration::from_millis(100);
/// Time between two comparisons of the clocks.
const COMPARE: Duration = Duration::from_secs(1);

impl SerialBoard {
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
    pub(super) fn step(
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
        let Some(range) = exchange.receive(MAX_RECORD, deadline)? else {
            return Ok(Some(ReadEvent::Idle));
        };
        if range.is_empty() {
            exchange.done();
            return self.nothing().map(|()| None);
        }
        let (header, _) = RecordHeader::read(exchange.reply(range.clone()))
            .map_err(|error| Trouble::Garbled(error.to_string()))?;
        match run.fit(&header, self.boot, &scan.actual, scan.mask) {
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
            let (identity, boot) = peer::greet(exchange)?;
            let ending = if identity.serial != self.peer.identity.serial {
                self.exchange = None;
                Ending::Another
            } else if boot == self.boot {
                Ending::Taken
            } else {
                self.is_now(boot);
                Ending::Restarted
            };
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
        range: Range<usize>,
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
            source: None,
            sequence: header.sequence,
            first_row: u32::from(header.first_row),
            rows: u32::from(header.rows),
            width: u32::from(header.width),
            channels: ChannelMask::all(scan.actual.channels.len()),
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
        let boot = self.boot;
        let result = self.reconnect();
        let Some(run) = &mut self.run else {
            return None;
        };
        match result {
            Ok(()) if self.boot != boot => self.fail(Ending::Restarted),
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
