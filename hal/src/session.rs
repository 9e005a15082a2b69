//! The one state machine. A call in the wrong state never reaches the backend.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    Board, Capabilities, ChannelMask, Clock, ErrorKind, Gap, GapCause, HalError, HostInstant,
    Identity, Interrupter, Pacing, ReadEvent, Recovery, RunId, RunSummary, ScanActual, ScanRequest,
    Strip, StripPool, serial::ClockFit,
};

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The board is given up; only a new session opens it again.
    Closed,
    /// Open, no scan is set up.
    Open,
    /// A scan is set up.
    Configured,
    /// A run is prepared.
    Armed,
    /// Scanning.
    Running,
    /// Told to stop, or at its end; what was scanned is still being read.
    Stopping,
    /// The device failed; disarm or close.
    Fault,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Configured => "configured",
            Self::Armed => "armed",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Fault => "at fault",
        })
    }
}

/// Fewest buffers of a pool: one being filled, one being read, one waiting.
const MIN_BUFFERS: usize = 3;
/// Most buffers of a pool: more would only delay the news that the host is too slow.
const MAX_BUFFERS: usize = 4096;

struct Buffers {
    pool: StripPool,
    /// Takes the strips of a live board when the pool is exhausted, to be told as gaps.
    overflow: StripPool,
}

/// A board with its buffers, driven by one thread.
pub struct Session {
    board: Option<Box<dyn Board>>,
    clock: Arc<dyn Clock>,
    state: State,
    pool_bytes: usize,
    buffers: Option<Buffers>,
    scan: Option<ScanActual>,
    ended: bool,
    shed_rows: u64,
    /// The frame of which a strip had to be shed: what follows of it is shed too.
    shed_frame: Option<u64>,
}

impl Session {
    /// Opens a session on `board` with about `pool_bytes` of strip buffers (never fewer than three
    /// strips).
    pub fn new(board: Box<dyn Board>, clock: Arc<dyn Clock>, pool_bytes: usize) -> Self {
        Self {
            board: Some(board),
            clock,
            state: State::Open,
            pool_bytes,
            buffers: None,
            scan: None,
            ended: false,
            shed_rows: 0,
            shed_frame: None,
        }
    }

    /// Where the session is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Who the board is.
    ///
    /// # Errors
    /// When the session is closed.
    pub fn identity(&self) -> Result<Identity, HalError> {
        self.open_board("say who it is").map(Board::identity)
    }

    /// What the board can do.
    ///
    /// # Errors
    /// When the session is closed.
    pub fn capabilities(&self) -> Result<Capabilities, HalError> {
        self.open_board("say what it can do")
            .map(Board::capabilities)
    }

    /// A handle that wakes a blocked read, and a set-up that waits.
    ///
    /// # Errors
    /// When the session is closed.
    pub fn interrupter(&self) -> Result<Box<dyn Interrupter>, HalError> {
        self.open_board("be interrupted").map(Board::interrupter)
    }

