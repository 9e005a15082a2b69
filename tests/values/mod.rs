//! Example values for everything that is published.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test crate uses a part"
)]

use std::collections::BTreeMap;

use ndarray::Array2;
use senescope::{
    domain::{Cell, CellFlags, Heatmap, HeatmapSource, Label, MemberVerdict, Rect, Verdict},
    stages::publish::{
        CLASSES, Finish, Kind, LabelMessage, Message, PublishConfig, RunIdentity, RunReport,
        RunStart,
    },
    telemetry::Edge,
};
use senescope_hal::{ChannelInfo, ChannelName, GapCause, Pacing, RunId, RunSummary, ScanActual};
use serde::{Deserialize, Serialize};

pub fn config() -> PublishConfig {
    let free = || "tcp://127.0.0.1:0".to_owned();
    PublishConfig {
        labels: free(),
        maps: free(),
        control: free(),
        ..PublishConfig::default()
    }
}

pub fn identity(run: u128) -> RunIdentity {
    RunIdentity {
        run: RunId::from_bits(run),
        model: "m0".to_owned(),
        config: "c0".to_owned(),
    }
}

pub fn run_start() -> RunStart {
    let channels = vec![
        ChannelInfo {
            dark_counts: Some(10.0),
            wavelength_nm: Some(797.2),
            ..ChannelInfo::counts(ChannelName::srs(), 16)
        },
        ChannelInfo::counts(ChannelName::tpef(), 12),
    ];
    RunStart {
        classes: CLASSES.map(str::to_owned).into(),
        members: vec!["efficientnet-lite0".to_owned()],
        channels: channels.clone(),
        pixel_size_um: 0.4,
        scan: ScanActual {
            width: 512,
            height: 512,
            pixel_size_um: 0.4,
            dwell_ns: Some(20_000),
            line_period_ns: None,
            bidirectional: true,
            strip_rows: 8,
            channels,
            clock_hz: 80_000_000,
            frames: Some(3),
            pacing: Pacing::Live,
        },
        ensemble: serde_json::json!({"name": "test", "version": "1", "members": [{"cam": true}]}),
        software: "0.0.0".to_owned(),
        started_utc: Some("2024-02-29T12:00:00Z".to_owned()),
    }
}

pub fn cell(frame: u64, id: u32) -> Cell {
    Cell {
        frame,
        field: 3,
        id,
        bbox: Rect {
            x: 10,
            y: 20,
            width: 2,
            height: 3,
        },
        mask: Array2::from_elem((3, 2), true).into(),
        centroid_px: [10.5, 21.0],
        area_px: 6,
        outline: vec![[10, 20], [11, 20], [11, 22], [10, 22]].into(),
        background: vec![100.0, 50.0].into(),
        decided_row: 50,
        flags: CellFlags {
            saturated: true,
            ..CellFlags::default()
        },
    }
}

pub fn verdict(p_senescent: f32) -> Verdict {
    Verdict {
        p_senescent,
        p_raw: 0.75,
        members: vec![MemberVerdict {
            name: "efficientnet-lite0".to_owned(),
            p_senescent: 0.75,
        }],
        spread: 0.0,
        entropy: 0.5,
        mutual_information: 0.0,
        ood: None,
        label: Label::Senescent,
        set: [false, true],
        abstain: false,
    }
}

pub fn heatmap(pixels: usize) -> Heatmap {
    let scale = (pixels * pixels) as f32;
    Heatmap {
        class: "senescent".to_owned(),
        source: HeatmapSource::Mean,
        values: Array2::from_shape_fn((pixels, pixels), |(row, column)| {
            (row * pixels + column) as f32 / scale
        })
        .into(),
        range: (0.0, 2.5),
    }
}

pub fn report(finish: Finish) -> RunReport {
    let edge = Edge::new("tiles");
    edge.enter(4);
    edge.leave(4);
    RunReport {
        finish,
        detail: None,
        rows: RunSummary {
            frames: 3,
            rows_scanned: 1536,
            rows_delivered: 1535,
            rows_lost: 1,
        },
        gaps: [(GapCause::Link, 1)].into(),
        edges: vec![edge.counts()],
    }
}

pub fn cbor_bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The answer to `snapshot`, as a subscriber reads it.
#[derive(Deserialize)]
pub struct Snapshot {
    pub ok: bool,
    pub epoch: String,
    pub last_seq: BTreeMap<Kind, u64>,
    pub run_start: Option<ciborium::Value>,
    pub labels: Vec<Message<LabelMessage>>,
    pub run_end: Option<ciborium::Value>,
}
