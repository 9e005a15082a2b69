//! The driver against `tests/peers/board.py`, a board that was written from the specification alone: every sample is
//! compared with the pattern that the board documents.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

mod python;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use python::python;
use senescope_hal::{
    ErrorKind, Gap, GapCause, HalError, Pacing, ReadEvent, ScanActual, ScanRequest, Session, State,
    Strip, SystemClock,
    serial::{Address, SerialBoard, SerialConfig},
};

const SEED: u64 = 0x1234_5678_9abc_def1;
const CHANNELS: [&str; 3] = ["SRS", "TPEF", "TRANS"];
const STRIP_ROWS: u32 = 5;
/// Strips that the board keeps when they are not faster than its waits.
const RING: u64 = 64;

/// The board in a process of its own, ended when it is dropped.
struct Peer {
    process: Child,
    folder: tempfile::TempDir,
}

impl Peer {
    /// A board with these moods; `None` without a Python.
    fn start(moods: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/board.py");
        let mut process = Command::new(python()?)
            .arg(script)
            .arg(folder.path().join("board"))
            .args(["--serial", "PB-7", "--seed", &SEED.to_string()])
            .args(moods)
            // It serves until this is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        let peer = Self { process, folder };
        assert!(said.starts_with("ready "), "the board says {said:?}");
        Some(peer)
    }

