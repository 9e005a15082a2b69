//! The laws of a tile.

use std::{cell::Cell as Slot, ops::Range};

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use senescope_hal::Pacing;

use super::*;
use crate::{domain::CellFlags, stages::infer::testing::manifest};

/// A cell with this mask at column `x` and row `y`, background 100, decided 40 rows after its last.
pub(super) fn cell(x: u32, y: u32, mask: Array2<bool>) -> Cell {
    let (height, width) = mask.dim();
    let last = y + height as u32 - 1;
    Cell {
        frame: 0,
        field: 0,
        id: 0,
        bbox: Rect {
            x,
            y,
            width: width as u32,
            height: height as u32,
        },
        area_px: mask.iter().filter(|inside| **inside).count() as u32,
        mask: mask.into(),
        centroid_px: [0.0; 2],
        outline: Vec::new().into(),
        background: vec![100.0; 3].into(),
        decided_row: last + 40,
        flags: CellFlags::default(),
    }
}

fn disc(diameter: usize) -> Array2<bool> {
    let middle = (diameter as f64 - 1.0) / 2.0;
    Array2::from_shape_fn((diameter, diameter), |(y, x)| {
        (y as f64 - middle).hypot(x as f64 - middle) <= middle
    })
}

fn scan(side: u32, pixel_size_um: f64) -> ScanActual {
    ScanActual {
        width: side,
        height: side,
        pixel_size_um,
        dwell_ns: None,
        line_period_ns: None,
        bidirectional: false,
        strip_rows: 1,
        // Another order than the manifest's: channels have names.
        channels: ["SRS", "TPEF", "TRANS"]
            .map(|name| ChannelInfo::counts(ChannelName::from(name), 16))
            .into(),
        clock_hz: 1,
        frames: None,
        pacing: Pacing::Pulled,
    }
}

/// A frame: the same image in each channel, times one, two and three.
fn planes(image: &Array2<u16>) -> [Array2<u16>; 3] {
    [1, 2, 3].map(|factor| image.mapv(|counts| counts * factor))
}

fn cut(cutter: &mut Cutter, cell: Cell, planes: &[Array2<u16>; 3]) -> Tile {
    cutter.cut(Arc::new(cell), |channel, row| {
        planes[channel].row(row as usize).to_slice()
    })
}

/// A bright disc of `diameter` pixels at `at` (left and top) with a gradient inside.
fn scene(side: usize, at: usize, diameter: usize) -> (Array2<u16>, Cell) {
    let mask = disc(diameter);
    let mut image = Array2::from_elem((side, side), 100_u16);
    for ((y, x), inside) in mask.indexed_iter() {
        if *inside {
            image[(at + y, at + x)] = 200 + (x * 400 / diameter) as u16;
        }
    }
    (image, cell(at as u32, at as u32, mask))
}

fn fill(image: &mut Array2<u16>, rows: Range<usize>, columns: Range<usize>, counts: u16) {
    for y in rows {
        for x in columns.clone() {
            image[(y, x)] = counts;
        }
    }
}

/// Whether all values at channel, row and column fulfil a law.
fn all(tile: &Tile, law: impl Fn([usize; 3], f32) -> bool) -> bool {
    tile.values
        .indexed_iter()
        .all(|((c, y, x), value)| law([c, y, x], *value))
}

fn close(a: &Array3<f32>, b: &Array3<f32>, tolerance: f32) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

#[test]
fn channels_come_by_name_in_the_manifests_order() {
    let (image, cell) = scene(300, 100, 60);
    let mut cutter = Cutter::new(&manifest(), &scan(300, 0.2)).unwrap();
    let mut planes = planes(&image);
    planes[2].fill(100);
    let tile = cut(&mut cutter, cell, &planes);
    // TRANS is the scan's third channel and equals its background; SRS and TPEF do not.
    assert!(tile.values.index_axis(Axis(0), 0).iter().all(|v| *v == 0.0));
    for plane in [1, 2] {
        assert!(tile.values[(plane, 64, 64)] > 0.1);
    }
    assert_eq!(tile.window.size, 256.0);
    assert_eq!((tile.window.x, tile.window.y), (2.0, 2.0));
}

#[test]
fn the_rules_are_those_of_the_manifest() {
    // A flat disc: the mean in the cell becomes 1 / span, and 80 of 100 becomes −0.2 / span.
    let mask = disc(120);
    let image = Array2::from_elem((300, 300), 150_u16);
    let mut cutter = Cutter::new(&manifest(), &scan(300, 0.2)).unwrap();
    let mut planes = planes(&image);
    planes[2].fill(90);
    let tile = cut(&mut cutter, cell(90, 90, mask), &planes);
    assert!((tile.values[(0, 64, 64)] + 0.1 / 0.2).abs() < 1e-6);
    assert!((tile.values[(1, 64, 64)] - 0.25).abs() < 1e-6);
    assert!((tile.values[(2, 64, 64)] - 0.25).abs() < 1e-6);
}

