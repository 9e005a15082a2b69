//! The cases, each a law with the least that shows it.

use std::{collections::BTreeSet, sync::Arc, thread, time::Duration};

use super::{Backend, Case, Stop, Unplug, Verdict};
use crate::{
    Board, Clock, ErrorKind, Identity, ReadEvent, RunId, RunSummary, ScanActual, ScanRequest,
    Session, State, StripHeader, StripPool, SystemClock,
};

/// Memory for strips: enough that a run of the suite sheds nothing.
const POOL_BYTES: usize = 64 << 20;
/// Longest wait for one event of a healthy board.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time from an interruption, or from unplugging, to what must follow.
const PROMPT: Duration = Duration::from_secs(1);
/// Number of restarts.
const RESTARTS: usize = 100;

pub(super) const CASES: [Case; 9] = [
    ("identity is stable", identity_is_stable),
    (
        "what was achieved lies within the capabilities",
        achieved_within_capabilities,
    ),
    (
        "sequence is monotone and rows tile each frame",
        rows_tile_each_frame,
    ),
    ("stop and restart", stop_and_restart),
    ("the interrupter wakes a read", interrupter_wakes),
    (
        "totals are what was delivered and lost",
        totals_are_conserved,
    ),
    ("nothing follows the end of a run", nothing_after_the_end),
    ("dropping the board frees it", dropping_frees),
    (
        "unplugging gives Disconnected and does not spin",
        unplugging,
    ),
];

fn fail<T>(how: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Fail(how.into()))
}

fn ensure(holds: bool, how: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { fail(how()) }
}

/// What a run gave.
struct Record {
    run: RunId,
    strips: Vec<StripHeader>,
    /// Frame, first row and rows of all events in order.
    rows: Vec<(u64, u32, u32)>,
    delivered: u64,
    lost: u64,
    summary: RunSummary,
}

fn session(board: Box<dyn Board>, request: &ScanRequest) -> Result<(Session, ScanActual), Stop> {
    let mut session = Session::new(board, Arc::new(SystemClock), POOL_BYTES);
    let actual = session.configure(request)?;
    Ok((session, actual))
}

/// The next event that is not idle.
fn event(session: &mut Session) -> Result<ReadEvent, Stop> {
    let deadline = session.now().after(PATIENCE);
    loop {
        match session.read(deadline)? {
            ReadEvent::Idle if session.now() < deadline => {}
            ReadEvent::Idle => return fail(format!("no event within {PATIENCE:?}")),
            event => return Ok(event),
        }
    }
}

/// Runs the scan to its end.
fn record(session: &mut Session, actual: &ScanActual) -> Result<Record, Stop> {
    let run = session.arm()?;
    session.start()?;
    let mut record = Record {
        run,
        strips: Vec::new(),
        rows: Vec::new(),
        delivered: 0,
        lost: 0,
        summary: RunSummary::default(),
    };
    loop {
        match event(session)? {
            ReadEvent::Strip(strip) => {
                let header = strip.header;
                let samples = header.rows as usize * actual.channels.len() * actual.width as usize;
                ensure(strip.samples.len() == samples, || {
                    format!("{} samples where {samples} belong", strip.samples.len())
                })?;
                record.delivered += u64::from(header.rows);
                record
                    .rows
                    .push((header.frame, header.first_row, header.rows));
                record.strips.push(header);
            }
            ReadEvent::Gap(gap) => {
                record.lost += u64::from(gap.rows);
                record.rows.push((gap.frame, gap.first_row, gap.rows));
            }
            ReadEvent::EndOfRun => break,
            ReadEvent::Idle => {}
        }
    }
    record.summary = session.disarm()?;
    Ok(record)
}

fn identity_is_stable(backend: &dyn Backend) -> Verdict {
    let same =
        |a: &Identity, b: &Identity| ensure(a == b, || format!("it was {a:?} and became {b:?}"));
    let (mut session, actual) = session(backend.open()?, &backend.request())?;
    let first = session.identity()?;
    record(&mut session, &actual)?;
    same(&first, &session.identity()?)?;
    drop(session);
    same(&first, &backend.open()?.identity())
}

