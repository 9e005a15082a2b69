//! The board's thread: reads strips and hands them on, until the run ends or is asked to stop.

use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use crossbeam_channel::Sender;
use senescope_hal::{
    ErrorKind, Gap, HalError, HostInstant, Pacing, ReadEvent, Recovery, RunSummary, Session, State,
    Strip,
};

use super::{BoardReport, Monitor};
use crate::control::Stop;

/// What reaches the analysis.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Rows that came.
    Strip(Strip),
    /// Rows that will not come.
    Gap(Gap),
}

/// How the acquisition ended.
#[derive(Debug)]
pub(crate) struct Acquired {
    /// The board's totals; `None` when it could not even say that.
    pub(crate) summary: Option<RunSummary>,
    /// Why it ended early.
    pub(crate) error: Option<HalError>,
    /// It was asked to stop.
    pub(crate) stopped: bool,
}

/// How long a read waits before the thread looks around. A read is woken earlier by a stop.
const READ_SPAN: Duration = Duration::from_millis(200);
/// How often the board is asked what it counts.
const REPORT_SPAN: Duration = Duration::from_millis(500);
/// How long a board may take to end its run after a stop.
const DRAIN_SPAN: Duration = Duration::from_secs(30);
/// How often a failed exchange is repeated before the run is given up.
const RETRIES: u32 = 3;

/// Runs an armed session to its end.
///
/// A live board never waits here: the pool of the session is smaller than `rows`, so sending blocks
/// only for a source that is pulled.
///
/// `monitor` is told how many frames of `height` rows have come, and what the board counts; the board is told which
/// frames are done with. `scanning` is called when it scans.
pub(crate) fn acquire(
    session: &mut Session,
    rows: &Sender<Rows>,
    stop: &Stop,
    monitor: &Monitor,
    height: u32,
    scanning: &dyn Fn(),
) -> Acquired {
    // Asked before it began: nothing is scanned.
    let mut stopped = stop.asked();
    let mut pending: Option<Gap> = None;
    let mut error = None;
    let mut drained_by = None;
    let mut retries = 0;
    let mut account = Account::default();
    let pulled = session
        .capabilities()
        .is_ok_and(|can| can.pacing == Pacing::Pulled);
    if !stopped {
        error = session.start().err();
        if error.is_none() {
            scanning();
        }
    }
    while error.is_none() && session.state() != State::Armed {
        if stop.asked() && session.state() == State::Running {
            stopped = true;
            drained_by = Some(session.now().after(DRAIN_SPAN));
            error = session.stop().err();
            continue;
        }
        if drained_by.is_some_and(|deadline| session.now() > deadline) {
            error = Some(HalError::new(
                ErrorKind::Disconnected,
                format!(
                    "the board did not end the run within {} s of a stop",
                    DRAIN_SPAN.as_secs()
                ),
            ));
            break;
        }
        account.keep(session, monitor);
        let deadline = session.now().after(READ_SPAN);
        let event = match session.read(deadline) {
            Ok(event) => event,
            Err(failed) if failed.recovery() == Recovery::Retry && retries < RETRIES => {
                retries += 1;
                tracing::warn!(error = %failed, retries, "a strip could not be read, reading it again");
                continue;
            }
            Err(failed) => {
                error = Some(failed);
                break;
            }
        };
        retries = 0;
        if pulled && drained_by.is_some() {
            // It ends when all that it gives is taken, however long that takes.
            drained_by = Some(session.now().after(DRAIN_SPAN));
        }
        if let Some((frame, end)) = reach(&event) {
            monitor.frames_received.fetch_max(
                frame.saturating_add(u64::from(end >= height)),
                Ordering::Relaxed,
            );
        }
        let sent = match event {
            ReadEvent::Strip(strip) => {
                let rows_of_strip = u64::from(strip.header.rows);
                monitor
                    .rows_sent
                    .fetch_add(rows_of_strip, Ordering::Relaxed);
                flush(&mut pending, rows) && rows.send(Rows::Strip(strip)).is_ok()
            }
            ReadEvent::Gap(gap) => {
                if pending.as_mut().is_some_and(|before| before.extend(&gap)) {
                    true
                } else {
                    let flushed = flush(&mut pending, rows);
                    pending = Some(gap);
                    flushed
                }
            }
            ReadEvent::Idle => flush(&mut pending, rows),
            ReadEvent::EndOfRun => break,
        };
        if !sent {
            // The analysis is gone, which is told by its own result.
            break;
        }
    }
    // As above: a lost receiver is told by its own result.
    flush(&mut pending, rows);
    report(session, monitor);
    Acquired {
        summary: session.disarm().ok(),
        error,
        stopped,
    }
}

/// What the board was told and has told, so far.
#[derive(Default)]
struct Account {
    acknowledged: u64,
    reported: HostInstant,
}

impl Account {
    fn keep(&mut self, session: &mut Session, monitor: &Monitor) {
        let done = monitor.frames_done();
        if done > self.acknowledged {
            self.acknowledged = done;
            acknowledge(session, done);
        }
        if session.now().since(self.reported) > REPORT_SPAN {
            self.reported = session.now();
            report(session, monitor);
        }
    }
}

fn report(session: &Session, monitor: &Monitor) {
    let report = BoardReport::of(session);
    *monitor.board.lock().unwrap_or_else(PoisonError::into_inner) = report;
}

/// Tells the board that the first `frames` frames are done with.
pub(crate) fn acknowledge(session: &mut Session, frames: u64) {
    let Some(last) = frames.checked_sub(1) else {
        return;
    };
    if let Err(error) = session.acknowledge(last) {
        // The run goes on: the frames may come again after a restart, and none is missed.
        tracing::error!(%error, "it cannot be written down which frames were used");
    }
}

/// The frame of an event with rows, and the row after its last.
fn reach(event: &ReadEvent) -> Option<(u64, u32)> {
    let (frame, first, rows) = match event {
        ReadEvent::Strip(Strip { header, .. }) => (header.frame, header.first_row, header.rows),
        ReadEvent::Gap(gap) => (gap.frame, gap.first_row, gap.rows),
        ReadEvent::Idle | ReadEvent::EndOfRun => return None,
    };
    Some((frame, first.saturating_add(rows)))
}

/// Sends the gap that was held back. Gaps are held back to be joined, so that a host that sheds every
/// strip of a frame sends one message and not one a strip.
/// Says whether the analysis is still there.
fn flush(pending: &mut Option<Gap>, rows: &Sender<Rows>) -> bool {
    pending
        .take()
        .is_none_or(|gap| rows.send(Rows::Gap(gap)).is_ok())
}