#[test]
fn dark_counts_are_taken_off_before_the_ratio() {
    let mut scan = scan(300, 0.2);
    scan.channels[2].dark_counts = Some(50.0);
    let mut cutter = Cutter::new(&manifest(), &scan).unwrap();
    let mut planes = planes(&Array2::from_elem((300, 300), 100));
    planes[2].fill(95);
    let tile = cut(&mut cutter, cell(90, 90, disc(120)), &planes);
    // (95 − 50) / (100 − 50) − 1 = −0.1.
    assert!((tile.values[(0, 64, 64)] + 0.1 / 0.2).abs() < 1e-6);
    // A float image keeps its zero in the scale.
    let mut info = ChannelInfo::counts(ChannelName::trans(), 16);
    (info.scale, info.offset) = (0.5, -10.0);
    assert_eq!(zero(&info), 20.0);
}

#[test]
fn a_lost_channel_is_not_blown_up() {
    let mut planes = planes(&Array2::from_elem((300, 300), 100));
    planes[0].indexed_iter_mut().for_each(|((y, x), counts)| {
        *counts = 100 + [0, 20, 7, 13][(y * 3 + x * 5) % 4] - 10;
    });
    let mut cutter = Cutter::new(&manifest(), &scan(300, 0.2)).unwrap();
    let tile = cut(&mut cutter, cell(90, 90, disc(120)), &planes);
    assert!(
        tile.values
            .index_axis(Axis(0), 1)
            .iter()
            .all(|v| v.abs() < 0.75)
    );
}

#[test]
fn no_row_after_the_deciding_one_is_read_and_none_changes_the_tile() {
    let (image, mut cell) = scene(300, 100, 60);
    cell.decided_row = cell.bbox.bottom() + 4;
    let limit = cell.decided_row;
    let mut cutter = Cutter::new(&manifest(), &scan(300, 0.2)).unwrap();
    let whole = planes(&image);
    let furthest = Slot::new(0);
    let tile = cutter.cut(Arc::new(cell.clone()), |channel, row| {
        furthest.set(furthest.get().max(row));
        whole[channel].row(row as usize).to_slice()
    });
    assert_eq!(furthest.get(), limit);
    let mut later = whole.clone();
    for plane in &mut later {
        fill(plane, limit as usize + 1..300, 0..300, 60_000);
    }
    assert_eq!(cut(&mut cutter, cell, &later).values, tile.values);
}

#[test]
fn outside_the_cell_there_is_background() {
    let (mut image, cell) = scene(300, 100, 60);
    // A bright neighbour, 4 µm away.
    fill(&mut image, 100..160, 180..240, 5_000);
    let mut cutter = Cutter::new(&manifest(), &scan(300, 0.2)).unwrap();
    let tile = cut(&mut cutter, cell.clone(), &planes(&image));
    let (alone, _) = scene(300, 100, 60);
    assert_eq!(tile.values, cut(&mut cutter, cell, &planes(&alone)).values);
    assert!(all(&tile, |[_, _, x], v| x < 100 || v == 0.0));
}

#[test]
fn missing_rows_are_background() {
    let (image, cell) = scene(300, 100, 60);
    let mut cutter = Cutter::new(&manifest(), &scan(300, 0.2)).unwrap();
    let planes = planes(&image);
    let tile = cutter.cut(Arc::new(cell), |channel, row| {
        (row < 130)
            .then(|| planes[channel].row(row as usize).to_slice())
            .flatten()
    });
    assert!(all(&tile, |[_, y, _], v| y < 66 || v == 0.0));
    assert!(tile.values[(1, 60, 64)] > 0.1);
    let nothing = cutter.cut(tile.cell.clone(), |_, _| None);
    assert!(nothing.values.iter().all(|v| *v == 0.0));
}

#[test]
fn a_cell_at_the_border_and_one_larger_than_the_tile_are_cut() {
    let mut cutter = Cutter::new(&manifest(), &scan(300, 0.2)).unwrap();
    let image = planes(&Array2::from_elem((300, 300), 150));
    for (x, y) in [(0, 0), (299, 299), (0, 299)] {
        let tile = cut(
            &mut cutter,
            cell(x, y, Array2::from_elem((1, 1), true)),
            &image,
        );
        assert!(tile.values.iter().all(|v| v.is_finite()));
        assert!(!tile.cell.flags.larger_than_tile);
    }
    let tile = cut(
        &mut cutter,
        cell(0, 0, Array2::from_elem((300, 300), true)),
        &image,
    );
    assert!(tile.cell.flags.larger_than_tile);
    assert!(all(&tile, |[c, _, _], v| c == 0 || (v - 0.25).abs() < 1e-6));
}

