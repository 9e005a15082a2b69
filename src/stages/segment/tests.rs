//! Laws of the segmentation on synthetic fields.

use proptest::prelude::*;
use senescope_hal::ChannelMask;

use super::*;

/// Counts of three channels: channels × rows × columns.
struct Field {
    width: u32,
    height: u32,
    pixel_size_um: f64,
    values: Vec<Vec<f32>>,
    missing: Vec<bool>,
}

/// A number in [−1, 1) that looks random.
fn noise(seed: u64) -> f32 {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((state >> 40) as f32) / 8_388_608.0 - 1.0
}

fn names() -> [ChannelName; 3] {
    [
        ChannelName::srs(),
        ChannelName::tpef(),
        ChannelName::trans(),
    ]
}

impl Field {
    /// Discs (x, y, radius in µm) on a medium with vignetting and noise.
    fn new(width: u32, height: u32, pixel_size_um: f64, discs: &[[f64; 3]], seed: u64) -> Self {
        let mut values = vec![Vec::new(); 3];
        for row in 0..height {
            for column in 0..width {
                let (x, y) = (
                    f64::from(column) * pixel_size_um,
                    f64::from(row) * pixel_size_um,
                );
                let inside = discs.iter().any(|[cx, cy, r]| (x - cx).hypot(y - cy) < *r);
                let (u, v) = (
                    f64::from(column) / f64::from(width) - 0.5,
                    f64::from(row) / f64::from(height) - 0.5,
                );
                let gain = (1.0 - 0.6 * (u * u + v * v)) as f32;
                let cell = f32::from(u8::from(inside));
                let pixel = u64::from(row * width + column) * 3 + (seed << 32);
                values[0].push(300.0 + gain * (200.0 + 150.0 * cell) + 30.0 * noise(pixel));
                values[1].push(50.0 + gain * (20.0 + 60.0 * cell) + 30.0 * noise(pixel + 1));
                values[2].push(gain * 2000.0 + 20.0 * noise(pixel + 2));
            }
        }
        Self {
            width,
            height,
            pixel_size_um,
            values,
            missing: vec![false; height as usize],
        }
    }

    fn segmenter(&self) -> Segmenter {
        let config = SegmentConfig::default();
        Segmenter::new(
            &config,
            self.width,
            self.height,
            self.pixel_size_um,
            &names(),
        )
        .unwrap()
    }

    fn push(&self, segmenter: &mut Segmenter, frame: u64, row: u32, found: &mut Vec<Cell>) {
        let width = self.width as usize;
        let from = row as usize * width;
        let values: Vec<f32> = self
            .values
            .iter()
            .flat_map(|plane| plane[from..from + width].to_vec())
            .collect();
        let saturated: Vec<bool> = values.iter().map(|value| *value >= 4095.0).collect();
        let counts: Vec<u32> = saturated
            .chunks(width)
            .map(|channel| channel.iter().map(|limit| u32::from(*limit)).sum())
            .collect();
        let missing = self.missing[row as usize];
        segmenter.push_row(
            &CorrectedRow {
                frame,
                field: 0,
                index: row,
                present: ChannelMask(if missing { 0 } else { 0b111 }),
                values: &values,
                saturated: &saturated,
                saturated_counts: &counts,
            },
            found,
        );
    }

    fn segment(&self) -> Vec<Cell> {
        let mut segmenter = self.segmenter();
        let mut found = Vec::new();
        for row in 0..self.height {
            self.push(&mut segmenter, 0, row, &mut found);
        }
        found
    }
}

const DISCS: [[f64; 3]; 4] = [
    [20.0, 18.0, 9.0],
    [70.0, 25.0, 12.0],
    [30.0, 62.0, 11.0],
    [49.0, 62.0, 11.0],
];

fn field() -> Field {
    Field::new(230, 210, 0.4, &DISCS, 1)
}

#[test]
fn discs_are_found_where_they_are() {
    let found = field().segment();
    assert_eq!(found.len(), 4);
    for [x, y, radius] in DISCS {
        let cell = found
            .iter()
            .min_by(|a, b| {
                let away = |cell: &Cell| {
                    let [cx, cy] = cell.centroid_px;
                    (cx * 0.4 - x).hypot(cy * 0.4 - y)
                };
                away(a).total_cmp(&away(b))
            })
            .unwrap();
        let [cx, cy] = cell.centroid_px.map(|at| at * 0.4);
        assert!((cx - x).hypot(cy - y) < 1.5, "{cx} {cy}");
        let area = f64::from(cell.area_px) * 0.16;
        let want = std::f64::consts::PI * radius * radius;
        assert!((area / want - 1.0).abs() < 0.15, "{area} {want}");
    }
}

