//! Faults of an image are flagged where they are, and nowhere else.

use senescope_hal::sim::FaultKind;
use serde_json::Value;

use super::support::{faulty, frames, pulled, run};

type Planes = [Vec<u16>; 3];

/// Cells of spoilt frames, and how many of them have the flag.
fn flagged(spoil: impl Fn(&mut Planes), flag: &str) -> (usize, usize) {
    let mut spoilt = frames().to_vec();
    spoilt.iter_mut().for_each(spoil);
    counted(&spoilt, flag)
}

/// Cells of frames, and how many of them have the flag.
fn counted(frames: &[Planes], flag: &str) -> (usize, usize) {
    let (said, _) = run(pulled(frames, &[16]), 2);
    let labels: Vec<Value> = said
        .labels
        .iter()
        .map(|label| serde_json::from_str(label).unwrap())
        .collect();
    let with = labels.iter().filter(|label| label["flags"][flag] == true);
    (labels.len(), with.count())
}

/// Counts that look random about a level.
fn noise(plane: &mut [u16]) {
    let mut state = 1_u32;
    for count in plane {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *count = 300 + (state >> 26) as u16;
    }
}

#[test]
fn good_cells_have_no_fault() {
    for flag in [
        "srs_lost",
        "tpef_lost",
        "trans_lost",
        "empty",
        "channels_exchanged",
    ] {
        let (cells, with) = flagged(|_| (), flag);
        assert!(cells > 5 && with == 0, "{flag}: {with} of {cells}");
    }
    // A cell may lie out of focus in a field that does not.
    let (cells, with) = flagged(|_| (), "out_of_focus");
    assert!(5 * with < cells, "{with} of {cells}");
}

#[test]
fn a_lost_channel_is_named() {
    for (channel, flag) in [(0, "srs_lost"), (1, "tpef_lost"), (2, "trans_lost")] {
        for spoil in [noise, |plane: &mut [u16]| plane.fill(300)] {
            let (cells, with) = flagged(|planes| spoil(&mut planes[channel]), flag);
            assert!(
                cells > 5 && 10 * with >= 9 * cells,
                "{flag}: {with} of {cells}"
            );
        }
    }
}

#[test]
fn what_a_faulty_microscope_records_is_named() {
    for (fault, flag, percent) in [
        (FaultKind::LostOverlap, "srs_lost", 95),
        (FaultKind::PmtTrip, "tpef_lost", 95),
        (FaultKind::Gain { percent: 800 }, "saturated", 95),
        // What is out of focus is not told of every cell, but of most.
        (FaultKind::Defocus { nm: 8_000 }, "out_of_focus", 60),
    ] {
        let (cells, with) = counted(&faulty(2, Some(fault)), flag);
        assert!(
            cells > 5 && 100 * with >= percent * cells,
            "{flag}: {with} of {cells}"
        );
    }
}

#[test]
fn exchanged_channels_are_named() {
    // Transmission has many edges that are none of a cell: a part can only be judged of many.
    for channel in [0, 1] {
        let mut exchanged = faulty(8, None);
        exchanged
            .iter_mut()
            .for_each(|planes| planes.swap(channel, 2));
        let (cells, with) = counted(&exchanged, "channels_exchanged");
        assert!(cells > 20 && 10 * with >= 9 * cells, "{with} of {cells}");
    }
}
