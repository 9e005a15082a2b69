//! Pushed records become frames: all that was taken is given, once and in order, and the rest is a gap.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

mod pushing;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use pushing::{
    ALL, CHANNELS, HEIGHT, STRIP, WIDTH, config, event, frame, header, record, running, sample,
};
use senescope_hal::{
    Board, ChannelName, Clock, ErrorKind, Gap, GapCause, ReadEvent, RunSummary, ScanRequest,
    Session, Strip, SystemClock,
    ingest::{IngestBoard, IngestConfig, IngestPeer},
    wire::RecordHeader,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn say(peer: &mut IngestPeer, message: &[u8]) -> String {
    let reply = String::from_utf8(peer.take(message)).unwrap();
    assert_eq!(reply.find('\n'), Some(reply.len() - 1), "{reply:?}");
    reply.trim_end().to_owned()
}

fn accepted(peer: &mut IngestPeer, message: &[u8]) {
    assert_eq!(say(peer, message), "0,\"accepted\"");
}

/// The reply must have this number, and a sentence with these parts.
fn refused(peer: &mut IngestPeer, message: &[u8], number: i32, parts: &[&str]) {
    let reply = say(peer, message);
    assert!(reply.starts_with(&format!("{number},\"")), "{reply}");
    for part in parts {
        assert!(reply.contains(part), "{part:?} in {reply}");
    }
}

fn strip(board: &mut IngestBoard) -> Strip {
    match event(board, PATIENCE) {
        ReadEvent::Strip(strip) => strip,
        other => panic!("{other:?}"),
    }
}

fn gap(board: &mut IngestBoard) -> Gap {
    match event(board, PATIENCE) {
        ReadEvent::Gap(gap) => gap,
        other => panic!("{other:?}"),
    }
}

/// Whether each row was given, and the totals; asserts order, cut and samples.
#[derive(Default)]
struct Seen {
    rows: Vec<Option<Vec<u16>>>,
    strips: u64,
    delivered: u64,
    lost: u64,
}

impl Seen {
    /// Whether the event was one of rows.
    fn take(&mut self, event: ReadEvent) -> bool {
        let next = self.rows.len() as u64;
        let (frame, first_row) = (next / u64::from(HEIGHT), (next % u64::from(HEIGHT)) as u32);
        match event {
            ReadEvent::Strip(strip) => {
                let header = &strip.header;
                assert_eq!((header.frame, header.first_row), (frame, first_row));
                assert_eq!(first_row / STRIP, (first_row + header.rows - 1) / STRIP);
                assert_eq!(header.sequence, self.strips);
                let row = WIDTH as usize * CHANNELS;
                assert_eq!(strip.samples.len(), header.rows as usize * row);
                self.rows
                    .extend(strip.samples.chunks(row).map(|row| Some(row.to_vec())));
                self.strips += 1;
                self.delivered += u64::from(header.rows);
            }
            ReadEvent::Gap(gap) => {
                assert_eq!((gap.frame, gap.first_row), (frame, first_row));
                assert_eq!(gap.cause, GapCause::SourceIncomplete);
                assert!(gap.rows > 0 && first_row + gap.rows <= HEIGHT);
                self.rows.extend((0..gap.rows).map(|_| None));
                self.lost += u64::from(gap.rows);
            }
            ReadEvent::Idle | ReadEvent::EndOfRun => return false,
        }
        true
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Some rows of some channels of a frame not far from the present one.
    Push {
        ahead: u32,
        first_row: u32,
        rows: u32,
        mask: u32,
        reversed: bool,
    },
    /// A frame channel by channel.
    Whole { ahead: u32 },
    /// The pusher goes on to a later frame.
    Advance(u32),
    /// The host reads some.
    Read(usize),
    /// The pusher begins anew, as another process on the same connection, or with another run.
    Restart { process: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let push = (0..4_u32, 0..HEIGHT, 1..=HEIGHT, 1..=ALL, any::<bool>());
    prop_oneof![
        12 => push.prop_map(|(ahead, first_row, rows, mask, reversed)| Step::Push {
            ahead,
            first_row,
            rows: rows.min(HEIGHT - first_row),
            mask,
            reversed,
        }),
        4 => (0..4_u32).prop_map(|ahead| Step::Whole { ahead }),
        3 => (1..4_u32).prop_map(Step::Advance),
        4 => (1..6_usize).prop_map(Step::Read),
        1 => any::<bool>().prop_map(|process| Step::Restart { process }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    /// Any cut, order, repetition, loss and restart: a row is given when each of its channels was taken, and is a
    /// gap when not.
    #[test]
    fn what_was_taken_is_given_and_the_rest_is_a_gap(
        steps in proptest::collection::vec(step(), 1..80),
        frames_ahead in 1_usize..5,
    ) {
        let (mut board, port) = running(IngestConfig { frames_ahead, ..config() });
        let mut peer = port.connection();
        let (mut session, mut boot, mut run, mut base) = (0, 1, 1, 0);
        // By session and frame: the channels of each row that were taken.
        let mut taken: BTreeMap<(u32, u32), (u64, [u32; HEIGHT as usize])> = BTreeMap::new();
        let mut seen = Seen::default();
        let mut sent = 0;
        let mut push = |peer: &mut IngestPeer, session, header: RecordHeader| {
            sent += 1;
            let reply = say(peer, &record(&header));
            if reply.starts_with("0,") {
                let (_, rows) = taken.entry((session, header.frame)).or_insert((header.boot, [0; 7]));
                let first = usize::from(header.first_row);
                rows[first..first + usize::from(header.rows)]
                    .iter_mut()
                    .for_each(|row| *row |= header.channels.0);
            } else {
                // Too far ahead, or too late.
                assert!(reply.starts_with("-225,") || reply.starts_with("-230,"), "{reply}");
            }
        };
        for step in steps {
            match step {
                Step::Push { ahead, first_row, rows, mask, reversed } => {
                    let header = header(boot, base + ahead, first_row..first_row + rows, mask);
                    push(&mut peer, session, RecordHeader { run, odd_rows_reversed: reversed, ..header });
                }
                Step::Whole { ahead } => {
                    for mask in [0b100, 0b001, 0b010] {
                        let header = header(boot, base + ahead, 0..HEIGHT, mask);
                        push(&mut peer, session, RecordHeader { run, ..header });
                    }
                }
                Step::Advance(by) => base += by,
                Step::Read(times) => {
                    for _ in 0..times {
                        seen.take(event(&mut board, Duration::ZERO));
                    }
                }
                Step::Restart { process } => {
                    session += 1;
                    base = 0;
                    if process { boot += 1 } else { run += 1 }
                }
            }
        }
        board.stop().unwrap();
        while seen.take(event(&mut board, Duration::ZERO)) {}
        prop_assert!(matches!(event(&mut board, Duration::ZERO), ReadEvent::EndOfRun));

        prop_assert_eq!(seen.rows.len(), taken.len() * HEIGHT as usize);
        let mut rows = seen.rows.iter();
        for ((_, source), (boot, channels)) in &taken {
            for (row, channels) in channels.iter().enumerate() {
                let samples = (0..CHANNELS as u32).flat_map(|channel| {
                    (0..WIDTH).map(move |column| sample(*boot, *source, row as u32, channel, column))
                });
                let expected: Option<Vec<_>> = (*channels == ALL).then(|| samples.collect());
                prop_assert_eq!(rows.next().unwrap(), &expected);
            }
        }
        let counters = board.counters();
        let of = |start: &str| -> u64 {
            counters.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, count)| count).sum()
        };
        prop_assert_eq!(of("records_"), sent);
        prop_assert_eq!(of("frames_") - counters["frames_skipped"], taken.len() as u64);
        let summary = board.disarm().unwrap();
        prop_assert_eq!(summary, RunSummary {
            frames: taken.len() as u64,
            rows_scanned: seen.delivered + seen.lost,
            rows_delivered: seen.delivered,
            rows_lost: seen.lost,
        });
    }
}

#[test]
fn a_strip_is_given_as_soon_as_it_and_what_is_above_are_whole() {
    let (mut board, port) = running(config());
    let mut peer = port.messages();
    let mut push = |rows, mask| accepted(&mut peer, &record(&header(1, 0, rows, mask)));
    let idle = |board: &mut IngestBoard| matches!(event(board, Duration::ZERO), ReadEvent::Idle);
    push(3..7, ALL);
    push(0..3, 0b101);
    assert!(idle(&mut board));
    push(0..2, 0b010);
    assert!(idle(&mut board));
    push(2..3, 0b010);
    let given: Vec<_> = (0..3).map(|_| strip(&mut board).header).collect();
    let cuts: Vec<_> = given
        .iter()
        .map(|header| (header.first_row, header.rows, header.flags.last_of_frame))
        .collect();
    assert_eq!(cuts, [(0, 3, false), (3, 3, false), (6, 1, true)]);
    assert!(idle(&mut board));
}

#[test]
fn a_frame_that_stays_incomplete_is_given_up_in_time() {
    let (mut board, port) = running(IngestConfig {
        frame_timeout: Duration::from_millis(30),
        ..config()
    });
    let mut peer = port.messages();
    accepted(&mut peer, &record(&header(1, 4, 0..4, ALL)));
    assert_eq!(strip(&mut board).header.rows, 3);
    // The row of the second strip that is there is not thrown away.
    assert_eq!(strip(&mut board).header.rows, 1);
    let lost = [gap(&mut board), gap(&mut board)];
    assert_eq!(lost.map(|gap| (gap.first_row, gap.rows)), [(4, 2), (6, 1)]);
    let late = record(&header(1, 4, 4..7, ALL));
    refused(&mut peer, &late, -230, &["frame 4", "number them on"]);
    assert_eq!(board.counters()["frames_timed_out"], 1);
    // Numbers that were jumped over were not scanned.
    accepted(&mut peer, &frame(1, 9));
    let header = strip(&mut board).header;
    assert_eq!((header.frame, header.lost_rows), (1, 3));
    assert_eq!(board.counters()["frames_skipped"], 4);
    refused(&mut peer, &frame(1, 7), -230, &["jumped over"]);
}

#[test]
fn a_frame_that_is_overtaken_is_given_up_when_no_other_can_be_opened() {
    let (mut board, port) = running(IngestConfig {
        frames_ahead: 2,
        ..config()
    });
    let mut peer = port.messages();
    accepted(&mut peer, &record(&header(1, 0, 0..3, ALL)));
    accepted(&mut peer, &record(&header(1, 1, 0..3, ALL)));
    refused(
        &mut peer,
        &frame(1, 2),
        -225,
        &["2 frames are open", "again"],
    );
    assert_eq!(strip(&mut board).header.rows, 3);
    assert!(matches!(event(&mut board, Duration::ZERO), ReadEvent::Idle));
    accepted(&mut peer, &record(&header(1, 1, 3..7, ALL)));
    assert_eq!((gap(&mut board).rows, gap(&mut board).rows), (3, 1));
    accepted(&mut peer, &frame(1, 2));
    assert_eq!(strip(&mut board).header.frame, 1);
    assert_eq!(board.counters()["frames_overtaken"], 1);
}

#[test]
fn a_repeated_record_is_known_and_another_under_its_number_is_refused() {
    let (mut board, port) = running(config());
    let mut peer = port.messages();
    let part = header(1, 0, 0..4, ALL);
    accepted(&mut peer, &record(&part));
    assert_eq!(say(&mut peer, &record(&part)), "0,\"known\"");
    // Half of it is new.
    accepted(&mut peer, &record(&header(1, 0, 2..7, 0b011)));
    let mut other = Vec::new();
    part.write(&[7; 60], &mut other).unwrap();
    refused(&mut peer, &other, -221, &["frame 0", "number of its own"]);
    let field = record(&RecordHeader { field: 3, ..part });
    refused(&mut peer, &field, -221, &["field 0", "field 3"]);
    accepted(&mut peer, &record(&header(1, 0, 4..7, 0b100)));
    (0..3).for_each(|_| drop(strip(&mut board)));
    // Also when the frame has been given.
    assert_eq!(say(&mut peer, &record(&part)), "0,\"known\"");
    assert_eq!(board.counters()["records_repeated"], 2);
}

#[test]
fn one_pusher_at_a_time() {
    let (mut board, port) = running(config());
    let (mut first, mut second) = (port.connection(), port.connection());
    accepted(&mut first, &record(&header(1, 0, 0..3, ALL)));
    refused(&mut second, &frame(2, 0), -203, &["another program"]);
    let gone = SystemClock.now();
    drop(first);
    while say(&mut second, &frame(2, 0)).starts_with("-203") {
        assert!(SystemClock.now().since(gone) < PATIENCE);
        let pause = SystemClock.now().after(Duration::from_millis(20));
        let never = crossbeam_channel::never::<()>();
        let _ = never.recv_deadline(SystemClock::std_instant(pause));
    }
    // What the first one left open is finished, and the frames of the second are numbered on.
    assert_eq!(strip(&mut board).header.frame, 0);
    assert_eq!((gap(&mut board).rows, gap(&mut board).rows), (3, 1));
    assert_eq!(strip(&mut board).header.frame, 1);
    assert_eq!(board.counters()["frames_cut_by_restart"], 1);
    let mut back = port.connection();
    refused(&mut back, &frame(1, 1), -230, &["ended by another"]);
    // The same program need not wait to begin anew.
    let again = RecordHeader {
        run: 2,
        ..header(2, 0, 0..HEIGHT, ALL)
    };
    accepted(&mut second, &record(&again));
}

#[test]
fn what_does_not_fit_the_scan_is_refused_with_both_sides() {
    let (mut board, port) = IngestBoard::new(config()).unwrap();
    let mut peer = port.messages();
    refused(&mut peer, &frame(1, 0), -200, &["no run is on"]);
    let want = ScanRequest {
        channels: vec![ChannelName::trans(), ChannelName::srs()],
        frames: Some(1),
        ..ScanRequest::default()
    };
    board.configure(&want).unwrap();
    board.arm().unwrap();
    refused(
        &mut peer,
        &record(&header(1, 0, 0..7, 0b101)),
        -200,
        &["no run is on"],
    );
    board.start().unwrap();

    let base = header(1, 0, 0..7, 0b101);
    let wide = record(&RecordHeader { width: 9, ..base });
    refused(&mut peer, &wide, -221, &["9 samples", "has 5"]);
    let tall = record(&RecordHeader {
        first_row: 3,
        ..base
    });
    refused(&mut peer, &tall, -221, &["row 9", "7 rows"]);
    let deep = record(&RecordHeader {
        bit_depth: 14,
        ..base
    });
    refused(&mut peer, &deep, -221, &["14 bits", "has 12"]);
    let unknown = record(&header(1, 0, 0..7, 0b111));
    refused(
        &mut peer,
        &unknown,
        -222,
        &["bit 1", "TRANS, SRS", "[2, 0]"],
    );
    let unknown = record(&header(1, 0, 0..7, 1 << 15));
    refused(&mut peer, &unknown, -222, &["bit 15"]);
    let mut bright = Vec::new();
    header(1, 0, 0..1, 1)
        .write(&[0, 0, 4096, 0, 0], &mut bright)
        .unwrap();
    refused(&mut peer, &bright, -222, &["4096", "SRS", "12 bits"]);
    let mut spoilt = frame(1, 0);
    spoilt[70] ^= 1;
    refused(&mut peer, &spoilt, -161, &["checksum", "repeat"]);
    let mut version = frame(1, 0);
    version[4] = 2;
    refused(&mut peer, &version, -161, &["version 2", "version 1"]);

    // The strip has the channels in the order that was asked for, whatever the order of the bits.
    accepted(&mut peer, &record(&base));
    let strip = strip(&mut board);
    assert_eq!(strip.row(2, 0).unwrap()[1], sample(1, 0, 2, 2, 1));
    assert_eq!(strip.row(2, 1).unwrap()[1], sample(1, 0, 2, 0, 1));
    let next = record(&RecordHeader { frame: 1, ..base });
    refused(&mut peer, &next, -200, &["all its frames"]);
    board.stop().unwrap();
    refused(&mut peer, &next, -200, &["no run is on"]);
    drop(board);
    refused(&mut peer, &next, -200, &["no run is on"]);
}

#[test]
fn samples_at_the_limit_are_told() {
    let (mut board, port) = running(config());
    let mut peer = port.messages();
    let mut samples = vec![4094; (WIDTH * HEIGHT) as usize * CHANNELS];
    samples[60] = 4095;
    let mut bytes = Vec::new();
    header(1, 0, 0..HEIGHT, ALL)
        .write(&samples, &mut bytes)
        .unwrap();
    accepted(&mut peer, &bytes);
    let flags: Vec<_> = (0..3)
        .map(|_| strip(&mut board).header.flags.saturated)
        .collect();
    assert_eq!(flags, [false, true, false]);
}

#[test]
fn lines_are_answered() {
    let (mut board, port) = IngestBoard::new(config()).unwrap();
    let (mut peer, mut other) = (port.connection(), port.connection());
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        say(&mut peer, b"*idn?\n"),
        format!("senescope,ingest,0,{version}")
    );
    let scan = |peer: &mut IngestPeer| -> serde_json::Value {
        let block = say(peer, b"scan:act?\r\n");
        let digits = 2 + usize::from(block.as_bytes()[1] - b'0');
        assert_eq!(block[2..digits].parse(), Ok(block.len() - digits));
        serde_json::from_str(&block[digits..]).unwrap()
    };
    let channel = |bit, name| serde_json::json!({ "bit": bit, "name": name, "bit_depth": 12 });
    let mut expected = serde_json::json!({
        "width": WIDTH, "height": HEIGHT, "pixel_size_um": 0.5, "running": false,
        "channels": [channel(0, "SRS"), channel(1, "TPEF"), channel(2, "TRANS")],
    });
    assert_eq!(scan(&mut peer), expected);
    let want = ScanRequest {
        channels: vec![ChannelName::trans(), ChannelName::srs()],
        ..ScanRequest::default()
    };
    board.configure(&want).unwrap();
    board.arm().unwrap();
    board.start().unwrap();
    expected["channels"] = serde_json::json!([channel(0, "SRS"), channel(2, "TRANS")]);
    expected["running"] = true.into();
    assert_eq!(scan(&mut peer), expected);

    assert_eq!(say(&mut peer, b"SYST:ERR?"), "0,\"No error\"");
    refused(&mut peer, b"SCAN:WIDT 5\n", -113, &["SCAN:ACTual?"]);
    refused(&mut peer, b"?\n", -102, &["Syntax error"]);
    assert!(say(&mut peer, b"SYSTem:ERRor:NEXT?;SYST:ERR?\n").contains(";-102,"));
    for _ in 0..100 {
        refused(&mut peer, b"\xff", -101, &[]);
    }
    let errors: Vec<_> = (0..17).map(|_| say(&mut peer, b"SYST:ERR?")).collect();
    assert_eq!(errors[15..], ["-350,\"Queue overflow\"", "0,\"No error\""]);
    refused(&mut peer, b"X", -113, &[]);
    assert_eq!(say(&mut other, b"SYST:ERR?"), "0,\"No error\"");
    assert_eq!(
        say(&mut peer, b"*CLS;SYST:ERR?"),
        "0,\"No error\";0,\"No error\""
    );
    assert_eq!(say(&mut peer, b""), "0,\"No error\"");
}

/// A host that keeps its buffers loses rows, and says so; the board and its pusher go on.
#[test]
fn what_the_host_does_not_take_is_a_gap() {
    let (board, port) = IngestBoard::new(config()).unwrap();
    let strip_bytes = (STRIP * WIDTH) as usize * CHANNELS * 2;
    let mut session = Session::new(Box::new(board), Arc::new(SystemClock), 3 * strip_bytes);
    let want = ScanRequest {
        frames: Some(4),
        ..ScanRequest::default()
    };
    session.configure(&want).unwrap();
    session.arm().unwrap();
    session.start().unwrap();
    let mut peer = port.messages();
    let (mut kept, mut lost) = (Vec::new(), 0);
    for number in 0..4 {
        accepted(&mut peer, &frame(1, number));
    }
    loop {
        match session.read(session.now().after(PATIENCE)).unwrap() {
            ReadEvent::Strip(strip) => kept.push(strip),
            ReadEvent::Gap(gap) => {
                assert_eq!(gap.cause, GapCause::HostBackPressure);
                lost += u64::from(gap.rows);
            }
            ReadEvent::Idle => {}
            ReadEvent::EndOfRun => break,
        }
    }
    let delivered: u64 = kept.iter().map(|strip| u64::from(strip.header.rows)).sum();
    assert_eq!(
        (delivered, lost),
        (u64::from(HEIGHT), 3 * u64::from(HEIGHT))
    );
    let summary = session.disarm().unwrap();
    assert_eq!(
        (summary.rows_delivered, summary.rows_lost),
        (delivered, lost)
    );
}

#[test]
fn what_cannot_be_configured_is_named() {
    let channels = config().channels;
    let twice = vec![channels[0].clone(), channels[0].clone()];
    let flat = |bit_depth| {
        let mut channels = config().channels;
        channels[1].bit_depth = bit_depth;
        channels
    };
    let base = config;
    let cases = [
        (
            IngestConfig {
                channels: vec![],
                ..base()
            },
            "0 channels",
        ),
        (
            IngestConfig {
                channels: vec![channels[0].clone(); 17],
                ..base()
            },
            "17 channels",
        ),
        (
            IngestConfig {
                channels: twice,
                ..base()
            },
            "named twice",
        ),
        (
            IngestConfig {
                channels: flat(17),
                ..base()
            },
            "bit depth",
        ),
        (
            IngestConfig {
                width: 32_769,
                ..base()
            },
            "width of 32769",
        ),
        (
            IngestConfig {
                height: 65_536,
                ..base()
            },
            "height of 65536",
        ),
        (
            IngestConfig {
                pixel_size_um: f64::NAN,
                ..base()
            },
            "pixel of NaN",
        ),
        (
            IngestConfig {
                strip_rows: 0,
                ..base()
            },
            "strips without rows",
        ),
        (
            IngestConfig {
                frame_timeout: Duration::ZERO,
                ..base()
            },
            "0ns",
        ),
        (
            IngestConfig {
                frames_ahead: 0,
                ..base()
            },
            "0 open frames",
        ),
        (
            IngestConfig {
                width: 32_768,
                height: 65_535,
                ..base()
            },
            "bytes in all",
        ),
    ];
    for (config, part) in cases {
        let error = IngestBoard::new(config).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Request);
        assert!(error.to_string().contains(part), "{part:?} in {error}");
    }
    let (mut board, _port) = IngestBoard::new(config()).unwrap();
    let all = ScanRequest::default;
    let wants = [
        (
            ScanRequest {
                width: Some(9),
                ..all()
            },
            "width of 9",
        ),
        (
            ScanRequest {
                height: Some(9),
                ..all()
            },
            "height of 9",
        ),
        (
            ScanRequest {
                dwell_ns: Some(9),
                ..all()
            },
            "leave it out",
        ),
        (
            ScanRequest {
                pixel_size_um: Some(0.6),
                ..all()
            },
            "0.6",
        ),
        (
            ScanRequest {
                bidirectional: Some(true),
                ..all()
            },
            "left to right",
        ),
        (
            ScanRequest {
                frames: Some(0),
                ..all()
            },
            "at least one",
        ),
        (
            ScanRequest {
                strip_rows: Some(0),
                ..all()
            },
            "at least one",
        ),
        (
            ScanRequest {
                channels: vec!["SHG".into()],
                ..all()
            },
            "SRS, TPEF, TRANS",
        ),
        (
            ScanRequest {
                channels: vec!["SRS".into(), "SRS".into()],
                ..all()
            },
            "twice",
        ),
    ];
    for (want, part) in wants {
        let error = board.configure(&want).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} in {error}");
    }
    let large = IngestConfig {
        width: 512,
        height: 512,
        ..config()
    };
    assert!(
        (6 << 20..7 << 20).contains(&large.bytes()),
        "{}",
        large.bytes()
    );
}