#[test]
fn the_pixel_size_hardly_changes_a_tile() {
    // A disc of 24 µm.
    let tile = |pixel_size_um: f64| {
        let side = (80.0 / pixel_size_um) as usize;
        let diameter = (24.0 / pixel_size_um) as usize;
        let (image, cell) = scene(side, (28.0 / pixel_size_um) as usize, diameter);
        let mut cutter = Cutter::new(&manifest(), &scan(side as u32, pixel_size_um)).unwrap();
        cut(&mut cutter, cell, &planes(&image)).values
    };
    let reference = tile(0.2);
    for pixel_size_um in [0.1, 0.4, 0.8] {
        let found = tile(pixel_size_um);
        let difference = (&*found - &*reference).mapv(f32::abs).mean().unwrap();
        assert!(difference < 0.01, "{pixel_size_um}: {difference}");
    }
}

#[test]
fn a_scan_that_cannot_be_cut_is_refused() {
    let mut scan = scan(64, 0.2);
    scan.channels.remove(1);
    let error = Cutter::new(&manifest(), &scan).unwrap_err();
    assert!(error.to_string().contains("TPEF") && error.to_string().contains("SRS, TRANS"));
    for pixel_size_um in [0.0, 0.019, 5.1, f64::NAN, f64::INFINITY, -1.0] {
        scan.pixel_size_um = pixel_size_um;
        assert!(matches!(
            Cutter::new(&manifest(), &scan),
            Err(TileError::PixelSize { .. })
        ));
    }
}

fn any_scene() -> impl Strategy<Value = (Array2<u16>, Array2<bool>)> {
    (
        proptest::collection::vec(0_u16..2_000, 64 * 64),
        proptest::collection::vec(proptest::bool::weighted(0.7), 20 * 16),
    )
        .prop_map(|(image, mask)| {
            (
                Array2::from_shape_vec((64, 64), image).unwrap(),
                Array2::from_shape_vec((20, 16), mask).unwrap(),
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_value_is_in_range((image, mask) in any_scene(), pixel_size_um in 0.02_f64..5.0, x in 0_u32..48, y in 0_u32..44) {
        let mut cutter = Cutter::new(&manifest(), &scan(64, pixel_size_um)).unwrap();
        let tile = cut(&mut cutter, cell(x, y, mask), &planes(&image));
        prop_assert!(tile.values.iter().all(|v| (-1.0..=1.0).contains(v)));
    }

    #[test]
    fn where_the_cell_lies_does_not_matter((image, mask) in any_scene(), dx in 0_usize..30, dy in 0_usize..30) {
        let mut cutter = Cutter::new(&manifest(), &scan(100, 0.4)).unwrap();
        let mut tile = |dx: usize, dy: usize| {
            let mut field = Array2::from_elem((100, 100), 100);
            for ((y, x), counts) in image.indexed_iter() {
                field[(dy + y, dx + x)] = *counts;
            }
            cut(&mut cutter, cell((dx + 24) as u32, (dy + 22) as u32, mask.clone()), &planes(&field)).values
        };
        prop_assert!(close(&tile(dx, dy), &tile(5, 5), 1e-5));
    }

    #[test]
    fn a_mirrored_cell_has_a_mirrored_tile((image, mask) in any_scene()) {
        let mut cutter = Cutter::new(&manifest(), &scan(64, 0.3)).unwrap();
        let tile = cut(&mut cutter, cell(24, 22, mask.clone()), &planes(&image)).values;
        let (mut image, mut mask) = (image, mask);
        image.invert_axis(Axis(1));
        mask.invert_axis(Axis(1));
        let image = image.as_standard_layout().into_owned();
        let mut turned = cut(&mut cutter, cell(24, 22, mask), &planes(&image)).values;
        turned.invert_axis(Axis(2));
        prop_assert!(close(&tile, &turned, 1e-5));
    }

    #[test]
    fn the_gain_of_a_channel_does_not_matter((image, mask) in any_scene(), gain in 2_u16..8) {
        prop_assume!(mask.iter().filter(|inside| **inside).count() > 10);
        let mut cutter = Cutter::new(&manifest(), &scan(64, 0.4)).unwrap();
        let image = image.mapv(|counts| counts + 200);
        let louder = image.mapv(|counts| (counts - 100) * gain + 100);
        let mut tile = |image: &Array2<u16>| {
            let planes = [image.clone(), image.clone(), image.clone()];
            let mut values = cut(&mut cutter, cell(24, 22, mask.clone()), &planes).values;
            values.index_axis_mut(Axis(0), 0).fill(0.0);
            values
        };
        prop_assert!(close(&tile(&image), &tile(&louder), 1e-5));
    }
}