    /// Sets up a scan, makes its buffers, and says what was achieved.
    ///
    /// # Errors
    /// When the state is not `Open` or `Configured`, or the board refuses. The state is then as before.
    pub fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        let board = self.board_in("configure", &[State::Open, State::Configured])?;
        let actual = board.configure(want)?;
        let samples = actual.strip_samples();
        let bytes = samples.saturating_mul(size_of::<u16>()).max(1);
        if bytes.saturating_mul(MIN_BUFFERS) > self.pool_bytes {
            return Err(HalError::new(
                ErrorKind::Request,
                format!(
                    "a strip of {} rows × {} channels × {} samples takes {bytes} bytes, and {MIN_BUFFERS} of them \
                     do not fit into the {} bytes of strip buffers; ask for fewer rows a strip",
                    actual.strip_rows,
                    actual.channels.len(),
                    actual.width,
                    self.pool_bytes
                ),
            ));
        }
        let count = (self.pool_bytes / bytes).min(MAX_BUFFERS);
        self.buffers = Some(Buffers {
            pool: StripPool::new(count, samples),
            overflow: StripPool::new(1, samples),
        });
        self.scan = Some(actual.clone());
        self.state = State::Configured;
        Ok(actual)
    }

    /// Prepares a run.
    ///
    /// # Errors
    /// When the state is not `Configured`, or the board fails. Errors whose recovery is a retry leave the state as it
    /// is.
    pub fn arm(&mut self) -> Result<RunId, HalError> {
        let result = self.board_in("arm", &[State::Configured])?.arm();
        if let Err(error) = &result
            && error.recovery() == Recovery::Retry
        {
            return result;
        }
        self.after(result, State::Armed)
    }

    /// Starts scanning.
    ///
    /// # Errors
    /// When the state is not `Armed`, or the board fails.
    pub fn start(&mut self) -> Result<(), HalError> {
        let result = self.board_in("start", &[State::Armed])?.start();
        self.ended = false;
        self.shed_rows = 0;
        self.shed_frame = None;
        self.after(result, State::Running)
    }

    /// Asks the scan to stop; go on reading until `EndOfRun`.
    ///
    /// # Errors
    /// When the state is not `Running`, or the board fails.
    pub fn stop(&mut self) -> Result<(), HalError> {
        let result = self.board_in("stop", &[State::Running])?.stop();
        self.after(result, State::Stopping)
    }

    /// Waits until `deadline` for the next event.
    ///
    /// A live board is never kept waiting: without a free buffer its strip becomes a [`Gap`] with cause
    /// [`GapCause::HostBackPressure`]. A source that is pulled waits for a buffer instead.
    ///
    /// # Errors
    /// When nothing runs, or the board fails. Errors whose recovery is a retry leave the state as it is.
    pub fn read(&mut self, deadline: HostInstant) -> Result<ReadEvent, HalError> {
        self.require("read", &[State::Running, State::Stopping])?;
        if self.ended {
            return Ok(ReadEvent::EndOfRun);
        }
        let (Some(buffers), Some(scan)) = (&self.buffers, &self.scan) else {
            return Err(HalError::wrong_state("read", self.state));
        };
        let (pool, overflow) = (&buffers.pool, &buffers.overflow);
        let (buffer, overflowing) = match scan.pacing {
            Pacing::Pulled => (pool.take_until(deadline), false),
            Pacing::Live => match pool.take() {
                Some(buffer) => (Some(buffer), false),
                None => (overflow.take(), true),
            },
        };
        let Some(buffer) = buffer else {
            return Ok(ReadEvent::Idle);
        };
        let board = self.board_in("read", &[State::Running, State::Stopping])?;
        let event = board
            .read(buffer, deadline)
            .and_then(|event| self.checked(event));
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                if error.recovery() != Recovery::Retry {
                    self.state = State::Fault;
                }
                return Err(error);
            }
        };
        Ok(match event {
            ReadEvent::Strip(Strip { header, .. })
                if overflowing || self.shed_frame == Some(header.frame) =>
            {
                // Half a frame is worth little: its cells would be cut. The next one begins anew.
                self.shed_frame = Some(header.frame);
                self.shed_rows += u64::from(header.rows);
                ReadEvent::Gap(Gap {
                    frame: header.frame,
                    field: header.field,
                    first_row: header.first_row,
                    rows: header.rows,
                    cause: GapCause::HostBackPressure,
                })
            }
            ReadEvent::EndOfRun => {
                self.ended = true;
                self.state = State::Stopping;
                ReadEvent::EndOfRun
            }
            other => other,
        })
    }

    /// Refuses rows that do not lie in the scan: everything behind relies on it.
    fn checked(&self, event: ReadEvent) -> Result<ReadEvent, HalError> {
        let Some(scan) = &self.scan else {
            return Ok(event);
        };
        let inside = |frame: u64, first: u32, rows: u32| {
            frame < u64::MAX
                && rows > 0
                && first
                    .checked_add(rows)
                    .is_some_and(|end| end <= scan.height)
        };
        let fits = match &event {
            ReadEvent::Strip(Strip { header, samples }) => {
                let channels = header.channels.count();
                inside(header.frame, header.first_row, header.rows)
                    && header.width == scan.width
                    && channels > 0
                    && ChannelMask::all(scan.channels.len()).0 | header.channels.0
                        == ChannelMask::all(scan.channels.len()).0
                    && samples.len() == header.rows as usize * channels * scan.width as usize
            }
            ReadEvent::Gap(gap) => inside(gap.frame, gap.first_row, gap.rows),
            ReadEvent::Idle | ReadEvent::EndOfRun => true,
        };
        if fits {
            return Ok(event);
        }
        Err(HalError::new(
            ErrorKind::Malformed,
            "the board sent rows of another geometry than the scan that it had confirmed",
        ))
    }

    /// Ends the run and gives its totals, with what this host had to shed counted as lost.
    ///
    /// # Errors
    /// When no run is prepared, or the board fails.
    pub fn disarm(&mut self) -> Result<RunSummary, HalError> {
        let result = self
            .board_in(
                "disarm",
                &[State::Armed, State::Running, State::Stopping, State::Fault],
            )?
            .disarm();
        let shed = std::mem::take(&mut self.shed_rows);
        self.after(result, State::Configured)
            .map(|summary| RunSummary {
                rows_delivered: summary.rows_delivered.saturating_sub(shed),
                rows_lost: summary.rows_lost + shed,
                ..summary
            })
    }

    /// Tells the board that nothing more is wanted of `frame` and of those before it.
    ///
    /// # Errors
    /// When the session is closed, or the board cannot write it down.
    pub fn acknowledge(&mut self, frame: u64) -> Result<(), HalError> {
        let state = self.state;
        self.board
            .as_deref_mut()
            .ok_or_else(|| HalError::wrong_state("take an acknowledgement", state))?
            .acknowledge(frame)
    }

    /// What the board has counted, by name; nothing when the session is closed.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.board
            .as_deref()
            .map(Board::counters)
            .unwrap_or_default()
    }

    /// How the clock of the device runs against the host's; `None` when they were not compared.
    pub fn clock_fit(&self) -> Option<ClockFit> {
        self.board.as_deref().and_then(Board::clock_fit)
    }

    /// Gives the board up: its port or file is free when this returns.
    pub fn close(&mut self) {
        self.board = None;
        self.buffers = None;
        self.state = State::Closed;
    }

    /// Host time, from the clock of this session.
    pub fn now(&self) -> HostInstant {
        self.clock.now()
    }

    fn open_board(&self, call: &'static str) -> Result<&dyn Board, HalError> {
        self.board
            .as_deref()
            .ok_or_else(|| HalError::wrong_state(call, self.state))
    }

    fn require(&self, call: &'static str, allowed: &[State]) -> Result<(), HalError> {
        if allowed.contains(&self.state) {
            Ok(())
        } else {
            Err(HalError::wrong_state(call, self.state))
        }
    }

    fn board_in(
        &mut self,
        call: &'static str,
        allowed: &[State],
    ) -> Result<&mut (dyn Board + 'static), HalError> {
        self.require(call, allowed)?;
        self.board
            .as_deref_mut()
            .ok_or_else(|| HalError::wrong_state(call, State::Closed))
    }

    fn after<T>(&mut self, result: Result<T, HalError>, next: State) -> Result<T, HalError> {
        self.state = match &result {
            Ok(_) => next,
            Err(_) => State::Fault,
        };
        result
    }
}

#[cfg(test)]
mod tests;
