//! A replayed recording is a board like every other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{golden, play_with, replay};
use proptest::prelude::*;
use senescope_hal::{
    Board, ChannelName, Clock, ErrorKind, HalError, ReadEvent, ScanRequest, Session, SystemClock,
    conformance::{Backend, Outcome, Unplug, run},
    replay::{ReplayBoard, ReplayRequest, ReplaySource, ReplaySpeed},
};

const NAME: &str = "ome-tczyx.ome.tif";

struct Replay(ReplaySpeed);

impl Backend for Replay {
    fn open(&self) -> Result<Box<dyn Board>, HalError> {
        Ok(Box::new(ReplayBoard::new(replay(NAME), self.0)?))
    }

    fn request(&self) -> ScanRequest {
        ScanRequest {
            strip_rows: Some(5),
            ..ScanRequest::default()
        }
    }

    fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str> {
        let Ok(board) = ReplayBoard::new(replay(NAME), ReplaySpeed::Times(1e-5)) else {
            return Err("the speed is refused");
        };
        Ok((Box::new(board), self.request()))
    }

    fn unplug(&self) -> Result<Unplug, &'static str> {
        Err("a file has no plug")
    }
}

#[test]
fn it_conforms() {
    for speed in [ReplaySpeed::Max, ReplaySpeed::Times(4.0)] {
        let report = run(&Replay(speed));
        println!("{report}");
        assert!(report.failures().is_empty(), "{:#?}", report.failures());
        let skipped = |(_, outcome): &&(&str, Outcome)| matches!(outcome, Outcome::Skipped(_));
        assert_eq!(report.cases.iter().filter(skipped).count(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_cut_into_strips_changes_nothing(rows in 1_u32..40) {
        let of = |rows| {
            let want = ScanRequest { strip_rows: Some(rows), ..ScanRequest::default() };
            play_with(replay(NAME), &want)
        };
        let (cut, whole) = (of(rows), of(1_000));
        prop_assert_eq!(cut.strips, 4 * u64::from(17_u32.div_ceil(rows)));
        prop_assert_eq!(whole.strips, 4);
        prop_assert_eq!(cut.frames, whole.frames);
        prop_assert_eq!(cut.summary, whole.summary);
    }
}

#[test]
fn a_part_of_the_frames_and_of_the_channels_is_that_part() {
    let all = play_with(replay(NAME), &ScanRequest::default());
    let want = ScanRequest {
        frames: Some(2),
        channels: vec![ChannelName::trans(), ChannelName::srs()],
        ..ScanRequest::default()
    };
    let part = play_with(replay(NAME), &want);
    assert_eq!(part.frames.len(), 2);
    for (part, all) in part.frames.iter().zip(&all.frames) {
        assert_eq!(part, &[all[2].clone(), all[0].clone()]);
    }
}

#[test]
fn what_the_recording_fixes_cannot_be_asked_otherwise() {
    let mut board = ReplayBoard::new(replay(NAME), ReplaySpeed::Max).unwrap();
    let wants = [
        (
            ScanRequest {
                width: Some(5),
                ..ScanRequest::default()
            },
            "width of 5",
        ),
        (
            ScanRequest {
                height: Some(5),
                ..ScanRequest::default()
            },
            "height of 5",
        ),
        (
            ScanRequest {
                dwell_ns: Some(5),
                ..ScanRequest::default()
            },
            "dwell time in ns of 5",
        ),
        (
            ScanRequest {
                pixel_size_um: Some(9.0),
                ..ScanRequest::default()
            },
            "pixel of 0.5 µm",
        ),
        (
            ScanRequest {
                bidirectional: Some(true),
                ..ScanRequest::default()
            },
            "both directions",
        ),
        (
            ScanRequest {
                channels: vec!["SHG".into()],
                ..ScanRequest::default()
            },
            "channel SHG",
        ),
        (
            ScanRequest {
                frames: Some(0),
                ..ScanRequest::default()
            },
            "at least one",
        ),
        (
            ScanRequest {
                strip_rows: Some(0),
                ..ScanRequest::default()
            },
            "at least one",
        ),
    ];
    for (want, reason) in wants {
        let error = board.configure(&want).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    for times in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(ReplayBoard::new(replay(NAME), ReplaySpeed::Times(times)).is_err());
    }
}

/// No strip comes before its last row would have been scanned; how much later is the machine's affair.
#[test]
fn a_paced_strip_does_not_come_early() {
    let times = 2.0;
    let board = ReplayBoard::new(replay(NAME), ReplaySpeed::Times(times)).unwrap();
    let mut session = Session::new(Box::new(board), Arc::new(SystemClock), 1 << 20);
    let want = ScanRequest {
        strip_rows: Some(3),
        frames: Some(2),
        ..ScanRequest::default()
    };
    let actual = session.configure(&want).unwrap();
    assert_eq!(actual.line_period_ns, None);
    session.arm().unwrap();
    let started = SystemClock.now();
    session.start().unwrap();
    loop {
        match session
            .read(session.now().after(Duration::from_secs(60)))
            .unwrap()
        {
            ReadEvent::Strip(strip) => {
                let header = strip.header;
                let rows = header.frame * u64::from(actual.height)
                    + u64::from(header.first_row + header.rows);
                let nominal_line_ns = 20_000 * u64::from(actual.width);
                let due = Duration::from_nanos(rows * nominal_line_ns / 2);
                assert!(header.received.since(started) >= due, "row {rows}");
            }
            ReadEvent::EndOfRun => break,
            _ => {}
        }
    }
}

/// What is wrong with which file, and what to type.
#[test]
fn what_is_missing_is_named_with_what_to_type() {
    let wanted = vec![
        ChannelName::srs(),
        ChannelName::tpef(),
        ChannelName::trans(),
    ];
    let ask = |paths: &[&str], maps: &[&str], wanted: &[ChannelName]| {
        let root = golden();
        let maps = maps
            .iter()
            .map(|map| map.replace("@", &format!("{}/", root.display())));
        let request = ReplayRequest {
            paths: paths.iter().map(|path| root.join(path)).collect(),
            channels: maps.map(|map| map.parse().unwrap()).collect(),
            pixel_size_um: Some(0.5),
            wanted: wanted.to_vec(),
        };
        ReplaySource::open(&request)
            .err()
            .map(|error| (error.kind(), error.to_string()))
    };
    type Case<'a> = (&'a [&'a str], &'a [&'a str], ErrorKind, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (
            &["plain-u2-le.tif"],
            &[],
            ErrorKind::Request,
            &[
                "plain-u2-le.tif",
                "SRS, TPEF, TRANS",
                "2 planes",
                "--channel SRS=",
            ],
        ),
        (
            &["imagej-le.tif"],
            &["SRS=#0", "TPEF=#1"],
            ErrorKind::Request,
            &["TRANS", "#2 without a name", "--channel TRANS=#0"],
        ),
        (
            &["imagej-le.tif"],
            &["SRS=#3", "TPEF=#1", "TRANS=#2"],
            ErrorKind::Request,
            &["#3", "3 channel(s)", "begin at 0"],
        ),
        (
            &["micro-manager.tif"],
            &["SHG=#0"],
            ErrorKind::Request,
            &["SHG", "wanted are SRS, TPEF, TRANS"],
        ),
        (
            &["micro-manager.tif"],
            &["SRS=#0", "SRS=#1"],
            ErrorKind::Request,
            &["SRS is mapped twice"],
        ),
        (
            &[],
            &["SRS=@pages.tif#0", "TPEF=@pages.tif#1"],
            ErrorKind::Request,
            &["TRANS", "--channel TRANS=FILE"],
        ),
        (
            &[],
            &["SRS=#0", "TPEF=#1", "TRANS=#2"],
            ErrorKind::Request,
            &["without a file", "SRS=FILE#0"],
        ),
        (
            &[],
            &[
                "SRS=@imagej-le.tif",
                "TPEF=@pages.tif#0",
                "TRANS=@pages.tif#0",
            ],
            ErrorKind::Request,
            &["3 channels", "imagej-le.tif#0"],
        ),
        (
            &[],
            &["SRS=@pages.tif", "TPEF=@pages.tif#0", "TRANS=@pages.tif#0"],
            ErrorKind::Request,
            &["SRS has 3 frames", "TPEF has 1"],
        ),
        (
            &["absent.tif"],
            &[],
            ErrorKind::NotFound,
            &["absent.tif does not exist"],
        ),
        (
            &["expected.json"],
            &[],
            ErrorKind::Malformed,
            &["expected.json", "not a TIFF"],
        ),
    ];
    for (paths, maps, kind, parts) in cases {
        let (found, message) = ask(paths, maps, &wanted).unwrap();
        assert_eq!(found, *kind, "{message}");
        for part in *parts {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
    }
    assert_eq!(ask(&["micro-manager.tif"], &[], &wanted), None);
    let (_, message) = ask(&[], &[], &[]).unwrap();
    assert!(message.contains("nothing to replay"), "{message}");
}
