//! Questions and answers: one outstanding query, bounded replies, and a line that can be made quiet.

use std::{fmt, io, ops::Range, time::Duration};

use crossbeam_channel::Receiver;

use super::{SerialConfig, link::Link};
use crate::{
    Clock, HalError, HostInstant, SystemClock,
    wire::{BlockHeader, MAX_BLOCK_HEADER, MAX_MESSAGE, MAX_RECORD},
};

/// How often a wait looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(20);
/// A line is quiet when nothing came for this long.
const QUIET: Duration = Duration::from_millis(50);
/// Longest time and most bytes that are discarded until it is.
const DISCARD: (Duration, usize) = (Duration::from_secs(2), 16 << 20);
/// Most errors that are taken from the board's queue at once, and longest time for them.
const ERRORS: (Duration, usize) = (Duration::from_secs(5), 32);
/// Longest that a byte of an answer may take, on average: less than half as fast as a UART of 9 600 baud.
const SLOWEST: Duration = Duration::from_micros(2500);
/// Most characters of what a board says that are shown to a person.
pub(super) const SHOWN: usize = 300;

/// What is wrong with an exchange.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The link is gone.
    Gone(io::Error),
    /// No answer came.
    Silent,
    /// The answer is none, or not one to what was asked.
    Garbled(String),
    /// Somebody did not want to wait for the answer, which may still come.
    Interrupted,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(error) => write!(f, "the link is gone ({error})"),
            Self::Silent => f.write_str("no answer came"),
            Self::Garbled(how) => write!(f, "{how:.SHOWN$}"),
            Self::Interrupted => f.write_str("it was not waited for"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// A link with the bytes of the answer that is coming in.
pub(super) struct Exchange {
    link: Link,
    bytes: Box<[u8]>,
    filled: usize,
    patience: Duration,
    /// When the last byte was sent or received.
    active: HostInstant,
    /// How long this answer was waited for.
    waited: Duration,
    wake: Receiver<()>,
    /// Every wait ends when the board is woken; else only [`Exchange::receive`] does.
    pub(super) heeds: bool,
}

impl Exchange {
    /// Opens the link of a board that is woken by `wake`.
    pub(super) fn open(config: &SerialConfig, wake: &Receiver<()>) -> Result<Self, HalError> {
        Ok(Self {
            link: Link::open(config)?,
            bytes: vec![0; MAX_BLOCK_HEADER + MAX_RECORD + 1].into(),
            filled: 0,
            patience: config.patience,
            active: HostInstant::default(),
            waited: Duration::ZERO,
            wake: wake.clone(),
            heeds: false,
        })
    }

    fn look(&self) -> Result<(), Trouble> {
        if self.heeds && self.wake.try_recv().is_ok() {
            return Err(Trouble::Interrupted);
        }
        Ok(())
    }

    /// Sends a message, without its newline.
    pub(super) fn send(&mut self, message: &str) -> Result<(), Trouble> {
        if self.filled > 0 {
            return Err(Trouble::Garbled(format!(
                "{} bytes came unasked",
                self.filled
            )));
        }
        self.active = SystemClock.now();
        self.waited = Duration::ZERO;
        let until = self.active.after(self.patience);
        self.link.write(format!("{message}\n").as_bytes(), until)?;
        Ok(())
    }

    /// Sends a query and waits for its line, without the newline.
    pub(super) fn query(&mut self, message: &str) -> Result<String, Trouble> {
        self.query_within(message, self.patience)
    }

    /// The same for an answer that may take `patience`.
    pub(super) fn query_within(
        &mut self,
        message: &str,
        patience: Duration,
    ) -> Result<String, Trouble> {
        self.send(message)?;
        loop {
            let end = self.come().iter().position(|byte| *byte == b'\n');
            if end.unwrap_or(self.filled) > MAX_MESSAGE {
                return Err(Trouble::Garbled(format!(
                    "a line that does not end answers {message}"
                )));
            }
            if let Some(end) = end {
                let line = String::from_utf8_lossy(&self.bytes[..end])
                    .trim()
                    .to_owned();
                if end + 1 < self.filled {
                    return Err(Trouble::Garbled(format!(
                        "more than a line answers {message}"
                    )));
                }
                self.filled = 0;
                return Ok(line);
            }
            self.wait(LOOK, patience)?;
        }
    }

    /// Sends a query and waits for its block.
    pub(super) fn query_block(&mut self, message: &str, limit: usize) -> Result<Vec<u8>, Trouble> {
        self.send(message)?;
        loop {
            if let Some(range) = self.block(limit)? {
                let block = self.bytes[range].to_vec();
                self.filled = 0;
                return Ok(block);
            }
            self.wait(LOOK, self.patience)?;
        }
    }

    /// Waits for the block that was asked for, until `until` or an interruption; it stays until
    /// [`Exchange::done`].
    pub(super) fn receive(
        &mut self,
        limit: usize,
        until: HostInstant,
    ) -> Result<Option<Range<usize>>, Trouble> {
        loop {
            if let Some(range) = self.block(limit)? {
                return Ok(Some(range));
            }
            if self.wake.try_recv().is_ok() {
                return Ok(None);
            }
            let left = until.since(SystemClock.now());
            self.wait(left.min(LOOK), self.patience)?;
            if left.is_zero() {
                return self.block(limit);
            }
        }
    }

    /// The bytes of a reply that has come.
    pub(super) fn reply(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Forgets the reply.
    pub(super) fn done(&mut self) {
        self.filled = 0;
    }

    fn come(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// The block that has come, if it is whole.
    fn block(&self, limit: usize) -> Result<Option<Range<usize>>, Trouble> {
        let garbled = |how: String| Trouble::Garbled(how);
        let come = self.come();
        let header = BlockHeader::parse(come, limit).map_err(|error| garbled(error.to_string()))?;
        let Some(BlockHeader { header, length }) = header else {
            return Ok(None);
        };
        let end = header + length;
        match come.get(end..) {
            None | Some([]) => Ok(None),
            Some([b'\n']) => Ok(Some(header..end)),
            Some(more) => Err(garbled(format!(
                "{} bytes follow a block where its newline belongs",
                more.len()
            ))),
        }
    }

    /// Takes bytes in. An answer of which nothing came for `patience` is none, nor is one that comes in drops.
    fn wait(&mut self, wait: Duration, patience: Duration) -> Result<(), Trouble> {
        self.look()?;
        let began = SystemClock.now();
        let silent = began.since(self.active) > patience;
        if self.fill(wait)? == 0 && silent {
            return Err(Trouble::Silent);
        }
        // Only waits count, and not that this host was busy: what came meanwhile is taken at once.
        self.waited += SystemClock.now().since(began).min(wait);
        if self.waited > patience + SLOWEST * self.filled as u32 {
            return Err(Trouble::Garbled("an answer comes too slowly".to_owned()));
        }
        Ok(())
    }

    fn fill(&mut self, wait: Duration) -> Result<usize, Trouble> {
        let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
        if room.is_empty() {
            return Err(Trouble::Garbled("an answer that does not end".to_owned()));
        }
        let count = self.link.read(room, wait)?;
        self.filled += count;
        if count > 0 {
            self.active = SystemClock.now();
        }
        Ok(count)
    }

    /// Discards what comes until the line is quiet.
    pub(super) fn quiet(&mut self) -> Result<(), Trouble> {
        let until = SystemClock.now().after(DISCARD.0);
        let (mut discarded, mut heard) = (0, SystemClock.now());
        self.filled = 0;
        loop {
            self.look()?;
            let count = self.link.read(&mut self.bytes, QUIET / 5)?;
            let now = SystemClock.now();
            if count > 0 {
                discarded += count;
                heard = now;
            } else if now.since(heard) >= QUIET {
                return Ok(());
            }
            if now > until || discarded > DISCARD.1 {
                return Err(Trouble::Garbled(
                    "the line does not become quiet".to_owned(),
                ));
            }
        }
    }

    /// Empties the board's error queue; gives what was in it.
    pub(super) fn clear(&mut self) -> Result<Vec<String>, Trouble> {
        let until = SystemClock.now().after(ERRORS.0);
        let mut errors = Vec::new();
        while errors.len() < ERRORS.1 && SystemClock.now() < until {
            let error = self.query("SYST:ERR?")?;
            if error.starts_with("0,") || error.starts_with("+0,") {
                break;
            }
            let is_error = error
                .split(',')
                .next()
                .is_some_and(|number| number.trim().parse::<i32>().is_ok());
            if !is_error {
                return Err(Trouble::Garbled(format!("{error:?} is no error of SCPI")));
            }
            errors.push(error);
        }
        self.send("*CLS")?;
        Ok(errors)
    }
}
