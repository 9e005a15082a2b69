//! The one state machine. A call in the wrong state never reaches the backend.

use std::{fmt, sync::Arc};

use crate::{
    Board, Capabilities, Clock, ErrorKind, Gap, GapCause, HalError, HostInstant, Identity,
    Interrupter, Pacing, ReadEvent, Recovery, RunId, RunSummary, ScanActual, ScanRequest, Strip,
    StripPool,
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
    pacing: Pacing,
    ended: bool,
    shed_rows: u64,
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
            pacing: Pacing::Live,
            ended: false,
            shed_rows: 0,
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

    /// A handle that wakes a blocked read.
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
        self.pacing = actual.pacing;
        self.state = State::Configured;
        Ok(actual)
    }

    /// Prepares a run.
    ///
    /// # Errors
    /// When the state is not `Configured`, or the board fails.
    pub fn arm(&mut self) -> Result<RunId, HalError> {
        let result = self.board_in("arm", &[State::Configured])?.arm();
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
        let Some(buffers) = &self.buffers else {
            return Err(HalError::wrong_state("read", self.state));
        };
        let free = match self.pacing {
            Pacing::Live => buffers.pool.take(),
            Pacing::Pulled => buffers.pool.take_until(deadline),
        };
        let (buffer, overflowing) = match (free, self.pacing) {
            (Some(buffer), _) => (buffer, false),
            (None, Pacing::Pulled) => return Ok(ReadEvent::Idle),
            (None, Pacing::Live) => match buffers.overflow.take() {
                Some(buffer) => (buffer, true),
                None => return Ok(ReadEvent::Idle),
            },
        };
        let board = self.board_in("read", &[State::Running, State::Stopping])?;
        let event = match board.read(buffer, deadline) {
            Ok(event) => event,
            Err(error) => {
                if error.recovery() != Recovery::Retry {
                    self.state = State::Fault;
                }
                return Err(error);
            }
        };
        Ok(match event {
            ReadEvent::Strip(Strip { header, .. }) if overflowing => {
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{ChannelInfo, ChannelName, StripBuffer, SystemClock};

    /// Counts the calls that reach it.
    struct Probe(Arc<AtomicUsize>);

    impl Probe {
        fn hit(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct NoInterrupt;

    impl Interrupter for NoInterrupt {
        fn interrupt(&self) {}
        fn clone_box(&self) -> Box<dyn Interrupter> {
            Box::new(Self)
        }
    }

    impl Board for Probe {
        fn identity(&self) -> Identity {
            unreachable!("not part of the table")
        }
        fn capabilities(&self) -> Capabilities {
            unreachable!("not part of the table")
        }
        fn configure(&mut self, _: &ScanRequest) -> Result<ScanActual, HalError> {
            self.hit();
            Ok(ScanActual {
                width: 4,
                height: 4,
                pixel_size_um: 0.2,
                dwell_ns: None,
                line_period_ns: None,
                bidirectional: false,
                strip_rows: 1,
                channels: vec![ChannelInfo::counts(ChannelName::srs(), 16)],
                clock_hz: 1,
                frames: None,
                pacing: Pacing::Live,
            })
        }
        fn arm(&mut self) -> Result<RunId, HalError> {
            self.hit();
            Ok(RunId::from_bits(1))
        }
        fn start(&mut self) -> Result<(), HalError> {
            self.hit();
            Ok(())
        }
        fn stop(&mut self) -> Result<(), HalError> {
            self.hit();
            Ok(())
        }
        fn disarm(&mut self) -> Result<RunSummary, HalError> {
            self.hit();
            Ok(RunSummary::default())
        }
        fn read(&mut self, _: StripBuffer, _: HostInstant) -> Result<ReadEvent, HalError> {
            self.hit();
            Ok(ReadEvent::Idle)
        }
        fn interrupter(&self) -> Box<dyn Interrupter> {
            Box::new(NoInterrupt)
        }
    }

    const STATES: [State; 7] = [
        State::Closed,
        State::Open,
        State::Configured,
        State::Armed,
        State::Running,
        State::Stopping,
        State::Fault,
    ];

    type Call = fn(&mut Session) -> Result<(), HalError>;
    type Row = (&'static str, Call, &'static [(State, State)]);

    #[test]
    fn every_state_times_every_call() {
        use State::*;
        let calls: [Row; 6] = [
            (
                "configure",
                |s| s.configure(&ScanRequest::default()).map(drop),
                &[(Open, Configured), (Configured, Configured)],
            ),
            ("arm", |s| s.arm().map(drop), &[(Configured, Armed)]),
            ("start", Session::start, &[(Armed, Running)]),
            ("stop", Session::stop, &[(Running, Stopping)]),
            (
                "read",
                |s| s.read(HostInstant(0)).map(drop),
                &[(Running, Running), (Stopping, Stopping)],
            ),
            (
                "disarm",
                |s| s.disarm().map(drop),
                &[
                    (Armed, Configured),
                    (Running, Configured),
                    (Stopping, Configured),
                    (Fault, Configured),
                ],
            ),
        ];
        for (name, call, allowed) in calls {
            for state in STATES {
                let hits = Arc::new(AtomicUsize::new(0));
                let mut session = Session::new(
                    Box::new(Probe(hits.clone())),
                    Arc::new(SystemClock),
                    1 << 16,
                );
                session.configure(&ScanRequest::default()).unwrap();
                if state == Closed {
                    session.close();
                }
                session.state = state;
                let before = hits.load(Ordering::Relaxed);
                let result = call(&mut session);
                let reached = hits.load(Ordering::Relaxed) - before;
                match allowed.iter().find(|(from, _)| *from == state) {
                    Some((_, to)) => {
                        assert!(result.is_ok(), "{name} in {state}");
                        assert_eq!((session.state(), reached), (*to, 1), "{name} in {state}");
                    }
                    None => {
                        assert_eq!(
                            result.unwrap_err().kind(),
                            ErrorKind::State,
                            "{name} in {state}"
                        );
                        assert_eq!((session.state(), reached), (state, 0), "{name} in {state}");
                    }
                }
            }
        }
    }
}
