//! The simulated board delivers exactly what the scan rendered, whatever the strips, and its faults show.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use senescope_hal::{
    ChannelName, ErrorKind, Gap, GapCause, ReadEvent, ScanRequest, Session, Strip, SystemClock,
    sim::{Fault, FaultKind, RenderRequest, RenderedFrame, SimBoard, SimConfig, Speed, render},
};

const WIDTH: usize = 64;
const HEIGHT: usize = 48;

fn request(strip_rows: u32) -> ScanRequest {
    ScanRequest {
        width: Some(WIDTH as u32),
        height: Some(HEIGHT as u32),
        pixel_size_um: Some(0.8),
        dwell_ns: Some(2_000),
        strip_rows: Some(strip_rows),
        frames: Some(2),
        ..ScanRequest::default()
    }
}

fn config(faults: Vec<Fault>) -> SimConfig {
    SimConfig {
        speed: Speed::AsFastAsPossible,
        faults,
        ..SimConfig::default()
    }
}

fn running(config: SimConfig, request: &ScanRequest) -> Session {
    let board = Box::new(SimBoard::new(config));
    let mut session = Session::new(board, Arc::new(SystemClock), 1 << 24);
    session.configure(request).unwrap();
    session.arm().unwrap();
    session.start().unwrap();
    session
}

fn next(session: &mut Session) -> ReadEvent {
    let deadline = session.now().after(Duration::from_secs(60));
    session.read(deadline).unwrap()
}

/// Both frames, three planes each, odd rows turned into image order; and the gaps.
fn scan(config: SimConfig, request: &ScanRequest) -> (Vec<[Vec<u16>; 3]>, Vec<Gap>) {
    let mut session = running(config, request);
    let blank = || [0; 3].map(|_: u16| vec![0; WIDTH * HEIGHT]);
    let mut frames = vec![blank(), blank()];
    let mut gaps = Vec::new();
    loop {
        match next(&mut session) {
            ReadEvent::Strip(strip) => place(&strip, &mut frames[strip.header.frame as usize]),
            ReadEvent::Gap(gap) => gaps.push(gap),
            ReadEvent::EndOfRun => return (frames, gaps),
            ReadEvent::Idle => panic!("idle"),
        }
    }
}

fn place(strip: &Strip, planes: &mut [Vec<u16>; 3]) {
    for row in 0..strip.header.rows {
        let y = (strip.header.first_row + row) as usize;
        for (channel, plane) in planes.iter_mut().enumerate() {
            let mut line = strip.row(row, channel).unwrap().to_vec();
            if strip.header.odd_rows_reversed && y % 2 == 1 {
                line.reverse();
            }
            plane[y * WIDTH..][..WIDTH].copy_from_slice(&line);
        }
    }
}

fn rendered(frame: u64, faults: Vec<Fault>) -> RenderedFrame {
    let config = config(Vec::new());
    let request = RenderRequest {
        frame,
        width: WIDTH as u32,
        height: HEIGHT as u32,
        pixel_size_um: 0.8,
        dwell_ns: 2_000,
        bidirectional: true,
        faults,
    };
    render(&config.dish, &request)
}

fn all_along(kind: FaultKind) -> Fault {
    Fault {
        kind,
        frame: 0,
        row: 0,
        rows: None,
    }
}

fn mean(plane: &[u16]) -> f64 {
    plane.iter().map(|&sample| f64::from(sample)).sum::<f64>() / plane.len() as f64
}

/// Fine contrast without noise: mean product of the differences of neighbours in a row and in the next.
fn fine(plane: &[u16]) -> f64 {
    let rows: Vec<Vec<f64>> = plane
        .chunks_exact(WIDTH)
        .map(|row| {
            row.windows(2)
                .map(|pair| f64::from(pair[1]) - f64::from(pair[0]))
                .collect()
        })
        .collect();
    let products = rows
        .windows(2)
        .flat_map(|pair| pair[0].iter().zip(&pair[1]).map(|(one, next)| one * next));
    products.sum::<f64>() / plane.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_what_was_rendered(strip_rows in 1_u32..60) {
        let (frames, gaps) = scan(config(Vec::new()), &request(strip_rows));
        prop_assert!(gaps.is_empty());
        for (index, frame) in (0_u64..).zip(&frames) {
            prop_assert_eq!(frame, &rendered(index, Vec::new()).channels);
        }
    }
}

