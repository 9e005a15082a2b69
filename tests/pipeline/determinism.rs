//! How a frame arrives changes nothing that is said about it, to the last bit.

use std::time::Duration;

use proptest::prelude::*;
use senescope_hal::Pacing;

use crate::support::{CutBoard, SIZE, Said, frames, pulled, run};

fn reference() -> Said {
    let (said, _) = run(pulled(frames(), &[64]), 1);
    assert!(
        said.labels.len() >= 4,
        "only {} cells: nothing is compared",
        said.labels.len()
    );
    said
}

#[test]
fn strips_and_threads_change_nothing() {
    let reference = reference();
    for rows in [1, 7, 64, SIZE] {
        for threads in [1, 2, 4] {
            let (said, _) = run(pulled(frames(), &[rows]), threads);
            assert!(
                said == reference,
                "strips of {rows} rows, {threads} threads"
            );
        }
    }
}

#[test]
fn pace_changes_nothing() {
    let paced = CutBoard::new(frames(), &[16], Pacing::Live, Duration::from_millis(5));
    let (said, _) = run(paced, 2);
    assert!(said == reference());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_changes_nothing(cut in proptest::collection::vec(1..SIZE, 1..12), threads in 1..4_u32) {
        let (said, _) = run(pulled(frames(), &cut), threads);
        prop_assert!(said == reference());
    }
}

/// The comparison can fail: a change of the image is seen in what is said.
#[test]
fn a_changed_row_or_pixel_is_seen() {
    let reference = reference();
    let first: serde_json::Value = serde_json::from_str(&reference.labels[0]).unwrap();
    let of = |key: &str, index: usize| first[key][index].as_f64().unwrap() as usize;
    let (x, y) = (
        of("bbox", 0) + of("bbox", 2) / 2,
        of("bbox", 1) + of("bbox", 3) / 2,
    );
    let width = SIZE as usize;

    let mut pixel = frames().to_vec();
    for channel in &mut pixel[0] {
        channel[y * width + x] ^= 0x0fff;
    }
    assert!(
        run(pulled(&pixel, &[64]), 1).0 != reference,
        "a pixel was changed"
    );

    let mut rows = frames().to_vec();
    for channel in &mut rows[0] {
        let (above, below) = channel.split_at_mut((y + 6) * width);
        above[y * width..][..width].swap_with_slice(&mut below[..width]);
    }
    assert!(
        run(pulled(&rows, &[64]), 1).0 != reference,
        "two rows were swapped"
    );
}