#[test]
fn a_cell_agrees_with_itself() {
    for cell in field().segment() {
        let inside = |x: u32, y: u32| {
            let at = [(y - cell.bbox.y) as usize, (x - cell.bbox.x) as usize];
            cell.mask[at]
        };
        assert_eq!(
            cell.mask.dim(),
            (cell.bbox.height as usize, cell.bbox.width as usize)
        );
        assert_eq!(
            cell.area_px as usize,
            cell.mask.iter().filter(|pixel| **pixel).count()
        );
        assert!(cell.outline.iter().all(|[x, y]| inside(*x, *y)));
        assert!(cell.bbox.bottom() <= cell.decided_row + 1);
        assert_eq!(cell.background.len(), 3);
        let [x, y] = cell.centroid_px;
        let gain = 1.0 - 0.6 * ((x / 230.0 - 0.5).powi(2) + (y / 210.0 - 0.5).powi(2));
        let want = [300.0 + 200.0 * gain, 50.0 + 20.0 * gain, 2000.0 * gain];
        for (value, want) in cell.background.iter().zip(want) {
            assert!((f64::from(*value) - want).abs() < 15.0, "{value} {want}");
        }
    }
}

#[test]
fn a_cell_waits_no_longer_than_the_look_ahead() {
    let field = field();
    let mut segmenter = field.segmenter();
    let look_ahead = segmenter.look_ahead_rows();
    let mut found = Vec::new();
    for row in 0..field.height {
        let before = found.len();
        field.push(&mut segmenter, 0, row, &mut found);
        for cell in &found[before..] {
            assert_eq!(cell.decided_row, row);
            assert!(
                cell.decided_row < cell.bbox.bottom() + look_ahead,
                "{}",
                cell.id
            );
        }
    }
    let early = found
        .iter()
        .filter(|cell| cell.decided_row + 1 < field.height)
        .count();
    assert_eq!(early, 2);
    let ids: Vec<u32> = found.iter().map(|cell| cell.id).collect();
    assert_eq!(ids, (0..found.len() as u32).collect::<Vec<_>>());
}

#[test]
fn a_cell_that_touches_the_next_does_not_wait_for_it() {
    // A column of cells that reaches from the top to the bottom, each a little to the side of the last.
    let discs: Vec<[f64; 3]> = (0..7)
        .map(|at| {
            let at = f64::from(at);
            [40.0 + 6.0 * (at * 2.0).sin(), 2.0 + 17.0 * at, 10.0]
        })
        .collect();
    let field = Field::new(200, 270, 0.4, &discs, 3);
    let found = field.segment();
    assert_eq!(found.len(), 7);
    let look_ahead = field.segmenter().look_ahead_rows();
    for (cell, [_, y, radius]) in found.iter().zip(&discs) {
        let bottom = ((y + radius) / 0.4) as u32;
        assert!(cell.bbox.bottom().abs_diff(bottom.min(270)) < 16);
        assert!(cell.decided_row < (cell.bbox.bottom() + look_ahead).min(270));
    }
}

#[test]
fn what_grows_beyond_every_cell_is_cut_off() {
    // A band from top to bottom without a neck.
    let discs: Vec<[f64; 3]> = (0..400).map(|at| [40.0, f64::from(at), 12.0]).collect();
    let field = Field::new(200, 1000, 0.4, &discs, 3);
    let rows = (SegmentConfig::default().max_height_um / 0.4) as u32;
    let found = field.segment();
    assert!((2..=3).contains(&found.len()));
    assert!(found.iter().all(|cell| cell.bbox.height <= rows + 8));
    let area: u32 = found.iter().map(|cell| cell.area_px).sum();
    assert!((0.9..1.1).contains(&(f64::from(area) * 0.16 / (400.0 * 24.0))));
}

#[test]
fn no_later_row_changes_a_cell() {
    let whole = field().segment();
    for decided in [whole[0].decided_row, whole[1].decided_row] {
        let mut other = field();
        let from = (decided as usize + 1) * other.width as usize;
        for plane in &mut other.values {
            for (pixel, value) in plane[from..].iter_mut().enumerate() {
                *value = 4000.0 * noise(pixel as u64).abs();
            }
        }
        let until = |cells: &[Cell]| -> Vec<Cell> {
            cells
                .iter()
                .filter(|cell| cell.decided_row <= decided)
                .cloned()
                .collect()
        };
        let found = other.segment();
        assert_eq!(until(&found), until(&whole));
        assert_ne!(found, whole);
    }
}

#[test]
fn two_rows_swapped_are_noticed() {
    let whole = field().segment();
    let mut other = field();
    let width = other.width as usize;
    for plane in &mut other.values {
        let (above, below) = plane.split_at_mut(50 * width);
        above[30 * width..31 * width].swap_with_slice(&mut below[..width]);
    }
    assert_ne!(other.segment(), whole);
}

#[test]
fn frames_do_not_remember_each_other() {
    let field = field();
    let mut segmenter = field.segmenter();
    let mut found = Vec::new();
    let crowded = Field::new(230, 210, 0.4, &[[40.0, 40.0, 35.0]], 9);
    for row in 0..150 {
        crowded.push(&mut segmenter, 0, row, &mut found);
    }
    for frame in 1..3 {
        found.clear();
        for row in 0..field.height {
            field.push(&mut segmenter, frame, row, &mut found);
        }
        found.retain(|cell| cell.frame == frame);
        found.iter_mut().for_each(|cell| cell.frame = 0);
        assert_eq!(found, field.segment());
    }
}