fn achieved_within_capabilities(backend: &dyn Backend) -> Verdict {
    let board = backend.open()?;
    let can = board.capabilities();
    let (_session, actual) = session(board, &backend.request())?;
    ensure(can.width.contains(&actual.width), || {
        format!("width {}", actual.width)
    })?;
    ensure(can.height.contains(&actual.height), || {
        format!("height {}", actual.height)
    })?;
    if let (Some(range), Some(dwell_ns)) = (&can.dwell_ns, actual.dwell_ns) {
        ensure(range.contains(&dwell_ns), || {
            format!("dwell of {dwell_ns} ns")
        })?;
    }
    let strip_rows = actual.strip_rows;
    ensure(
        can.strip_rows.contains(&strip_rows) && (1..=actual.height).contains(&strip_rows),
        || format!("{strip_rows} rows a strip"),
    )?;
    ensure(can.bidirectional || !actual.bidirectional, || {
        "it scans in both directions and says that it cannot".into()
    })?;
    ensure(
        actual.pixel_size_um > 0.0 && actual.pixel_size_um.is_finite(),
        || format!("pixels of {} µm", actual.pixel_size_um),
    )?;
    ensure(
        actual.clock_hz == can.clock_hz && actual.pacing == can.pacing,
        || "clock or pacing differ".into(),
    )?;
    let names: BTreeSet<_> = actual
        .channels
        .iter()
        .map(|channel| &channel.name)
        .collect();
    ensure(
        !names.is_empty() && names.len() == actual.channels.len(),
        || "channels are missing or named twice".into(),
    )?;
    for channel in &actual.channels {
        ensure(
            can.channels.iter().any(|known| known.name == channel.name),
            || format!("channel {} is not among the capabilities", channel.name),
        )?;
        ensure((1..=16).contains(&channel.bit_depth), || {
            format!("channel {} of {} bits", channel.name, channel.bit_depth)
        })?;
    }
    Ok(())
}

fn rows_tile_each_frame(backend: &dyn Backend) -> Verdict {
    let (mut session, actual) = session(backend.open()?, &backend.request())?;
    let record = record(&mut session, &actual)?;
    ensure(!record.strips.is_empty(), || "the run gave no strip".into())?;
    let mut ticks = 0;
    for (expected, header) in (0_u64..).zip(&record.strips) {
        let at = format!("frame {} row {}", header.frame, header.first_row);
        ensure(header.run == record.run, || {
            format!("{at}: another run's strip")
        })?;
        ensure(header.sequence == expected, || {
            format!(
                "{at}: sequence {} where {expected} belongs",
                header.sequence
            )
        })?;
        ensure(header.rows >= 1 && header.rows <= actual.strip_rows, || {
            format!(
                "{at}: {} rows in a strip of at most {}",
                header.rows, actual.strip_rows
            )
        })?;
        ensure(
            header.width == actual.width && header.channels.count() == actual.channels.len(),
            || format!("{at}: another width or other channels than configured"),
        )?;
        ensure(header.ticks_first_row >= ticks, || {
            format!("{at}: device time runs backwards")
        })?;
        ticks = header.ticks_first_row;
        let last = header.first_row + header.rows == actual.height;
        ensure(header.flags.last_of_frame == last, || {
            format!("{at}: last of frame is {}", header.flags.last_of_frame)
        })?;
    }
    let height = actual.height;
    let mut next = (0, 0);
    for (frame, first_row, rows) in record.rows {
        ensure((frame, first_row) == next, || {
            format!("frame {frame} row {first_row} where {next:?} belongs")
        })?;
        ensure(first_row + rows <= height, || {
            format!("rows beyond row {height}")
        })?;
        let after = first_row + rows;
        next = if after == height {
            (frame + 1, 0)
        } else {
            (frame, after)
        };
    }
    ensure(next.1 == 0 && next.0 > 0, || {
        format!("the last frame ends at row {}", next.1)
    })
}

fn stop_and_restart(backend: &dyn Backend) -> Verdict {
    let (mut session, _) = session(backend.open()?, &backend.request())?;
    let mut runs = BTreeSet::new();
    for restart in 0..RESTARTS {
        let run = session.arm()?;
        ensure(runs.insert(run), || {
            format!("run {restart} has the identity of another")
        })?;
        session.start()?;
        let mut over = matches!(event(&mut session)?, ReadEvent::EndOfRun);
        if session.state() == State::Running {
            session.stop()?;
        }
        while !over {
            over = matches!(event(&mut session)?, ReadEvent::EndOfRun);
        }
        let summary = session.disarm()?;
        ensure(
            summary.rows_scanned == summary.rows_delivered + summary.rows_lost,
            || format!("run {restart}: {summary:?} does not add up"),
        )?;
    }
    Ok(())
}