#[test]
fn channels_come_as_asked_for_in_the_order_of_the_board() {
    let request = ScanRequest {
        channels: vec![ChannelName::trans(), ChannelName::srs()],
        ..request(48)
    };
    let board = Box::new(SimBoard::new(config(Vec::new())));
    let mut session = Session::new(board, Arc::new(SystemClock), 1 << 24);
    let actual = session.configure(&request).unwrap();
    let names: Vec<_> = actual.channels.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["SRS", "TRANS"]);
    session.arm().unwrap();
    session.start().unwrap();
    let ReadEvent::Strip(strip) = next(&mut session) else {
        panic!("no strip");
    };
    let whole = rendered(0, Vec::new());
    assert_eq!(strip.row(0, 1).unwrap(), &whole.channels[2][..WIDTH]);
}

#[test]
fn what_cannot_be_scanned_is_refused_by_name() {
    let mut session = Session::new(
        Box::new(SimBoard::new(config(Vec::new()))),
        Arc::new(SystemClock),
        1 << 24,
    );
    let refused = [
        (
            ScanRequest {
                width: Some(1),
                ..request(8)
            },
            "width",
        ),
        (
            ScanRequest {
                dwell_ns: Some(1),
                ..request(8)
            },
            "dwell",
        ),
        (
            ScanRequest {
                pixel_size_um: Some(f64::NAN),
                ..request(8)
            },
            "pixel size",
        ),
        (
            ScanRequest {
                strip_rows: Some(0),
                ..request(8)
            },
            "strip",
        ),
        (
            ScanRequest {
                channels: vec!["DAPI".into()],
                ..request(8)
            },
            "DAPI",
        ),
    ];
    for (request, word) in refused {
        let error = session.configure(&request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_live_scan_gives_no_row_before_it_was_scanned() {
    let config = SimConfig {
        speed: Speed::Real(2.0),
        ..config(Vec::new())
    };
    let line_ns = config.dish.instrument.line_period_ns(WIDTH as u32, 2_000);
    let mut session = Session::new(
        Box::new(SimBoard::new(config)),
        Arc::new(SystemClock),
        1 << 24,
    );
    session.configure(&request(10)).unwrap();
    session.arm().unwrap();
    let before = session.now();
    session.start().unwrap();
    let mut strips = 0;
    while let ReadEvent::Strip(strip) = next(&mut session) {
        let header = &strip.header;
        let rows = header.frame * HEIGHT as u64 + u64::from(header.first_row + header.rows);
        let earliest = before.after(Duration::from_nanos(rows * line_ns / 2));
        assert!(header.received >= earliest, "{header:?}");
        strips += 1;
    }
    assert_eq!(strips, 10);
}

#[test]
fn faults_of_the_detectors_show_in_their_channels_and_nowhere_else() {
    let sound = rendered(1, Vec::new());
    let with = |kind| rendered(1, vec![all_along(kind)]);
    let dish = config(Vec::new()).dish;
    let instrument = &dish.instrument;
    let full = instrument.full_scale();

    let lost = with(FaultKind::LostOverlap);
    let noise = 0.2 * instrument.srs.gain_counts;
    assert!((mean(&lost.channels[0]) - instrument.srs.offset_counts).abs() < noise);
    assert_eq!(lost.channels[1..], sound.channels[1..]);

    let trip = with(FaultKind::PmtTrip);
    assert!((mean(&trip.channels[1]) - instrument.tpef.offset_counts).abs() < 1.0);
    assert_eq!(trip.channels[0], sound.channels[0]);

    let flooded = with(FaultKind::PmtSaturation);
    assert!(flooded.channels[1].iter().all(|&sample| sample == full));

    let blocked = with(FaultKind::BlockedBeam);
    for plane in 0..3 {
        assert!(
            mean(&blocked.channels[plane]) < mean(&sound.channels[plane]),
            "{plane}"
        );
    }

    let swapped = with(FaultKind::SwappedChannels);
    assert_eq!(swapped.channels[0], sound.channels[1]);
    assert_eq!(swapped.channels[1], sound.channels[0]);

    let stuck = with(FaultKind::StuckBit { bit: 9 });
    assert!(
        stuck
            .channels
            .iter()
            .flatten()
            .all(|sample| sample & (1 << 9) != 0)
    );

    let soft = with(FaultKind::Defocus { nm: 8_000 });
    assert_eq!(with(FaultKind::Defocus { nm: 0 }), sound);
    // Transmission gains contrast by defocus.
    for plane in 0..2 {
        let [sharp, soft] = [&sound, &soft].map(|frame| fine(&frame.channels[plane]));
        assert!(soft < 0.8 * sharp, "{plane}: {soft} {sharp}");
    }

    let loud = with(FaultKind::Gain { percent: 800 });
    assert_eq!(with(FaultKind::Gain { percent: 100 }), sound);
    let clipped = |frame: &RenderedFrame| {
        let samples = frame.channels.iter().flatten();
        samples.filter(|sample| **sample == full).count()
    };
    assert!(clipped(&loud) > 10 * clipped(&sound).max(10));

    for faulty in [
        &lost, &trip, &flooded, &blocked, &swapped, &stuck, &soft, &loud,
    ] {
        assert_eq!(faulty.truth, sound.truth);
    }
}

#[test]
fn a_fault_begins_and_ends_at_its_rows() {
    let fault = Fault {
        kind: FaultKind::PmtSaturation,
        frame: 0,
        row: 40,
        rows: Some(20),
    };
    let full = config(Vec::new()).dish.instrument.full_scale();
    for (frame, rows) in [(0, 40..48), (1, 0..12)] {
        let image = rendered(frame, vec![fault]);
        for row in 0..HEIGHT {
            let line = &image.channels[1][row * WIDTH..][..WIDTH];
            let flooded = line.iter().all(|&sample| sample == full);
            assert_eq!(flooded, rows.contains(&row), "frame {frame} row {row}");
        }
    }
}

#[test]
fn dropped_lines_are_a_gap_and_the_rest_is_whole() {
    let fault = Fault {
        kind: FaultKind::DroppedLines,
        frame: 0,
        row: 45,
        rows: Some(5),
    };
    let (frames, gaps) = scan(config(vec![fault]), &request(7));
    let lost: Vec<_> = gaps
        .iter()
        .map(|gap| (gap.frame, gap.first_row, gap.rows, gap.cause))
        .collect();
    assert_eq!(
        lost,
        [
            (0, 45, 3, GapCause::BoardOverrun),
            (1, 0, 2, GapCause::BoardOverrun)
        ]
    );
    let whole = rendered(0, Vec::new());
    assert_eq!(frames[0][0][..45 * WIDTH], whole.channels[0][..45 * WIDTH]);
}

#[test]
fn a_saturated_strip_and_a_strip_after_loss_say_so() {
    let drop = Fault {
        kind: FaultKind::DroppedLines,
        frame: 0,
        row: 0,
        rows: Some(8),
    };
    let faults = vec![drop, all_along(FaultKind::PmtSaturation)];
    let mut session = running(config(faults), &request(8));
    assert!(matches!(next(&mut session), ReadEvent::Gap(_)));
    let ReadEvent::Strip(strip) = next(&mut session) else {
        panic!("no strip");
    };
    assert!(strip.header.flags.saturated && strip.header.flags.overrun);
    assert_eq!((strip.header.lost_rows, strip.header.sequence), (8, 0));
}

#[test]
fn a_stalled_board_is_idle_and_then_goes_on() {
    let fault = Fault {
        kind: FaultKind::Stalled { ms: 500 },
        frame: 0,
        row: 16,
        rows: Some(1),
    };
    let mut session = running(config(vec![fault]), &request(16));
    assert!(matches!(next(&mut session), ReadEvent::Strip(_)));
    let soon = session.now().after(Duration::from_millis(1));
    assert!(matches!(session.read(soon).unwrap(), ReadEvent::Idle));
    assert!(matches!(next(&mut session), ReadEvent::Strip(_)));
}

#[test]
fn a_board_that_is_unplugged_stays_gone_and_still_gives_its_totals() {
    let fault = Fault {
        kind: FaultKind::Disconnect,
        frame: 1,
        row: 0,
        rows: Some(1),
    };
    let mut session = running(config(vec![fault]), &request(48));
    assert!(matches!(next(&mut session), ReadEvent::Strip(_)));
    let deadline = session.now().after(Duration::from_secs(60));
    let error = session.read(deadline).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert_eq!(session.disarm().unwrap().rows_delivered, 48);
    assert_eq!(session.arm().unwrap_err().kind(), ErrorKind::Disconnected);
}

/// At a speed that rendering cannot follow the clock claims many frames; a stop ends with the one that is
/// there.
#[test]
fn a_stop_does_not_owe_what_was_never_rendered() {
    let fast = SimConfig {
        speed: Speed::Real(1000.0),
        ..SimConfig::default()
    };
    let endless = ScanRequest {
        frames: None,
        ..request(8)
    };
    let mut session = running(fast, &endless);
    assert!(matches!(next(&mut session), ReadEvent::Strip(_)));
    crossbeam_channel::after(Duration::from_millis(500))
        .recv()
        .unwrap();
    session.stop().unwrap();
    while !matches!(next(&mut session), ReadEvent::EndOfRun) {}
    assert!(session.disarm().unwrap().rows_scanned <= HEIGHT as u64);
}
