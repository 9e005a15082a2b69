//! What each stage costs: `cargo bench --bench stages`, or with the beginning of a name for some of them.
//!
//! `frame/…` are of one frame, by pixels; each includes the one before. `cell/…` are of one cell. Compare them with
//! `cell/networks`. The frames differ in pixels and in cells, so that both slopes can be read.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench stops where it fails"
)]

mod frames;

use std::{hint::black_box, path::Path, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput};
use frames::{Field, Frames, Stages, manifest};
use ndarray::ArrayView3;
use senescope::stages::{
    assemble::FrameRow,
    combine::{combine, decided_class},
    explain::{explain, explain_in_full},
    infer::{EngineOptions, Ensemble, describe},
    quality::{self, QualityConfig},
};
use senescope_hal::{Strip, SystemClock};

/// Edge in pixels, pixel in µm, and the part that cells cover.
const FIELDS: [(u32, f64, f64); 8] = [
    (256, 0.25, 0.5),
    (512, 0.25, 0.5),
    (1024, 0.25, 0.5),
    (2048, 0.25, 0.5),
    // As many pixels with fewer cells, and with more.
    (1024, 0.25, 0.02),
    (1024, 0.5, 0.5),
    (2048, 0.25, 0.02),
    (2048, 0.8, 0.7),
];
const ENSEMBLE: &str = "models/ensemble";

/// Hands every row of a frame on.
fn assemble(stages: &mut Stages, strips: &[Strip], mut each: impl FnMut(FrameRow<'_>)) {
    for strip in strips {
        stages.assembler.push(strip, &mut each);
    }
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    let manifest = manifest(ENSEMBLE);
    for (edge, pixel_size_um, confluence) in FIELDS {
        let mut frames = Frames::new(Field {
            edge,
            pixel_size_um,
            confluence,
        });
        let mut stages = Stages::new(&frames.scan, &manifest);
        let mut cells = 0;
        stages.segment(frames.next(), |_| cells += 1);
        let pixels = u64::from(edge) * u64::from(edge);
        group.throughput(Throughput::Elements(pixels));
        let id = |stage| BenchmarkId::new(stage, format!("{edge}px, {cells} cells"));
        group.bench_function(id("assemble"), |bench| {
            bench.iter(|| {
                assemble(&mut stages, frames.next(), |row| {
                    black_box(row);
                });
            });
        });
        group.bench_function(id("correct"), |bench| {
            let mut corrector = stages.corrector.clone();
            bench.iter(|| {
                assemble(&mut stages, frames.next(), |row| {
                    black_box(corrector.apply(row));
                });
            });
        });
        group.bench_function(id("segment"), |bench| {
            bench.iter(|| stages.segment(frames.next(), |cell| drop(black_box(cell))));
        });
        group.bench_function(id("tile"), |bench| {
            bench.iter(|| stages.cut(frames.next(), |tile| drop(black_box(tile))));
        });
    }
}

fn cells(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cell");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(ENSEMBLE);
    let ensemble = Ensemble::load(&folder, &EngineOptions::default(), &SystemClock).unwrap();
    let manifest = ensemble.manifest();
    let mut frames = Frames::new(Field {
        edge: 512,
        pixel_size_um: 0.25,
        confluence: 0.5,
    });
    let mut stages = Stages::new(&frames.scan, manifest);
    let mut tiles = Vec::new();
    stages.cut(frames.next(), |tile| tiles.push(tile));
    let mut number = 0;
    let mut next = || {
        number = (number + 1) % tiles.len();
        &tiles[number]
    };

    let mut frame = None;
    assemble(&mut stages, frames.next(), |row| {
        if row.is_last() {
            frame = Some(row.frame().clone());
        }
    });
    let frame = frame.unwrap();
    group.bench_function("tile", |bench| {
        bench.iter(|| {
            let cell = Arc::clone(&next().cell);
            stages
                .cutter
                .cut(cell, |channel, row| frame.row(channel, row))
        });
    });
    group.bench_function("statistics", |bench| {
        bench.iter(|| describe(next().values.view()));
    });
    group.bench_function("ood", |bench| {
        // With its statistics.
        bench.iter(|| ensemble.ood(next().values.view()));
    });
    group.bench_function("quality", |bench| {
        let statistics: Vec<_> = tiles
            .iter()
            .map(|tile| describe(tile.values.view()))
            .collect();
        let mut both = tiles.iter().zip(&statistics).cycle();
        bench.iter(|| {
            let (tile, statistics) = both.next().unwrap();
            let mut flags = tile.cell.flags;
            let (values, names) = (tile.values.view(), &manifest.channels);
            let config = QualityConfig::default();
            quality::judge(&config, values, tile.window, statistics, names, &mut flags);
            flags
        });
    });
    let mut worker = ensemble.worker().unwrap();
    let mut outputs = |values: ArrayView3<'_, f32>| worker.run(values).unwrap();
    let said: Vec<_> = tiles
        .iter()
        .take(8)
        .map(|tile| outputs(tile.values.view()))
        .collect();
    let mut said = said.iter().cycle();
    group.bench_function("combine", |bench| {
        bench.iter(|| combine(manifest, said.next().unwrap(), Some(0.5)));
    });
    let class = |outputs| decided_class(manifest, &combine(manifest, outputs, None));
    group.bench_function("explain", |bench| {
        bench.iter(|| {
            let outputs = said.next().unwrap();
            explain(manifest, outputs, class(outputs))
        });
    });
    group.bench_function("explain_in_full", |bench| {
        bench.iter(|| {
            let outputs = said.next().unwrap();
            explain_in_full(manifest, outputs, class(outputs))
        });
    });
    group.bench_function("networks", |bench| {
        bench.iter(|| outputs(next().values.view()));
    });
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(10)
        .configure_from_args();
    frames(&mut criterion);
    cells(&mut criterion);
    criterion.final_summary();
}
