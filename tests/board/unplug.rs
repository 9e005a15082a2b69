//! A board whose plug is pulled in a run, and put back.

use std::time::Duration;

use senescope_hal::{ErrorKind, GapCause, HalError, ReadEvent, RunSummary, ScanRequest, Session};

use crate::support::{Emulator, Truth};

fn small() -> ScanRequest {
    ScanRequest {
        width: Some(64),
        height: Some(64),
        dwell_ns: Some(10_000),
        strip_rows: Some(4),
        ..ScanRequest::default()
    }
}

/// What a run gave: rows as strips, rows as gaps by cause, and how it ended.
struct Ended {
    delivered: u64,
    gaps: Vec<(GapCause, u64)>,
    error: Option<HalError>,
    summary: RunSummary,
    counters: std::collections::BTreeMap<&'static str, u64>,
}

/// Reads until `strips` strips have come, then stops; calls `at` with the number of the strip before each read.
fn run(session: &mut Session, strips: u64, mut at: impl FnMut(u64)) -> Ended {
    let actual = session.configure(&small()).unwrap();
    let truth = Truth::of(&actual);
    session.arm().unwrap();
    session.start().unwrap();
    let (mut came, mut delivered, mut gaps, mut error, mut stopped) =
        (0, 0, Vec::new(), None, false);
    loop {
        if came == strips && !stopped {
            session.stop().unwrap();
            stopped = true;
        }
        at(came);
        match session.read(session.now().after(Duration::from_millis(100))) {
            Ok(ReadEvent::Strip(strip)) => {
                assert!(*strip.samples == *truth.samples(&strip.header));
                came += 1;
                delivered += u64::from(strip.header.rows);
            }
            Ok(ReadEvent::Gap(gap)) => gaps.push((gap.cause, u64::from(gap.rows))),
            Ok(ReadEvent::Idle) => {}
            Ok(ReadEvent::EndOfRun) => break,
            Err(failed) => {
                error = Some(failed);
                break;
            }
        }
    }
    Ended {
        delivered,
        gaps,
        error,
        summary: session.disarm().unwrap(),
        counters: session.counters(),
    }
}

fn conserved(ended: &Ended) {
    let lost: u64 = ended.gaps.iter().map(|(_, rows)| rows).sum();
    assert_eq!(ended.summary.rows_delivered, ended.delivered);
    assert_eq!(ended.summary.rows_lost, lost);
    assert_eq!(ended.summary.rows_scanned, ended.delivered + lost);
}

#[test]
fn the_same_boot_goes_on_and_what_the_ring_lost_is_told() {
    // A ring of 8 strips lasts for a small part of the time without a link.
    let board = Emulator::on_pty(&["--ring", "8"]);
    board.fault("UNPL,700");
    let mut session = board.session();
    let ended = run(&mut session, 200, |_| {});
    conserved(&ended);
    assert!(ended.error.is_none());
    // So small a ring also overflows when this host is busy, and that is told as what it is.
    use GapCause::{HostBackPressure, Link};
    let causes = || ended.gaps.iter().map(|(cause, _)| *cause);
    assert!(causes().any(|cause| cause == Link), "{:?}", ended.gaps);
    assert!(
        causes().all(|cause| matches!(cause, Link | HostBackPressure)),
        "{:?}",
        ended.gaps
    );
    assert_eq!(
        (ended.counters["resumed"], ended.counters["restarts"]),
        (1, 0)
    );
    assert!(ended.counters["strips_late"] > 0);
}

#[test]
fn a_new_boot_ends_the_run_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("board");
    let place = place.to_str().unwrap();
    let mut first = Some(Emulator::at(place, &["--boot", "1"]));
    let mut session = first.as_ref().unwrap().session();
    let mut second = None;
    let ended = run(&mut session, 1_000_000, |came| {
        if came == 20 && first.take().is_some() {
            second = Some(Emulator::at(place, &["--boot", "2"]));
        }
    });
    conserved(&ended);
    let error = ended.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert!(error.to_string().contains("has restarted"), "{error}");
    assert!(
        ended
            .gaps
            .iter()
            .all(|(cause, _)| *cause == GapCause::DeviceReset),
        "{:?}",
        ended.gaps
    );
    assert_eq!(ended.counters["restarts"], 1);
    // The frame that had begun was told to its end.
    assert_eq!(ended.summary.rows_scanned % 64, 0);
}

#[test]
fn a_board_that_stays_away_is_given_up_and_waiting_for_it_costs_nothing() {
    let mut board = Emulator::on_pty(&[]);
    board.config.reopen_for = Duration::from_secs(3);
    let mut session = board.session();
    let mut gone = None;
    let ended = run(&mut session, 1_000_000, |came| {
        if came == 20 && gone.is_none() {
            board.kill();
            gone = Some((session_now(), cpu_ms()));
        }
    });
    let (at, cpu) = gone.unwrap();
    let (waited, used) = (session_now() - at, cpu_ms() - cpu);
    conserved(&ended);
    assert!(
        ended
            .error
            .unwrap()
            .to_string()
            .contains("did not come back")
    );
    assert!(waited >= 3000, "{waited} ms");
    assert!(used * 5 < waited, "{used} ms of work in {waited} ms");
    assert!(
        ended.gaps.iter().all(|(cause, _)| *cause == GapCause::Link),
        "{:?}",
        ended.gaps
    );
}

fn session_now() -> u64 {
    use senescope_hal::Clock;
    senescope_hal::SystemClock.now().0 / 1_000_000
}

/// Time that the processor has spent on this thread, in ms.
fn cpu_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The name may contain anything; what follows it is counted from its end (proc(5)): utime and stime.
    let fields: Vec<_> = text
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // USER_HZ is 100 on every Linux that this runs on.
    ticks * 10
}
