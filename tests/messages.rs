//! What is published has one example of each message in `tests/golden/messages`, as JSON: a change of a
//! field's name or type is a visible difference there.
//!
//! After a change that is meant, `cargo test --test messages -- --ignored` writes the examples anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the failure of the test"
)]

mod values;

use std::{fs, path::PathBuf, sync::Arc};

use senescope::{
    domain::{Latency, TileWindow},
    recording::RecordingFailure,
    stages::publish::{
        CamMessage, Finish, Header, Heartbeat, Kind, LabelMessage, Listeners, Message, Outbox, Run,
        RunEnd, RunSettings, RunState, Stat, Total, VERSION,
        message::{MessageError, decode, decode_header, encode},
    },
    stages::record::RecordingReport,
    telemetry::{Cost, Discard, Edge, FrameQuality, Latencies},
};
use senescope_hal::{Clock, FrameSource, HostInstant, serial::ClockFit};
use serde::{Serialize, de::DeserializeOwned};
use values::{cell, heatmap, identity, report, run_start, verdict};

fn header(kind: Kind) -> Header {
    Header {
        v: VERSION,
        kind,
        epoch: "0123456789abcdef0123456789abcdef".to_owned(),
        seq: 7,
        run: Some("00000000000000000000000000000001".to_owned()),
        t_acq_ns: (kind == Kind::Label || kind == Kind::Cam).then_some(HostInstant(1_000_000)),
        t_pub_ns: HostInstant(1_500_000),
        model: Some("m0".to_owned()),
        config: Some("c0".to_owned()),
    }
}

fn message<Body>(kind: Kind, body: Body) -> Message<Body> {
    Message {
        header: header(kind),
        body,
    }
}

fn label() -> LabelMessage {
    let latency_ns = [("infer".to_owned(), 250_000), ("total".to_owned(), 500_000)];
    LabelMessage {
        source: Some(FrameSource {
            file: "/data/scan/0003.ome.tif".to_owned(),
            size: 1_574_000,
            modified_ns: 1_700_000_000_000_000_000,
            index: 2,
            maybe_repeated: false,
        }),
        ..LabelMessage::new(&cell(2, 5), &verdict(0.875), 0.5, None, latency_ns.into())
    }
}

fn cam() -> CamMessage {
    let window = TileWindow {
        x: -1.5,
        y: 2.0,
        size: 128.0,
    };
    let mut cam = CamMessage::new(7, &cell(2, 5), window, &heatmap(4), None);
    cam.payload.clear();
    cam
}

fn end() -> RunEnd {
    let outbox = Outbox::disabled(Arc::new(Still));
    outbox.run_start(identity(1), run_start()).unwrap();
    outbox.label(label()).unwrap();
    outbox.run_end(report(Finish::Completed)).unwrap()
}

fn stat() -> Stat {
    let edge = Edge::new("tiles");
    edge.enter(3);
    edge.leave(2);
    edge.discard(Discard::EngineBusy, 1);
    let mut latencies = Latencies::default();
    let measured = Latency {
        total_ns: 2_000_000,
        ..Latency::default()
    };
    latencies.record(&measured, true);
    let mut latency = latencies.report().stages;
    latency.retain(|stage, _| stage == "total");
    Stat {
        recording: Some(RecordingReport {
            folder: "/data/2024-02-29T12-00-00-01234567".to_owned(),
            frames: 2,
            labels: 5,
            failure: Some(RecordingFailure::DiskFull),
            detail: Some("frame 2 cannot be recorded: the disk is full".to_owned()),
        }),
        quality: FrameQuality {
            frame: 3,
            cells: 14,
            missing_rows: 0,
            flags: [("saturated".to_owned(), 9)].into(),
        },
        warnings: vec![
            "frame 3: 9 of 14 cells are saturated: lower the gain or the power".to_owned(),
        ],
        frames: 1,
        labels_before_frame_end: 1,
        edges: vec![edge.counts()],
        latency,
        spent: [(
            "infer".to_owned(),
            Cost {
                count: 7,
                cpu_ns: 16_000_000,
                wall_ns: 17_000_000,
            },
        )]
        .into(),
        queues: [("publish.maps".to_owned(), Default::default())].into(),
        board: [("resumed".to_owned(), 1)].into(),
        clock: Some(ClockFit {
            offset_ns: -5e9,
            drift_ppm: 12.5,
            residual_ns: 4096.0,
            exchange_ns: 131_072,
            points: 64,
        }),
    }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        last_seq: [(Kind::Label, 3), (Kind::Cam, 0)].into(),
        shed: 0,
        state: RunState::Running,
        listeners: Listeners { labels: 1, maps: 2 },
    }
}

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> HostInstant {
        HostInstant(0)
    }
}

