//! Laws of the simulated microscope: determinism, conservation, and what the classes mean.

use super::{
    phenotype::{EFFECTS, draw},
    random::{Purpose, Stream},
    *,
};

fn small(dish: &Dish) -> RenderRequest {
    RenderRequest {
        width: 160,
        height: 128,
        pixel_size_um: 0.4,
        ..RenderRequest::of(dish, 0)
    }
}

/// FNV-1a, 64 bits.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn drawn(dishes: u64, each: usize) -> Vec<(Dish, CellClass, f64, Phenotype)> {
    let mut cells = Vec::new();
    for seed in 0..dishes {
        let dish = Dish::from_seed(seed);
        let mut random = Stream::new(seed, Purpose::Cell, u64::MAX, 0);
        for _ in 0..each {
            let (class, severity, phenotype, _) = draw(&dish, &mut random);
            cells.push((dish.clone(), class, severity, phenotype));
        }
    }
    cells
}

#[test]
fn the_same_seed_gives_the_same_frame_and_another_does_not() {
    let dish = Dish::from_seed(7);
    let request = small(&dish);
    assert_eq!(render(&dish, &request), render(&dish, &request));
    let other = Dish::from_seed(8);
    assert_ne!(
        render(&dish, &request).channels,
        render(&other, &request).channels
    );
    let next = RenderRequest {
        frame: 1,
        ..request.clone()
    };
    assert_ne!(render(&dish, &request).truth, render(&dish, &next).truth);
}

#[test]
fn the_classes_are_about_as_frequent_and_the_oracle_is_nearly_right() {
    let cells = drawn(150, 12);
    let senescent = cells
        .iter()
        .filter(|cell| cell.1 == CellClass::Senescent)
        .count();
    let share = senescent as f64 / cells.len() as f64;
    assert!((0.42..=0.62).contains(&share), "{share} senescent");
    let right = cells
        .iter()
        .filter(|(_, class, _, phenotype)| {
            (oracle_p_senescent(phenotype) > 0.5) == (*class == CellClass::Senescent)
        })
        .count();
    let accuracy = right as f64 / cells.len() as f64;
    println!("oracle on {} cells: {accuracy:.4}", cells.len());
    assert!((0.95..=0.99).contains(&accuracy), "oracle {accuracy}");
}

#[test]
fn every_effect_has_the_sign_of_the_literature() {
    let cells = drawn(200, 20);
    for (index, effect) in EFFECTS.iter().enumerate() {
        let median = |class: CellClass| {
            let mut values: Vec<f64> = cells
                .iter()
                .filter(|cell| cell.1 == class)
                .map(|cell| (effect.of)(&cell.3))
                .collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let ratio = median(CellClass::Senescent) / median(CellClass::Proliferating);
        assert_eq!(
            ratio > 1.0,
            effect.effect > 0.0,
            "property {index}: {ratio}"
        );
    }
}

#[test]
fn the_masks_and_the_list_of_cells_agree() {
    let dish = Dish::from_seed(7);
    let frame = render(
        &dish,
        &RenderRequest {
            width: 256,
            height: 256,
            pixel_size_um: 0.4,
            ..RenderRequest::of(&dish, 2)
        },
    );
    let truth = frame.truth;
    assert!(!truth.cells.is_empty());
    for cell in &truth.cells {
        let pixels = truth
            .labels
            .iter()
            .filter(|&&label| label == cell.index)
            .count();
        assert!((cell.area_um2 - pixels as f64 * 0.16).abs() < 1e-6);
    }
    let listed: std::collections::BTreeSet<u16> =
        truth.cells.iter().map(|cell| cell.index).collect();
    assert!(
        truth
            .labels
            .iter()
            .all(|label| *label == 0 || listed.contains(label))
    );
}

/// The bytes that this seed gave when the simulator was frozen. A change here changes every training set
/// and every expectation made from the simulator: it needs a new major version of the recipe.
#[test]
fn golden_frame() {
    let dish = Dish::from_seed(7);
    let frame = render(&dish, &small(&dish));
    let samples = frame
        .channels
        .iter()
        .flatten()
        .flat_map(|sample| sample.to_le_bytes());
    let labels = frame
        .truth
        .labels
        .iter()
        .flat_map(|label| label.to_le_bytes());
    let got = (digest(samples), digest(labels));
    assert_eq!(
        got,
        (0xfc4a_ed2e_8a1c_85c0, 0x80c8_79a5_74bb_59ed),
        "got {got:#018x?}"
    );
}

#[test]
fn effect_sizes_lie_in_the_stated_ranges() {
    let cells = drawn(300, 20);
    let of = |class: CellClass| {
        cells.iter().filter(move |(dish, of, _, phenotype)| {
            *of == class && !phenotype.mitotic && (!dish.treated || dish.hours >= 72.0)
        })
    };
    let (young, old) = (|| of(CellClass::Proliferating), || of(CellClass::Senescent));
    let ranges = [
        (1.8, 4.0),
        (0.6, 0.9),
        (1.3, 2.2),
        (2.0, 4.0),
        (1.3, 1.9),
        (1.5, 2.5),
        (1.3, 2.0),
        (1.2, 2.0),
    ];
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for (index, (effect, (low, high))) in EFFECTS.iter().zip(ranges).enumerate() {
        let ratio = median(old().map(|cell| (effect.of)(&cell.3)).collect())
            / median(young().map(|cell| (effect.of)(&cell.3)).collect());
        assert!((low..=high).contains(&ratio), "property {index}: × {ratio}");
    }
    let share = |yes: fn(&Phenotype) -> bool| {
        let part = |cells: Vec<&Phenotype>| {
            cells.iter().filter(|phenotype| yes(phenotype)).count() as f64 / cells.len() as f64
        };
        (
            part(young().map(|cell| &cell.3).collect()),
            part(old().map(|cell| &cell.3).collect()),
        )
    };
    let shares = [
        (share(|p| p.nuclei > 1), (0.03, 0.06), (0.15, 0.45)),
        (share(|p| p.irregular_nucleus), (0.0, 0.03), (0.08, 0.20)),
        (
            share(|p| !p.vacuoles_um.is_empty()),
            (0.01, 0.03),
            (0.10, 0.25),
        ),
        (share(|p| p.granules <= 3), (0.85, 1.0), (0.0, 0.30)),
    ];
    for (index, ((young, old), y, o)) in shares.into_iter().enumerate() {
        assert!(
            (y.0..=y.1).contains(&young),
            "share {index}: {young} proliferating"
        );
        assert!((o.0..=o.1).contains(&old), "share {index}: {old} senescent");
    }
    let mitotic = cells.iter().filter(|cell| cell.3.mitotic).count() as f64;
    let proliferating = cells
        .iter()
        .filter(|cell| cell.1 == CellClass::Proliferating)
        .count() as f64;
    assert!((0.03..=0.08).contains(&(mitotic / proliferating)));
}
