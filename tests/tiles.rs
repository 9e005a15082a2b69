//! From strips to tiles on simulated frames: how the rows arrive changes no bit of a tile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use std::{path::Path, sync::Arc, time::Duration};

use senescope::{
    domain::Tile,
    stages::{
        assemble::Assembler,
        correct::Corrector,
        infer::Manifest,
        segment::{SegmentConfig, Segmenter},
        tile::Cutter,
    },
};
use senescope_hal::{
    ReadEvent, ScanRequest, Session, SystemClock,
    sim::{SimBoard, SimConfig, Speed},
};

fn manifest() -> Manifest {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/tiny/manifest.json"
    );
    Manifest::parse(&std::fs::read(path).unwrap(), Path::new(path)).unwrap()
}

/// The tiles of one simulated frame, each cut as soon as its cell is decided.
fn tiles(seed: u64, strip_rows: u32) -> Vec<Tile> {
    let config = SimConfig {
        speed: Speed::AsFastAsPossible,
        ..SimConfig::of_seed(seed)
    };
    let mut session = Session::new(
        Box::new(SimBoard::new(config)),
        Arc::new(SystemClock),
        1 << 22,
    );
    let scan = session
        .configure(&ScanRequest {
            width: Some(320),
            height: Some(320),
            strip_rows: Some(strip_rows),
            frames: Some(1),
            ..Default::default()
        })
        .unwrap();
    let names: Vec<_> = scan.channels.iter().map(|c| c.name.clone()).collect();
    let settings = SegmentConfig::default();
    let mut segmenter = Segmenter::new(
        &settings,
        scan.width,
        scan.height,
        scan.pixel_size_um,
        &names,
    )
    .unwrap();
    let mut assembler = Assembler::new(&scan);
    let mut corrector = Corrector::new(&scan);
    let mut cutter = Cutter::new(&manifest(), &scan).unwrap();
    let mut tiles = Vec::new();
    session.arm().unwrap();
    session.start().unwrap();
    loop {
        match session
            .read(session.now().after(Duration::from_secs(60)))
            .unwrap()
        {
            ReadEvent::Strip(strip) => assembler.push(&strip, |row| {
                let frame = row.frame();
                let mut cells = Vec::new();
                segmenter.push_row(&corrector.apply(row), &mut cells);
                tiles.extend(cells.into_iter().map(|cell| {
                    cutter.cut(Arc::new(cell), |channel, row| frame.row(channel, row))
                }));
            }),
            ReadEvent::EndOfRun => break,
            event => panic!("{event:?}"),
        }
    }
    session.disarm().unwrap();
    tiles
}

#[test]
fn strips_change_no_bit_of_a_tile() {
    let reference = tiles(7, 1);
    assert!(!reference.is_empty());
    for strip_rows in [7, 64, 320] {
        let found = tiles(7, strip_rows);
        assert_eq!(found.len(), reference.len());
        for (found, reference) in found.iter().zip(&reference) {
            assert_eq!(found.cell, reference.cell);
            assert_eq!(found.window, reference.window);
            assert!(found.values == reference.values, "cell {}", found.cell.id);
        }
    }
}

#[test]
fn the_look_ahead_covers_the_margin_of_the_tiles() {
    let tile = manifest().tile;
    for pixel_size_um in [0.1, 0.2, 0.4] {
        let rows = SegmentConfig::default()
            .look_ahead_rows(pixel_size_um)
            .unwrap();
        assert!(f64::from(rows) * pixel_size_um >= tile.margin_um + tile.taper_um);
    }
}

#[test]
fn another_scene_has_other_tiles() {
    let [one, other] = [7, 8].map(|seed| tiles(seed, 64));
    assert!(one.iter().zip(&other).any(|(a, b)| a.values != b.values));
}
