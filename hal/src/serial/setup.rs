//! What is done outside of a run: exchanges that are tried again, and setting a scan up.

use std::time::Duration;

use super::{
    board::{ANOTHER, Scan, SerialBoard},
    clock::ClockFitter,
    exchange::{Exchange, SHOWN, Trouble},
    peer::{self, Peer},
    request,
};
use crate::{
    ErrorKind, HalError, Identity, ScanRequest,
    wire::{ActualForm, MAX_FORM},
};

/// Longest time that a board may take to prepare a scan.
const PREPARE: Duration = Duration::from_secs(60);
/// Attempts at an exchange outside of a run.
pub(super) const TRIES: u32 = 3;

/// What a set-up ends with for which nobody wants to wait any more.
pub(super) fn interrupted() -> HalError {
    HalError::new(
        ErrorKind::Exchange,
        "setting the board up was interrupted; try again",
    )
}

impl SerialBoard {
    /// Does `work`, of which an interruption ends the exchange that is waited for.
    pub(super) fn interruptibly<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, HalError>,
    ) -> Result<T, HalError> {
        self.heed(true);
        let result = work(self);
        self.heed(false);
        result
    }

    fn heed(&mut self, heeds: bool) {
        self.heeds = heeds;
        if let Some(exchange) = &mut self.exchange {
            exchange.heeds = heeds;
        }
    }

    fn gone(&self, trouble: &Trouble) -> HalError {
        if matches!(trouble, Trouble::Interrupted) {
            return interrupted();
        }
        HalError::new(
            ErrorKind::Disconnected,
            format!(
                "the board at {} does not answer: {trouble}",
                self.config.address
            ),
        )
    }

    /// An exchange outside of a run, tried again on a line that was made quiet, and on a new link.
    pub(super) fn exchange_safely<T>(
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
                Err(Trouble::Interrupted) => return Err(interrupted()),
                Err(trouble) => trouble,
            };
            self.note(&trouble);
            tried += 1;
            if tried == TRIES {
                return Err(self.gone(&trouble));
            }
            let quiet = match &mut self.exchange {
                Some(exchange) if !matches!(trouble, Trouble::Gone(_)) => exchange.quiet(),
                _ => Err(trouble),
            };
            match quiet {
                Ok(()) => {}
                Err(Trouble::Interrupted) => return Err(interrupted()),
                Err(_) => self.exchange = None,
            }
        }
    }

    /// Opens the link anew and meets the same board, which may have restarted.
    pub(super) fn reconnect(&mut self) -> Result<(), HalError> {
        // The old one would keep the port from being opened.
        self.exchange = None;
        let mut exchange = Exchange::open(&self.config, &self.wake.1)?;
        exchange.heeds = self.heeds;
        let (identity, boot) = peer::greet(&mut exchange).map_err(|trouble| self.gone(&trouble))?;
        self.is_same(&identity)?;
        self.is_now(boot);
        self.exchange = Some(exchange);
        Ok(())
    }

    /// # Errors
    /// When it is another board.
    fn is_same(&self, identity: &Identity) -> Result<(), HalError> {
        // The firmware may be another: boards restart after they were given one.
        if identity.serial == self.peer.identity.serial {
            return Ok(());
        }
        let other = format!("{} {}", identity.model, identity.serial);
        let (address, serial) = (&self.config.address, &self.peer.identity.serial);
        Err(HalError::new(
            ANOTHER,
            format!(
                "another board is at {address} now: {other:.SHOWN$} instead of {serial:.SHOWN$}"
            ),
        ))
    }

    /// The board that answers has this boot. The clock of another one began anew.
    pub(super) fn is_now(&mut self, boot: u64) {
        if boot != self.boot {
            self.boot = boot;
            self.clock = ClockFitter::new(self.peer.capabilities.clock_hz);
        }
    }

    /// Asks who answers now: the same board, which may have restarted.
    pub(super) fn recognise(&mut self) -> Result<(), HalError> {
        let (identity, boot) = self.exchange_safely(peer::who)?;
        self.is_same(&identity)
            .inspect_err(|_| self.exchange = None)?;
        self.is_now(boot);
        Ok(())
    }

    /// Asks a board that has restarted everything again: it may have another firmware, and other capabilities.
    fn meet_again(&mut self) -> Result<(), HalError> {
        let baud = self.config.baud;
        let peer = self.exchange_safely(|exchange| Peer::meet(exchange, baud))?;
        self.is_same(&peer.identity)
            .inspect_err(|_| self.exchange = None)?;
        self.boot = peer.boot;
        self.clock = ClockFitter::new(peer.capabilities.clock_hz);
        self.peer = peer;
        Ok(())
    }

    /// Sets a scan up.
    ///
    /// # Errors
    /// `Unsupported`, `Request` or `Malformed` for what cannot be, `Disconnected` when the board does not answer, and
    /// `Exchange` when it was interrupted.
    pub(super) fn set_up(&mut self, want: &ScanRequest) -> Result<Scan, HalError> {
        for _ in 0..TRIES {
            self.recognise()?;
            if self.boot != self.peer.boot {
                self.meet_again()?;
            }
            let scan = self.set_up_once(want);
            // What a board that restarted meanwhile has said is compared with what it could do before.
            if self.boot == self.peer.boot {
                return scan;
            }
        }
        Err(HalError::new(
            ErrorKind::Disconnected,
            format!(
                "the board at {} restarts whenever a scan is set up",
                self.config.address
            ),
        ))
    }

    fn set_up_once(&mut self, want: &ScanRequest) -> Result<Scan, HalError> {
        let messages = request::messages(want, &self.peer, self.config.trigger)?;
        if let Some(scan) = &mut self.scan {
            // It is forgotten when this one fails, too.
            scan.boot = None;
        }
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
            boot: Some(self.boot),
        })
    }
}
