//! After warm-up the stages take no memory: what a cell is handed on in comes from pools, and returns to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

#[path = "bench/frames.rs"]
mod frames;

use allocation_counter::{AllocationInfo, measure};
use frames::{Field, Frames, Stages, manifest};
use ndarray::{Array2, Array3};
use senescope::{
    domain::Tile,
    stages::{
        combine::combine,
        explain::{explain, explain_in_full},
        infer::{Manifest, MemberOutput, describe},
        quality::{self, QualityConfig},
    },
};

const WARM_UP: usize = 3;

/// What `work` allocates once it has been done a few times.
fn after_warm_up(mut work: impl FnMut()) -> AllocationInfo {
    (0..WARM_UP).for_each(|_| work());
    measure(work)
}

fn field(confluence: f64, pixel_size_um: f64) -> Field {
    Field {
        edge: 400,
        pixel_size_um,
        confluence,
    }
}

fn tiny() -> Manifest {
    manifest("tests/golden/tiny")
}

#[test]
fn rows_cost_nothing() {
    for (confluence, pixel_size_um) in [(0.0, 0.25), (0.5, 0.25), (0.8, 0.2), (0.8, 0.5)] {
        let mut frames = Frames::new(field(confluence, pixel_size_um));
        let mut stages = Stages::new(&frames.scan, &tiny());
        let mut cells = 0;
        let spent = after_warm_up(|| {
            cells = 0;
            stages.segment(frames.next(), |_| cells += 1);
        });
        assert!(confluence == 0.0 || cells > 5, "{cells} cells");
        assert_eq!(
            spent.count_total, 0,
            "{cells} cells of {pixel_size_um} µm: {spent:?}"
        );
    }
}

/// The one is the shared cell that the tile carries.
#[test]
fn a_tile_costs_one_allocation() {
    let mut frames = Frames::new(field(0.6, 0.25));
    let mut stages = Stages::new(&frames.scan, &tiny());
    let mut cells = 0;
    let spent = after_warm_up(|| {
        cells = 0;
        stages.cut(frames.next(), |_| cells += 1);
    });
    assert!(cells > 5, "{cells} cells");
    assert_eq!(spent.count_total, cells, "{spent:?}");
}

/// Tiles leave through another thread, and some are kept.
#[test]
fn what_returns_from_elsewhere_is_used_again() {
    let mut frames = Frames::new(field(0.6, 0.25));
    let mut stages = Stages::new(&frames.scan, &tiny());
    let mut kept: Vec<Tile> = Vec::new();
    let (give, take) = crossbeam_channel::bounded::<Tile>(64);
    let (answer, dropped) = crossbeam_channel::bounded(64);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for tile in take {
                drop(tile);
                answer.send(()).unwrap();
            }
        });
        let mut one = || {
            let mut cells = 0;
            stages.cut(frames.next(), |tile| {
                cells += 1;
                give.send(tile).unwrap();
                // A wait would take memory of its own.
                while dropped.try_recv().is_err() {
                    std::thread::yield_now();
                }
            });
            cells
        };
        let mut cells = 0;
        let spent = after_warm_up(|| cells = one());
        assert!(spent.count_total <= cells, "{cells} cells: {spent:?}");
        drop(give);
    });
    stages.cut(frames.next(), |tile| kept.push(tile));
    let before = kept.clone();
    stages.cut(frames.next(), drop);
    // Nobody writes into what somebody still has.
    for (kept, before) in kept.iter().zip(&before) {
        assert_eq!(kept.values, before.values);
        assert_eq!(kept.cell, before.cell);
    }
}

fn outputs(manifest: &Manifest) -> Vec<MemberOutput> {
    let mut state = 1_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let members = manifest.members.iter();
    members
        .map(|_| MemberOutput {
            logits: [random(), random()],
            features: Some(Array3::from_shape_simple_fn((320, 4, 4), &mut random)),
            cam_weights: Some(Array2::from_shape_simple_fn((2, 320), &mut random)),
        })
        .collect()
}

/// What is left is a few dozen bytes each: the list of statistics, names, and lists of members and of maps.
#[test]
fn what_is_said_of_a_cell_costs_names_and_short_lists() {
    let manifest = manifest("models/ensemble");
    let members = manifest.members.len() as u64;
    let mut frames = Frames::new(field(0.5, 0.25));
    let mut stages = Stages::new(&frames.scan, &manifest);
    let mut tile = None;
    stages.cut(frames.next(), |cut| tile = Some(cut));
    let tile = tile.unwrap();
    let outputs = outputs(&manifest);
    let spent = after_warm_up(|| drop(describe(tile.values.view())));
    assert_eq!((spent.count_total, spent.bytes_total), (1, 18 * 8));
    let statistics = describe(tile.values.view());
    let config = QualityConfig::default();
    let spent = after_warm_up(|| {
        let (values, names) = (tile.values.view(), &manifest.channels);
        let mut flags = tile.cell.flags;
        quality::judge(&config, values, tile.window, &statistics, names, &mut flags);
    });
    assert_eq!(spent.count_total, 0, "{spent:?}");
    let spent = after_warm_up(|| drop(combine(&manifest, &outputs, None)));
    assert_eq!(spent.count_total, 2 + members, "{spent:?}");
    let spent = after_warm_up(|| drop(explain(&manifest, &outputs, 1)));
    assert_eq!(spent.count_total, 1, "{spent:?}");
    // A name of the class and of the member each, and the list.
    let spent = after_warm_up(|| drop(explain_in_full(&manifest, &outputs, 1)));
    assert!(spent.count_total <= 2 + 3 * (members + 2), "{spent:?}");
    assert!(spent.bytes_total < 8192, "{spent:?}");
}