#[test]
fn a_field_without_cells_gives_none() {
    for seed in 0..10 {
        assert_eq!(Field::new(230, 210, 0.4, &[], seed).segment(), []);
        let mut one_level = Field::new(64, 64, 0.2, &[], seed);
        one_level
            .values
            .iter_mut()
            .for_each(|plane| plane.fill(seed as f32 * 400.0));
        assert_eq!(one_level.segment(), []);
    }
}

#[test]
fn a_lost_channel_costs_no_cell() {
    for lost in 0..2 {
        let mut field = field();
        let pixels = field.values[lost].iter_mut().enumerate();
        pixels.for_each(|(at, value)| *value = 500.0 + 200.0 * noise(at as u64));
        assert_eq!(field.segment().len(), 4, "{lost}");
    }
}

#[test]
fn missing_rows_are_background_and_flag_what_they_touch() {
    let mut field = field();
    field.missing[150..153].fill(true);
    let found = field.segment();
    for cell in &found {
        let rows = cell.bbox.y..cell.bbox.bottom();
        assert!(!rows.contains(&151));
        assert_eq!(cell.flags.incomplete, rows.start == 153 || rows.end == 150);
    }
    assert!(found.iter().any(|cell| cell.flags.incomplete));
    assert!(found.iter().any(|cell| !cell.flags.incomplete));
    field.missing.fill(true);
    assert_eq!(field.segment(), []);
}

#[test]
fn a_saturated_cell_and_one_at_the_edge_are_flagged() {
    let mut discs = DISCS;
    discs[0][0] = 3.0;
    let mut field = Field::new(230, 210, 0.4, &discs, 1);
    for row in 55..70 {
        for column in 170..180 {
            field.values[1][row * 230 + column] = 4095.0;
        }
    }
    for cell in field.segment() {
        let [x, y] = cell.centroid_px.map(|at| at * 0.4);
        assert_eq!(cell.flags.touches_border, x < 10.0);
        assert_eq!(cell.flags.saturated, x > 60.0 && y < 40.0);
    }
}

#[test]
fn an_unfinished_frame_is_finished() {
    let field = field();
    let mut segmenter = field.segmenter();
    let mut found = Vec::new();
    for row in 0..155 {
        field.push(&mut segmenter, 0, row, &mut found);
    }
    segmenter.finish(&mut found);
    let count = found.len();
    assert_eq!(count, 4);
    assert!(
        found
            .iter()
            .any(|cell| cell.flags.incomplete && cell.decided_row > 155)
    );
    segmenter.finish(&mut found);
    assert_eq!(found.len(), count);
}

#[test]
fn what_cannot_be_segmented_is_refused() {
    let config = SegmentConfig::default();
    let make = |width, height, channels: &[ChannelName]| {
        Segmenter::new(&config, width, height, 0.2, channels).err()
    };
    assert!(matches!(
        make(0, 5, &names()),
        Some(SegmentError::Size { .. })
    ));
    assert!(matches!(
        make(u32::MAX, u32::MAX, &names()),
        Some(SegmentError::Size { .. })
    ));
    assert!(matches!(
        make(5, 5, &[]),
        Some(SegmentError::Channels { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_counts_at_any_size_keep_the_laws(
        width in 1_u32..80,
        height in 1_u32..80,
        pixel_size_um in 0.02..=5.0_f64,
        seed in any::<u32>(),
        contrast in 0.0..60_000.0_f32,
        missing in proptest::collection::vec(0..100_u32, 0..4),
    ) {
        let mut field = Field::new(width, height, pixel_size_um, &[], u64::from(seed));
        for plane in &mut field.values {
            for (pixel, value) in plane.iter_mut().enumerate() {
                let patch = pixel as u64 / 7 % 11 + pixel as u64 / u64::from(width) / 9;
                let bright = noise(patch + u64::from(seed)) > 0.2;
                *value = (*value + contrast * f32::from(u8::from(bright))).min(65_535.0);
            }
        }
        for row in missing {
            if let Some(row) = field.missing.get_mut(row as usize) {
                *row = true;
            }
        }
        let mut seen = ndarray::Array2::from_elem((height as usize, width as usize), false);
        let look_ahead = field.segmenter().look_ahead_rows();
        let found = field.segment();
        prop_assert!(found.is_sorted_by_key(|cell| cell.decided_row));
        for cell in found {
            prop_assert!(cell.decided_row < (cell.bbox.bottom() + look_ahead).min(height));
            prop_assert!(f64::from(cell.area_px) * pixel_size_um * pixel_size_um >= 60.0 - 1e-6);
            for ((row, column), _) in cell.mask.indexed_iter().filter(|(_, inside)| **inside) {
                let at = [row + cell.bbox.y as usize, column + cell.bbox.x as usize];
                prop_assert!(!std::mem::replace(&mut seen[at], true), "two cells share a pixel");
                prop_assert!(!field.missing[at[0]]);
            }
        }
    }
}
