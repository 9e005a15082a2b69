//! The committed ensemble: it computes what its makers computed, in every form and in every thread.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use std::path::Path;

use ndarray::Array3;
use senescope::stages::{
    combine::{combine, decided_class},
    explain::explain,
    infer::{
        EngineOptions, Ensemble, MemberOutput, TOLERANCE, TransformChoice, check, check_golden,
    },
};
use senescope_hal::SystemClock;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/ensemble"))
}

fn load(transform: TransformChoice) -> Ensemble {
    Ensemble::load(
        folder(),
        &EngineOptions {
            transform,
            ..EngineOptions::default()
        },
        &SystemClock,
    )
    .unwrap()
}

/// The golden tiles, and some that look like no cell.
fn tiles(ensemble: &Ensemble) -> Vec<Array3<f32>> {
    let pixels = ensemble.manifest().tile.pixels;
    let channels = ensemble.manifest().channels.len();
    let golden = ensemble.golden_tiles();
    let golden = golden.outer_iter().map(|tile| tile.to_owned());
    (0..6)
        .map(|seed| {
            Array3::from_shape_fn((channels, pixels, pixels), |(c, y, x)| {
                let (y, x) = (y as f32 - 64.0, x as f32 - 60.0);
                let radius = (y * y + x * x).sqrt() / (20.0 + 5.0 * seed as f32);
                (1.0 - radius).max(0.0) * (0.3 + 0.2 * c as f32) * (1.0 + (x * 0.7).sin() * 0.3)
            })
        })
        .chain(golden)
        .collect()
}

fn outputs(ensemble: &Ensemble, tiles: &[Array3<f32>]) -> Vec<Vec<MemberOutput>> {
    let mut worker = ensemble.worker().unwrap();
    tiles
        .iter()
        .map(|tile| worker.run(tile.view()).unwrap())
        .collect()
}

#[test]
fn golden_vectors_are_reproduced_in_every_form() {
    for transform in [
        TransformChoice::Plain,
        TransformChoice::Nhwc,
        TransformChoice::Auto,
    ] {
        let deviations = check_golden(&load(transform), usize::MAX).unwrap().members;
        println!("{transform:?}: {deviations:?}");
        assert!(deviations.iter().all(|member| {
            member.logits.value <= TOLERANCE && member.map.unwrap().value <= TOLERANCE
        }));
    }
}

#[test]
fn the_check_reports_what_was_loaded() {
    let report = check(folder(), &EngineOptions::default(), &SystemClock).unwrap();
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    assert!(report.passed());
    assert_eq!(report.tile, [3, 128, 128]);
    assert!(report.members.iter().all(|member| member.timing.is_some()));
}

/// The choice between the forms is by time, so it may change nothing for the members that we ship.
#[test]
fn the_forms_agree_to_the_last_bit() {
    let plain = load(TransformChoice::Plain);
    let tiles = tiles(&plain);
    let plain = outputs(&plain, &tiles);
    let nhwc = outputs(&load(TransformChoice::Nhwc), &tiles);
    let worst = plain
        .iter()
        .flatten()
        .zip(nhwc.iter().flatten())
        .flat_map(|(a, b)| a.logits.into_iter().zip(b.logits))
        .fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    println!("largest difference of a logit: {worst:e}");
    assert!(worst < 1e-5, "{worst}");
    assert!(plain == nhwc, "some bit differs");
}

#[test]
fn threads_change_no_bit() {
    let ensemble = load(TransformChoice::Nhwc);
    let tiles = tiles(&ensemble);
    let alone = outputs(&ensemble, &tiles);
    for threads in [2, 4] {
        let together: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| outputs(&ensemble, &tiles)))
                .collect();
            workers.into_iter().map(|w| w.join().unwrap()).collect()
        });
        assert!(together.iter().all(|outputs| *outputs == alone));
    }
    // The order in which tiles come does not matter either.
    let mut reversed = tiles.clone();
    reversed.reverse();
    let mut turned = outputs(&ensemble, &reversed);
    turned.reverse();
    assert!(turned == alone, "the order changed a bit");
    // Loading again does not matter.
    assert!(outputs(&load(TransformChoice::Nhwc), &tiles) == alone);
}

#[test]
fn a_tile_has_a_verdict_and_a_map() {
    let ensemble = load(TransformChoice::Nhwc);
    let tiles = tiles(&ensemble);
    for (tile, outputs) in tiles.iter().zip(outputs(&ensemble, &tiles)) {
        let verdict = combine(ensemble.manifest(), &outputs, ensemble.ood(tile.view()));
        let class = decided_class(ensemble.manifest(), &verdict);
        let map = explain(ensemble.manifest(), &outputs, class).unwrap();
        assert_eq!(map.values.dim(), (128, 128));
        assert!(map.values.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}
