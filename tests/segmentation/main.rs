//! Segmentation on simulated fields against their truth.
//!
//! The fields, their truth and what was found are left in `target/tmp/segmentation`, where `compare.py`
//! measures a scikit-image pipeline on the same fields.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

mod field;
mod matching;

use std::{collections::BTreeMap, fs, path::Path};

use field::Field;
use matching::{Matches, match_labels};
use ndarray::Array3;
use proptest::prelude::*;
use senescope::stages::segment::SegmentConfig;

/// The fields that are judged; no setting was chosen on them.
const FIELDS: std::ops::Range<u64> = 9000..9050;

fn shape(field: &Field) -> (usize, usize, usize) {
    let scan = &field.scan;
    (
        scan.height as usize,
        scan.channels.len(),
        scan.width as usize,
    )
}

#[test]
fn cells_of_fifty_fields_are_found() {
    let config = SegmentConfig::default();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("segmentation");
    fs::create_dir_all(&folder).unwrap();
    let mut total = Matches::default();
    let mut sizes = BTreeMap::new();
    let mut in_time = 0;
    for seed in FIELDS {
        let field = Field::of_seed(seed);
        let um = field.scan.pixel_size_um;
        let cells = field.segment(&config, &[16]);
        let (look_ahead, height) = (config.look_ahead_rows(um).unwrap(), field.scan.height);
        for cell in &cells {
            assert!(cell.decided_row < (cell.bbox.bottom() + look_ahead).min(height));
        }
        in_time += cells
            .iter()
            .filter(|cell| cell.decided_row + 1 < field.scan.height)
            .count();
        let found = field.paint(&cells);
        let matches = match_labels(&field.truth, &found, config.min_area_um2 / (um * um));
        println!("field {seed}: {matches:?}");
        total.add(matches);
        let image = Array3::from_shape_vec(shape(&field), field.samples.clone()).unwrap();
        let file = |kind: &str| folder.join(format!("{seed}.{kind}.npy"));
        ndarray_npy::write_npy(file("image"), &image).unwrap();
        ndarray_npy::write_npy(file("truth"), &field.truth).unwrap();
        ndarray_npy::write_npy(file("found"), &found).unwrap();
        sizes.insert(seed.to_string(), um);
    }
    let about = serde_json::json!({"least_um2": config.min_area_um2, "pixel_size_um": sizes});
    fs::write(folder.join("fields.json"), about.to_string()).unwrap();
    println!(
        "{total:?}: F1 {:.4}; {in_time} cells before the end of their frame",
        total.f1()
    );
    assert!(total.f1() >= 0.90, "{total:?}: F1 {:.4}", total.f1());
    // Far from trivial: an empty answer to empty fields would not do.
    assert!(total.hits > 400);
}

#[test]
fn a_pixel_and_a_row_out_of_place_are_noticed() {
    let config = SegmentConfig::default();
    let field = Field::of_seed(FIELDS.start);
    let cells = field.segment(&config, &[16]);
    let row_samples = field.scan.width as usize * field.scan.channels.len();
    let [x, y] = cells[0].centroid_px.map(|at| at as usize);
    let mut other = Field::of_seed(FIELDS.start);
    other.samples[y * row_samples + x] = u16::MAX;
    other.samples[y * row_samples..][..row_samples / 3].fill(0);
    assert_ne!(other.segment(&config, &[16]), cells);
    let mut other = Field::of_seed(FIELDS.start);
    let (above, below) = other.samples.split_at_mut((y + 40) * row_samples);
    above[y * row_samples..(y + 1) * row_samples].swap_with_slice(&mut below[..row_samples]);
    assert_ne!(other.segment(&config, &[16]), cells);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn strips_of_any_height_give_the_same_cells(
        seed in 0_u64..200,
        cut in proptest::collection::vec(1_u32..400, 1..8),
    ) {
        let config = SegmentConfig::default();
        let field = Field::of_seed(seed);
        prop_assert_eq!(field.segment(&config, &cut), field.segment(&config, &[u32::MAX]));
    }

    #[test]
    fn rows_below_the_deciding_one_change_nothing(seed in 0_u64..200, part in 0.2..0.9_f64) {
        let config = SegmentConfig::default();
        let mut field = Field::of_seed(seed);
        let cells = field.segment(&config, &[16]);
        let row = (f64::from(field.scan.height) * part) as u32;
        let row_samples = field.scan.width as usize * field.scan.channels.len();
        field.samples[(row as usize + 1) * row_samples..].fill(3);
        let until = |cells: Vec<senescope::domain::Cell>| -> Vec<_> {
            cells.into_iter().filter(|cell| cell.decided_row <= row).collect()
        };
        prop_assert_eq!(until(field.segment(&config, &[16])), until(cells));
    }
}
