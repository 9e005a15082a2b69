//! The driver of boards against boards that do not keep to the protocol: it does not panic, it ends in time, it says
//! what is wrong, and rows are told once.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

#[path = "../emulated/mod.rs"]
mod emulated;
#[path = "../hostile/mod.rs"]
mod hostile;
mod interrupted;
mod opening;
mod restarted;
mod running;
mod scans;

use std::{sync::atomic::Ordering, time::Duration};

use crossbeam_channel::bounded;
use emulated::Emulated;
use hostile::{
    BOOT, Dice, FRAMES, GoodBoard, HEIGHT, Peer, STRIP, WIDTH, actual, block, capability, flood,
    header, record,
};
use senescope_hal::{
    Board, Clock, ErrorKind, HalError, HostInstant, ReadEvent, RunSummary, ScanRequest,
    StripBuffer, SystemClock,
    emulator::{Place, Port},
    serial::{SerialBoard, SerialConfig},
    wire::{ActualForm, CapabilityForm, RecordHeader},
};
use serde_json::{Value, json};

/// More than any of this takes, also on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(120);
/// Most that a driver may say for a person to read.
const SENTENCE: usize = 700;
/// Most events of a run.
const EVENTS: u64 = 300_000;

pub(crate) fn config(address: &str) -> SerialConfig {
    SerialConfig {
        patience: Duration::from_millis(300),
        reopen_for: Duration::from_millis(200),
        ..SerialConfig::at(address.parse().unwrap())
    }
}

pub(crate) fn open(peer: &Peer) -> Result<SerialBoard, HalError> {
    SerialBoard::open(config(&format!("tcp://{}", peer.address)))
}

pub(crate) fn request() -> ScanRequest {
    ScanRequest {
        width: Some(WIDTH),
        height: Some(HEIGHT),
        dwell_ns: Some(1000),
        strip_rows: Some(STRIP),
        frames: Some(FRAMES),
        pixel_size_um: Some(0.2),
        ..ScanRequest::default()
    }
}

/// The error is one for people, and came in time.
#[track_caller]
pub(crate) fn told(error: &HalError, since: HostInstant, kinds: &[ErrorKind]) {
    let text = error.to_string();
    assert!(kinds.contains(&error.kind()), "{:?}: {text}", error.kind());
    assert!(text.len() < SENTENCE, "{} bytes: {text:.300}", text.len());
    assert!(
        ["board", "scan"].iter().any(|word| text.contains(word)),
        "{text}"
    );
    let took = SystemClock.now().since(since);
    assert!(took < BOUND, "{took:?}: {text}");
}

#[track_caller]
pub(crate) fn open_fails(peer: &Peer, kinds: &[ErrorKind]) -> String {
    let since = SystemClock.now();
    let error = open(peer).err().expect("this is no board");
    told(&error, since, kinds);
    error.to_string()
}

/// What a run came to.
pub(crate) struct Told {
    pub(crate) summary: RunSummary,
    pub(crate) events: u64,
    pub(crate) end: Result<(), HalError>,
}

/// Runs a scan. Rows tile, and the totals are those of the events.
#[track_caller]
pub(crate) fn run(peer: &Peer) -> Result<Told, HalError> {
    run_on(&mut open(peer)?)
}

/// The same on a board that is open.
#[track_caller]
pub(crate) fn run_on(board: &mut SerialBoard) -> Result<Told, HalError> {
    let actual = board.configure(&request())?;
    board.arm()?;
    board.start()?;
    let height = u64::from(actual.height);
    let (mut given, mut delivered, mut events, mut strips) = (0, 0, 0, None);
    let since = SystemClock.now();
    let end = loop {
        assert!(events < EVENTS, "gaps without an end");
        let buffer = StripBuffer::detached(actual.strip_samples());
        let event = board.read(buffer, SystemClock.now().after(Duration::from_secs(1)));
        let (frame, first, rows) = match event {
            Ok(ReadEvent::Strip(strip)) => {
                let head = strip.header;
                assert!(strips < Some(head.sequence), "strips come in order");
                strips = Some(head.sequence);
                delivered += u64::from(head.rows);
                (head.frame, head.first_row, head.rows)
            }
            Ok(ReadEvent::Gap(gap)) => (gap.frame, gap.first_row, gap.rows),
            Ok(ReadEvent::Idle) => {
                assert!(
                    SystemClock.now().since(since) < BOUND,
                    "a run without an end"
                );
                continue;
            }
            Ok(ReadEvent::EndOfRun) => break Ok(()),
            Err(error) => {
                told(
                    &error,
                    since,
                    &[ErrorKind::Disconnected, ErrorKind::Malformed],
                );
                break Err(error);
            }
        };
        assert_eq!(frame * height + u64::from(first), given, "rows tile");
        assert!(rows > 0 && u64::from(first + rows) <= height);
        given += u64::from(rows);
        events += 1;
    };
    let summary = board.disarm()?;
    assert_eq!(
        (
            summary.rows_scanned,
            summary.rows_delivered,
            summary.rows_lost
        ),
        (given, delivered, given - delivered)
    );
    Ok(Told {
        summary,
        events,
        end,
    })
}

#[test]
fn the_good_board_of_these_tests_is_one() {
    let told = run(&Peer::spoilt(|_, good| good)).unwrap();
    told.end.unwrap();
    let rows = FRAMES * u64::from(HEIGHT);
    assert_eq!(told.summary.rows_delivered, rows);
    assert_eq!((told.summary.rows_lost, told.events), (0, 9));
}
