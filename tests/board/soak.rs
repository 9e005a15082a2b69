//! Ten thousand strips with every fault of a seeded schedule.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use senescope_hal::{Clock, HostInstant, ReadEvent, ScanRequest, SystemClock};

use crate::support::{Emulator, Truth};

const STRIPS: u64 = 10_000;
const ROWS: u32 = 64;
/// Frames of each run.
const FRAMES: u64 = 100;
/// From the end of a fault to the next row.
const RECOVERY: Duration = Duration::from_secs(2);

/// When the last fault ends, and how often each came.
#[derive(Default)]
struct Faults {
    over: HostInstant,
    stuck: u64,
    kinds: BTreeMap<String, u64>,
}

impl Faults {
    /// Takes a line of the emulator's log.
    fn note(&mut self, line: &str) {
        let Some((_, fault)) = line.rsplit_once("fault=") else {
            return;
        };
        let (kind, span) = fault.split_once('(').unwrap_or((fault, ""));
        let span = span.trim_end_matches(')');
        let ms = match (span.strip_suffix("ms"), span.strip_suffix('s')) {
            (Some(ms), _) => ms.parse().unwrap_or(0.0),
            (None, Some(s)) => s.parse::<f64>().unwrap_or(0.0) * 1e3,
            _ => 0.0,
        };
        self.over = SystemClock.now().after(Duration::from_secs_f64(ms * 1e-3));
        self.stuck += u64::from(kind == "Stuck");
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
    }
}

#[test]
fn ten_thousand_strips_with_every_fault_are_accounted_for() {
    let mut board = Emulator::on_pty(&["--fault-seed", "5", "--speed", "20", "--ring", "64"]);
    board.config.reopen_for = Duration::from_millis(800);
    let faults = Arc::new(Mutex::new(Faults::default()));
    let (log, noted) = (board.log(), Arc::clone(&faults));
    let reader = std::thread::spawn(move || log.for_each(|line| noted.lock().unwrap().note(&line)));
    let request = ScanRequest {
        width: Some(64),
        height: Some(ROWS),
        dwell_ns: Some(20_000),
        strip_rows: Some(4),
        frames: Some(FRAMES),
        ..ScanRequest::default()
    };
    let mut truth = None;
    let mut counters = BTreeMap::<&str, u64>::new();
    let (mut strips, mut stuck, mut runs, mut slowest) = (0, 0, 0, Duration::ZERO);
    while strips < STRIPS {
        let Ok(board) = senescope_hal::serial::SerialBoard::open(board.config.clone()) else {
            // Unplugged; it comes back.
            continue;
        };
        let mut session =
            senescope_hal::Session::new(Box::new(board), Arc::new(SystemClock), 64 << 20);
        let Ok(actual) = session.configure(&request) else {
            continue;
        };
        let truth = truth.get_or_insert_with(|| Truth::of(&actual));
        if session.arm().and_then(|_| session.start()).is_err() {
            continue;
        }
        runs += 1;
        let (mut next, mut delivered, mut lost, mut stopped, mut whole) =
            (0_u64, 0_u64, 0_u64, false, true);
        let mut last = session.now();
        loop {
            if strips >= STRIPS && !stopped {
                stopped = true;
                session.stop().unwrap();
            }
            let event = session.read(session.now().after(Duration::from_millis(50)));
            let now = session.now();
            let over = faults.lock().unwrap().over;
            // A wait counts from the end of the fault that caused it.
            slowest = slowest.max(now.since(last.max(over)));
            let (frame, first, rows) = match event {
                Ok(ReadEvent::Strip(strip)) => {
                    let expected = truth.samples(&strip.header);
                    if *strip.samples != *expected {
                        assert!(is_stuck(&strip.samples, &expected), "{:?}", strip.header);
                        stuck += 1;
                    }
                    strips += 1;
                    delivered += u64::from(strip.header.rows);
                    (
                        strip.header.frame,
                        strip.header.first_row,
                        strip.header.rows,
                    )
                }
                Ok(ReadEvent::Gap(gap)) => {
                    lost += u64::from(gap.rows);
                    (gap.frame, gap.first_row, gap.rows)
                }
                Ok(ReadEvent::Idle) => continue,
                Ok(ReadEvent::EndOfRun) => break,
                Err(_) => {
                    whole = false;
                    break;
                }
            };
            last = now;
            // Rows tile the frames, whatever happens.
            assert_eq!(frame * u64::from(ROWS) + u64::from(first), next);
            next += u64::from(rows);
        }
        let summary = session.disarm().unwrap();
        assert_eq!(
            (summary.rows_delivered, summary.rows_lost),
            (delivered, lost)
        );
        assert_eq!(summary.rows_scanned, next);
        for (name, count) in session.counters() {
            *counters.entry(name).or_default() += count;
        }
        if whole && !stopped {
            assert_eq!(next, FRAMES * u64::from(ROWS));
        }
    }
    board.kill();
    reader.join().unwrap();
    let faults = faults.lock().unwrap();
    println!(
        "{strips} strips in {runs} runs, slowest recovery {slowest:?}\n{:?}\n{counters:?}",
        faults.kinds
    );
    assert_eq!(faults.kinds.len(), 13, "{:?}", faults.kinds);
    assert!(
        stuck <= faults.stuck,
        "{stuck} strips were stuck, {} should",
        faults.stuck
    );
    for step in [
        "garbled",
        "silent",
        "gone",
        "discarded",
        "cleared",
        "fetched_again",
        "resumed",
        "strips_given_up",
        "strips_late",
        "restarts",
        "runs_given_up",
    ] {
        assert!(counters[step] > 0, "{step} was never needed: {counters:?}");
    }
    assert!(
        slowest < RECOVERY,
        "{slowest:?} from the end of a fault to the next row"
    );
}

/// The first channel is at one value, and the others are right.
fn is_stuck(samples: &[u16], expected: &[u16]) -> bool {
    let lines = || samples.chunks(64).zip(expected.chunks(64)).enumerate();
    lines().all(|(index, (found, expected))| {
        if index % 3 == 0 {
            found.iter().all(|sample| *sample == found[0])
        } else {
            found == expected
        }
    })
}