fn interrupter_wakes(backend: &dyn Backend) -> Verdict {
    let (board, request) = backend.slow().map_err(Stop::Skip)?;
    let (mut session, _) = session(board, &request)?;
    session.arm()?;
    session.start()?;
    let interrupter = session.interrupter()?;
    let clock = SystemClock;
    let (go, wait) = crossbeam_channel::bounded::<()>(1);
    let other = thread::spawn(move || {
        // Time for the read to begin; it must also be woken when it has not yet.
        let _ = wait.recv_timeout(Duration::from_millis(50));
        let at = clock.now();
        interrupter.interrupt();
        at
    });
    let result = session.read(clock.now().after(Duration::from_secs(10)));
    let woken = clock.now();
    drop(go);
    let Ok(interrupted) = other.join() else {
        return fail("the interrupter failed");
    };
    let event = result?;
    ensure(matches!(event, ReadEvent::Idle), || {
        format!("the read gave {event:?}")
    })?;
    let took = woken.since(interrupted);
    ensure(took < PROMPT, || format!("the read woke after {took:?}"))?;
    session.disarm()?;
    Ok(())
}

fn totals_are_conserved(backend: &dyn Backend) -> Verdict {
    let (mut session, actual) = session(backend.open()?, &backend.request())?;
    let record = record(&mut session, &actual)?;
    let frames: BTreeSet<u64> = record.rows.iter().map(|(frame, _, _)| *frame).collect();
    let expected = RunSummary {
        frames: frames.len() as u64,
        rows_scanned: record.delivered + record.lost,
        rows_delivered: record.delivered,
        rows_lost: record.lost,
    };
    ensure(record.summary == expected, || {
        format!("disarm says {:?} and {expected:?} was read", record.summary)
    })
}

fn nothing_after_the_end(backend: &dyn Backend) -> Verdict {
    // Without a session: it would not ask the board again.
    let mut board = backend.open()?;
    let actual = board.configure(&backend.request())?;
    let pool = StripPool::new(3, actual.strip_samples());
    board.arm()?;
    board.start()?;
    let mut ends = 0;
    let deadline = SystemClock.now().after(PATIENCE);
    while ends < 5 {
        let Some(buffer) = pool.take() else {
            return fail("the board kept its buffers");
        };
        let event = board.read(buffer, deadline)?;
        let end = matches!(event, ReadEvent::EndOfRun);
        ensure(end || ends == 0, || format!("{event:?} came after the end"))?;
        ensure(SystemClock.now() < deadline, || {
            "the run does not end".into()
        })?;
        ends += u32::from(end);
    }
    board.disarm()?;
    Ok(())
}

fn dropping_frees(backend: &dyn Backend) -> Verdict {
    for _ in 0..3 {
        let (mut session, _) = session(backend.open()?, &backend.request())?;
        session.arm()?;
        session.start()?;
        event(&mut session)?;
        drop(session);
    }
    Ok(())
}

fn unplugging(backend: &dyn Backend) -> Verdict {
    let Unplug {
        board,
        request,
        pull,
    } = backend.unplug().map_err(Stop::Skip)?;
    let (mut session, _) = session(board, &request)?;
    session.arm()?;
    session.start()?;
    event(&mut session)?;
    pull();
    let mut since = session.now();
    let error = loop {
        match session.read(session.now().after(PROMPT)) {
            Ok(ReadEvent::EndOfRun) => return fail("the run ended as if nothing had happened"),
            Ok(ReadEvent::Idle) => {}
            // What was on its way still comes.
            Ok(ReadEvent::Strip(_) | ReadEvent::Gap(_)) => since = session.now(),
            Err(error) => break error,
        }
        let waited = session.now().since(since);
        ensure(waited < 2 * PROMPT, || {
            format!("no error {waited:?} after unplugging")
        })?;
    };
    ensure(error.kind() == ErrorKind::Disconnected, || {
        format!("the error is {:?}: {error}", error.kind())
    })?;
    ensure(session.state() == State::Fault, || {
        format!("the session is {} and would read for ever", session.state())
    })?;
    match session.read(session.now()) {
        Err(error) if error.kind() == ErrorKind::State => Ok(()),
        other => fail(format!("a read of a lost board gave {other:?}")),
    }
}
