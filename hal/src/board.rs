//! The trait that every backend implements.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Capabilities, ErrorKind, HalError, HostInstant, Identity, ReadEvent, ScanActual, ScanRequest,
    StripBuffer, serial::ClockFit,
};

/// Identity of a run: from arm to disarm. Created once, by the board's backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// A new identity, different from all others.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The identity of 128 given bits, for tests and for the wire.
    pub fn from_bits(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }
}

impl FromStr for RunId {
    type Err = HalError;

    fn from_str(text: &str) -> Result<Self, HalError> {
        Uuid::from_str(text).map(Self).map_err(|error| {
            let message = format!("{text:?} is no identity of a run: {error}");
            HalError::new(ErrorKind::Malformed, message)
        })
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// Totals of a run, given exactly once an arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Frames of which at least one row was scanned.
    pub frames: u64,
    /// Rows that were scanned: delivered and lost.
    pub rows_scanned: u64,
    /// Rows given as strips by the board.
    pub rows_delivered: u64,
    /// Rows told as gaps by the board.
    pub rows_lost: u64,
}

/// Wakes a blocked [`Board::read`] from another thread, which then gives [`ReadEvent::Idle`]. Where a board has to wait
/// while it is set up or armed, it ends that too, with an error of the kind [`Exchange`](crate::ErrorKind::Exchange).
pub trait Interrupter: Send + Sync {
    /// Wakes what waits, or what waits next. Never blocks.
    fn interrupt(&self);
    /// Another handle on the same board.
    fn clone_box(&self) -> Box<dyn Interrupter>;
}

/// A source of strips. Object-safe, `Send`, blocking; driven by one OS thread, through a
/// [`Session`](crate::Session) that guards the order of calls.
pub trait Board: Send {
    /// Who the board is.
    fn identity(&self) -> Identity;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Sets up a scan and says what was achieved.
    ///
    /// # Errors
    /// `Unsupported` or `Request` when the request cannot be met; the sentence names the field. `Exchange` when it was
    /// interrupted.
    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError>;

    /// Prepares a run.
    ///
    /// # Errors
    /// When the device refuses or is gone.
    fn arm(&mut self) -> Result<RunId, HalError>;

    /// Starts scanning.
    ///
    /// # Errors
    /// When the device refuses or is gone.
    fn start(&mut self) -> Result<(), HalError>;

    /// Asks the scan to stop. Strips that were scanned already are still given, then
    /// [`ReadEvent::EndOfRun`].
    ///
    /// # Errors
    /// When the device is gone.
    fn stop(&mut self) -> Result<(), HalError>;

    /// Ends the run and gives its totals.
    ///
    /// # Errors
    /// When the device is gone.
    fn disarm(&mut self) -> Result<RunSummary, HalError>;

    /// Waits until `deadline` for the next rows, and fills `buffer` with them. The buffer comes back in
    /// the strip, or returns to its pool.
    ///
    /// # Errors
    /// By kind; loss is not an error.
    fn read(&mut self, buffer: StripBuffer, deadline: HostInstant) -> Result<ReadEvent, HalError>;

    /// A handle that wakes a blocked read, and a set-up that waits.
    fn interrupter(&self) -> Box<dyn Interrupter>;

    /// Told when nothing more is wanted of frame `frame` and of those before it: what followed from them was
    /// handed on. Also called after the run has ended, until the next one is armed. A board that keeps account of
    /// what was used, so that a restart repeats nothing, writes it down here.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn acknowledge(&mut self, _frame: u64) -> Result<(), HalError> {
        Ok(())
    }

    /// What was counted since the board was opened, by name: how often a link had to be repaired, for example.
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }

    /// How the clock of the device runs against the host's; `None` when they were not compared.
    fn clock_fit(&self) -> Option<ClockFit> {
        None
    }
}
