//! The board's thread: reads strips and hands them on, until the run ends or is asked to stop.

use std::time::Duration;

use crossbeam_channel::Sender;
use senescope_hal::{Gap, HalError, ReadEvent, Recovery, RunSummary, Session, State, Strip};

use super::Stop;

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
/// How often a failed exchange is repeated before the run is given up.
const RETRIES: u32 = 3;

/// Runs an armed session to its end.
///
/// A live board never waits here: the pool of the session is smaller than `rows`, so sending blocks
/// only for a source that is pulled.
pub(crate) fn acquire(session: &mut Session, rows: &Sender<Rows>, stop: &Stop) -> Acquired {
    let mut stopped = false;
    let mut pending: Option<Gap> = None;
    let mut error = session.start().err();
    let mut retries = 0;
    while error.is_none() {
        if stop.asked() && session.state() == State::Running {
            stopped = true;
            error = session.stop().err();
            continue;
        }
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
        let sent = match event {
            ReadEvent::Strip(strip) => {
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
    Acquired {
        summary: session.disarm().ok(),
        error,
        stopped,
    }
}

/// Sends the gap that was held back. Gaps are held back to be joined, so that a host that sheds every
/// strip of a frame sends one message and not one a strip.
/// Says whether the analysis is still there.
fn flush(pending: &mut Option<Gap>, rows: &Sender<Rows>) -> bool {
    pending
        .take()
        .is_none_or(|gap| rows.send(Rows::Gap(gap)).is_ok())
}
