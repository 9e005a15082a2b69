//! A frame that a recorder wrote is replayed from its file as it was acquired, and never joined to another recording.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::Path;

use common::play;
use senescope_hal::{
    ChannelInfo, ChannelName, ErrorKind, Gap, GapCause, HalError, RunId,
    ome::{FrameRecord, OmeImage, write_ome_tiff},
    replay::{ReplayRequest, ReplaySource},
};

const WIDTH: u32 = 6;
const HEIGHT: u32 = 12;

fn infos() -> [ChannelInfo; 2] {
    [(ChannelName::srs(), 14), (ChannelName::tpef(), 12)]
        .map(|(name, bits)| ChannelInfo::counts(name, bits))
}

fn write(path: &Path, record: Option<FrameRecord>) {
    let counts: Vec<u16> = (0..(WIDTH * HEIGHT) as u16).collect();
    let image = OmeImage {
        width: WIDTH,
        height: HEIGHT,
        pixel_size_um: 0.5,
        channels: infos()
            .into_iter()
            .map(|info| (info, &counts[..]))
            .collect(),
        dwell_ns: None,
        line_period_ns: None,
        record,
        notes: Vec::new(),
    };
    write_ome_tiff(path, &image).unwrap();
}

fn record(run: u128, frame: u64) -> FrameRecord {
    FrameRecord {
        run: RunId::from_bits(run),
        frame,
        field: 3,
        ticks_first_row: Some(70),
        missing: vec![0..1, 4..7, 11..12],
    }
}

fn open(folder: &Path) -> Result<ReplaySource, HalError> {
    ReplaySource::open(&ReplayRequest {
        paths: vec![folder.to_owned()],
        ..ReplayRequest::default()
    })
}

#[test]
fn missing_rows_field_and_bit_depths_come_back() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("1.ome.tif"), Some(record(1, 7)));
    write(
        &folder.path().join("2.ome.tif"),
        Some(FrameRecord {
            missing: Vec::new(),
            ..record(1, 9)
        }),
    );
    let source = open(folder.path()).unwrap();
    assert_eq!(source.channels(), infos());
    let played = play(source);
    // The replay cuts strips of five rows.
    let gap = |first_row, rows| Gap {
        frame: 0,
        field: 3,
        first_row,
        rows,
        cause: GapCause::SourceIncomplete,
    };
    assert_eq!(played.gaps, [gap(0, 1), gap(4, 1), gap(5, 2), gap(11, 1)]);
    let (rows, lost) = (played.summary.rows_scanned, played.summary.rows_lost);
    assert_eq!((rows, lost), (u64::from(HEIGHT) * 2, 5));
    assert_eq!(played.frames[0][0][WIDTH as usize], WIDTH as u16);
}

#[test]
fn recordings_are_not_joined() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("1.ome.tif"), Some(record(1, 0)));
    for other in [Some(record(2, 1)), None] {
        write(&folder.path().join("2.ome.tif"), other);
        let error = open(folder.path()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Request);
        assert!(
            error.to_string().contains("not of one recording"),
            "{error}"
        );
    }
    write(&folder.path().join("2.ome.tif"), Some(record(1, 1)));
    assert_eq!(open(folder.path()).unwrap().frames(), 2);
}