/// Through CBOR and back, and then to JSON.
fn example<Body>(message: &Message<Body>) -> String
where
    Body: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let bytes = encode(message).unwrap();
    assert_eq!(decode_header(&bytes).unwrap(), message.header);
    assert_eq!(&decode::<Body>(&bytes).unwrap(), message);
    let value: ciborium::Value = ciborium::from_reader(bytes.as_slice()).unwrap();
    let mut json = serde_json::to_string_pretty(&value).unwrap();
    json.push('\n');
    json
}

fn examples() -> Vec<(&'static str, String)> {
    vec![
        (
            "run_start",
            example(&message(Kind::Run, Run::Start(run_start()))),
        ),
        (
            "run_settings",
            example(&message(
                Kind::Run,
                Run::Settings(RunSettings {
                    frame: 12,
                    changed: [("segment.threshold_noise".to_owned(), 5.5.into())].into(),
                }),
            )),
        ),
        ("run_end", example(&message(Kind::Run, Run::End(end())))),
        ("label", example(&message(Kind::Label, label()))),
        ("cam", example(&message(Kind::Cam, cam()))),
        ("stat", example(&message(Kind::Stat, stat()))),
        ("hb", example(&message(Kind::Hb, heartbeat()))),
    ]
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", "messages"]
        .iter()
        .collect::<PathBuf>()
        .join(format!("{name}.json"))
}

#[test]
fn every_message_is_as_its_example() {
    for (name, example) in examples() {
        let golden = fs::read_to_string(path(name)).unwrap_or_default();
        assert_eq!(golden, example, "{name}");
    }
}

#[test]
#[ignore = "writes the examples"]
fn write_the_examples() {
    for (name, example) in examples() {
        fs::write(path(name), example).unwrap();
    }
}

#[test]
fn another_version_and_what_is_no_message_are_refused() {
    let mut message = message(Kind::Hb, heartbeat());
    message.header.v = VERSION + 1;
    let error = decode_header(&encode(&message).unwrap()).unwrap_err();
    assert!(
        matches!(error, MessageError::Version { found: 2 }),
        "{error}"
    );
    for bytes in [
        &[][..],
        &[0xff],
        &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let error = decode_header(bytes).unwrap_err();
        assert!(matches!(error, MessageError::Decode { .. }), "{error}");
    }
}

#[test]
fn a_map_is_refused_when_its_payload_is_not_what_it_describes() {
    let described = cam();
    assert_eq!(described.samples(&[0; 64]).unwrap(), [0.0; 16]);
    assert!(described.samples(&[0; 63]).is_none());
    let huge = CamMessage {
        shape: [u32::MAX, u32::MAX],
        ..described.clone()
    };
    assert!(huge.samples(&[0; 64]).is_none());
    let other = CamMessage {
        dtype: "<f8".to_owned(),
        ..described
    };
    assert!(other.samples(&[0; 64]).is_none());
}

#[test]
fn an_outbox_without_sockets_counts_all_the_same() {
    let end = end();
    let one = Total {
        assigned: 1,
        last_seq: 1,
        sent: 1,
        shed: 0,
    };
    assert_eq!(end.totals[&Kind::Label], one);
    assert_eq!(end.totals[&Kind::Cam], Total::default());
    assert!(end.edges.iter().all(|edge| edge.inside() == 0));
}