    fn session(&self) -> Session {
        let address = Address::Serial(self.folder.path().join("board"));
        let board = SerialBoard::open(SerialConfig::at(address)).unwrap();
        Session::new(Box::new(board), Arc::new(SystemClock), 64 << 20)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A scan whose strips all stay in the ring: a host that is held up loses none.
fn want() -> ScanRequest {
    ScanRequest {
        width: Some(45),
        height: Some(37),
        dwell_ns: Some(1000),
        strip_rows: Some(STRIP_ROWS),
        bidirectional: Some(true),
        frames: Some(3),
        ..ScanRequest::default()
    }
}

/// `counts` of the script: a row from left to right.
fn counts(frame: u64, row: u64, channel: u64, width: u32) -> Vec<u16> {
    let key = SEED
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(frame.wrapping_mul(0xd1b5_4a32_d192_ed03));
    let hash = |column: u64| {
        let x = key ^ (row << 32 | channel << 16 | column);
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (100 + (x ^ x >> 31) % 3900) as u16
    };
    (0..u64::from(width)).map(hash).collect()
}

/// What a run gave. Its rows followed one another, each once, and its samples were those of the board.
struct Heard {
    strips: u64,
    rows: u64,
    gaps: Vec<Gap>,
    end: Result<(), HalError>,
}

fn begin(session: &mut Session) {
    session.arm().unwrap();
    session.start().unwrap();
}

/// Reads a run to its end.
fn hear(session: &mut Session, actual: &ScanActual) -> Heard {
    let mut heard = Heard {
        strips: 0,
        rows: 0,
        gaps: Vec::new(),
        end: Ok(()),
    };
    let mut first_date = None;
    let height = u64::from(actual.height);
    loop {
        let deadline = session.now().after(Duration::from_secs(60));
        let (frame, first, rows) = match session.read(deadline) {
            Ok(ReadEvent::Strip(strip)) => {
                compare(&strip, actual);
                let header = &strip.header;
                if actual.pacing == Pacing::Live {
                    // The beam never rests: each row has its time, whatever was lost before it.
                    let line_ticks =
                        actual.line_period_ns.unwrap() * actual.clock_hz / 1_000_000_000;
                    let began = header.ticks_first_row - heard.rows * line_ticks;
                    assert_eq!(began, *first_date.get_or_insert(began));
                }
                heard.strips += 1;
                (header.frame, header.first_row, header.rows)
            }
            Ok(ReadEvent::Gap(gap)) => {
                heard.gaps.push(gap.clone());
                (gap.frame, gap.first_row, gap.rows)
            }
            Ok(ReadEvent::Idle) => panic!("the board is silent"),
            Ok(ReadEvent::EndOfRun) => break,
            Err(error) => {
                heard.end = Err(error);
                break;
            }
        };
        assert_eq!(frame * height + u64::from(first), heard.rows);
        heard.rows += u64::from(rows);
    }
    let summary = session.disarm().unwrap();
    let lost: u64 = heard.gaps.iter().map(|gap| u64::from(gap.rows)).sum();
    assert_eq!(
        (summary.rows_scanned, summary.rows_lost),
        (heard.rows, lost)
    );
    heard
}

/// Compares a strip with what the board says that it makes.
fn compare(strip: &Strip, actual: &ScanActual) {
    let header = &strip.header;
    assert_eq!((header.bit_depth, header.field), (12, 0));
    assert_eq!(header.odd_rows_reversed, actual.bidirectional);
    assert_eq!(header.line_period_ns, actual.line_period_ns);
    assert_eq!(header.flags.overrun, header.lost_rows > 0);
    let end = header.first_row + header.rows;
    assert_eq!(header.flags.last_of_frame, end == actual.height);
    for row in header.first_row..end {
        for (index, channel) in actual.channels.iter().enumerate() {
            let bit = CHANNELS
                .iter()
                .position(|name| channel.name == (*name).into());
            let mut expected = counts(
                header.frame,
                u64::from(row),
                bit.unwrap() as u64,
                actual.width,
            );
            if actual.bidirectional && row % 2 == 1 {
                expected.reverse();
            }
            let found = strip.row(row - header.first_row, index).unwrap();
            assert_eq!(found, expected, "row {row} of frame {}", header.frame);
        }
    }
}

/// Scans, and expects every row.
fn whole(session: &mut Session, want: &ScanRequest) {
    let actual = session.configure(want).unwrap();
    begin(session);
    let heard = hear(session, &actual);
    heard.end.unwrap();
    assert_eq!(heard.gaps, []);
    let rows = actual.frames.unwrap() * u64::from(actual.height);
    assert_eq!(heard.rows, rows);
}

#[test]
fn every_sample_arrives() {
    for moods in [&[][..], &["--pulled"], &["--banner"]] {
        let Some(peer) = Peer::start(moods) else {
            return;
        };
        let mut session = peer.session();
        let identity = session.identity().unwrap();
        assert_eq!(
            (identity.maker.as_str(), identity.serial.as_str()),
            ("Peerware", "PB-7")
        );
        let pulled = session.capabilities().unwrap().pacing == Pacing::Pulled;
        assert_eq!(pulled, moods == ["--pulled"]);
        whole(&mut session, &want());
        // One direction, and not the first channels.
        let other = ScanRequest {
            bidirectional: Some(false),
            channels: vec!["TPEF".into(), "TRANS".into()],
            strip_rows: Some(64),
            ..want()
        };
        whole(&mut session, &other);
    }
}

#[test]
fn flipped_bits_are_fetched_again() {
    let Some(peer) = Peer::start(&["--corrupt", "7"]) else {
        return;
    };
    let mut session = peer.session();
    whole(&mut session, &want());
    // 24 strips: the replies 7, 14 and 21 are spoilt.
    let counters = session.counters();
    for name in ["garbled", "discarded", "cleared", "fetched_again"] {
        assert!(counters[name] >= 3, "{name}: {counters:?}");
    }
    for name in ["strips_given_up", "strips_late", "restarts"] {
        assert_eq!(counters[name], 0, "{name}");
    }
}

#[test]
fn rows_that_the_board_loses_are_gaps() {
    // With 21 rows a frame ends with what is lost, and so does the run.
    for height in [37, 21] {
        let Some(peer) = Peer::start(&["--overrun", "5"]) else {
            return;
        };
        let mut session = peer.session();
        let want = ScanRequest {
            height: Some(height),
            ..want()
        };
        let actual = session.configure(&want).unwrap();
        begin(&mut session);
        let heard = hear(&mut session, &actual);
        heard.end.unwrap();
        assert_eq!(heard.rows, 3 * u64::from(height));
        let slots = height.div_ceil(STRIP_ROWS);
        let lost: Vec<_> = (4..3 * slots)
            .step_by(5)
            .map(|slot| {
                let first_row = slot % slots * STRIP_ROWS;
                Gap {
                    frame: u64::from(slot / slots),
                    field: 0,
                    first_row,
                    rows: STRIP_ROWS.min(height - first_row),
                    cause: GapCause::BoardOverrun,
                }
            })
            .collect();
        assert_eq!(heard.gaps, lost);
    }
}

#[test]
fn a_scan_that_the_link_does_not_carry_is_refused() {
    let Some(peer) = Peer::start(&["--slow"]) else {
        return;
    };
    let mut session = peer.session();
    let refusal = session.configure(&want()).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Unsupported);
    let sentence = refusal.to_string();
    // 5 rows of 45 µs and 24 µs, with 1 350 bytes of samples.
    let bytes_per_s: f64 = sentence
        .split_whitespace()
        .find_map(|word| word.parse().ok())
        .unwrap();
    assert!((3.9e6..4.5e6).contains(&bytes_per_s), "{sentence}");
    assert!(sentence.contains("200000"), "{sentence}");
    // A dwell time of 40 µs makes 160 kB/s.
    let slow = ScanRequest {
        dwell_ns: Some(40_000),
        ..want()
    };
    whole(&mut session, &slow);
}

#[test]
fn a_restart_ends_the_run_and_the_next_one_is_whole() {
    let Some(peer) = Peer::start(&["--reboot", "40"]) else {
        return;
    };
    let mut session = peer.session();
    let want = ScanRequest {
        height: Some(300),
        dwell_ns: Some(20_000),
        frames: Some(1),
        ..want()
    };
    let actual = session.configure(&want).unwrap();
    begin(&mut session);
    let heard = hear(&mut session, &actual);
    let error = heard.end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert!(error.to_string().contains("has restarted"), "{error}");
    assert!(heard.strips < 40, "{} strips", heard.strips);
    // A frame that has begun is told to its end.
    if heard.strips > 0 {
        let first_row = heard.strips as u32 * STRIP_ROWS;
        let gap = Gap {
            frame: 0,
            field: 0,
            first_row,
            rows: 300 - first_row,
            cause: GapCause::DeviceReset,
        };
        assert_eq!(heard.gaps, [gap]);
    }
    assert_eq!(session.counters()["restarts"], 1);
    // It has forgotten its settings and numbers its runs anew.
    assert_eq!(session.state(), State::Configured);
    begin(&mut session);
    let heard = hear(&mut session, &actual);
    heard.end.unwrap();
    assert_eq!((heard.rows, heard.gaps), (300, vec![]));
}

#[test]
fn a_late_host_loses_the_oldest_strips_unless_the_board_waits() {
    for moods in [&[][..], &["--pulled"]] {
        let Some(peer) = Peer::start(moods) else {
            return;
        };
        let mut session = peer.session();
        let want = ScanRequest {
            height: Some(100),
            dwell_ns: Some(20_000),
            frames: Some(4),
            ..want()
        };
        let actual = session.configure(&want).unwrap();
        begin(&mut session);
        // 80 strips of 5 rows and 4.6 ms take 370 ms.
        let _ = crossbeam_channel::never::<()>().recv_timeout(Duration::from_millis(500));
        let heard = hear(&mut session, &actual);
        heard.end.unwrap();
        assert_eq!(heard.rows, 400);
        let late: Vec<_> = (actual.pacing == Pacing::Live)
            .then(|| Gap {
                frame: 0,
                field: 0,
                first_row: 0,
                rows: (80 - RING as u32) * STRIP_ROWS,
                cause: GapCause::HostBackPressure,
            })
            .into_iter()
            .collect();
        assert_eq!(heard.gaps, late, "{moods:?}");
    }
}
