//! Whether the ensemble's map lies on the structures by which simulated cells differ.
//!
//! How much of the map of the more probable class is in the true cell is one figure; the others are of what is
//! inside. Its mass on a kind of structure is
//! compared with that of a map of equal mass placed at random in the cell, whose expectation is the kind's share
//! of the cell's area, and with that of the same map turned by 180° about the middle of the tile: as smooth and as
//! central, but in the wrong place.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};
use senescope_hal::sim::structure;

use super::{
    EvaluateError,
    report::{MapOnStructure, MapOnStructures},
    sample::{Sample, Tested},
};
use crate::tiles_folder::CELL;

/// Kinds of structures that differ between the classes, and all of them.
const KINDS: [(&str, u8); 5] = [
    (
        "any",
        structure::NUCLEUS | structure::DROPLET | structure::GRANULE | structure::VACUOLE,
    ),
    ("nucleus", structure::NUCLEUS),
    ("lipid droplets", structure::DROPLET),
    ("lipofuscin granules", structure::GRANULE),
    ("vacuoles", structure::VACUOLE),
];

/// Where the map of one tile lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Part of the map's mass that is in the cell, in [0, 1].
    in_cell: f64,
    /// Of that, for each of [`KINDS`] that the cell has.
    on: [Option<Share>; KINDS.len()],
}

/// Parts of a map's mass in a cell, and of the cell's area, each in [0, 1]; of a map without mass there 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    /// Of the map.
    map: f64,
    /// Of the area.
    area: f64,
    /// Of the turned map.
    turned: f64,
}

/// Where `map` lies in a cell, of which `bits` say what is in each pixel; `None` when there is no cell, or no map.
pub(super) fn placement(map: ArrayView2<'_, f32>, bits: &Array2<u8>) -> Option<Placement> {
    let (rows, columns) = map.dim();
    // Mass of the map, pixels and mass of the turned map: in the cell, and on each kind.
    let mut cell = [0.0; 3];
    let mut on = [[0.0; 3]; KINDS.len()];
    for ((row, column), bits) in bits.indexed_iter().filter(|(_, bits)| **bits & CELL != 0) {
        let turned = map[(rows - 1 - row, columns - 1 - column)];
        let here = [f64::from(map[(row, column)]), 1.0, f64::from(turned)];
        let add = |sums: &mut [f64; 3]| {
            for (sum, value) in sums.iter_mut().zip(here) {
                *sum += value;
            }
        };
        add(&mut cell);
        for (sums, (_, kind)) in on.iter_mut().zip(KINDS) {
            if bits & kind != 0 {
                add(sums);
            }
        }
    }
    let all: f64 = map.iter().map(|value| f64::from(*value)).sum();
    if cell[1] == 0.0 || all == 0.0 {
        return None;
    }
    let part = |some: f64, whole: f64| if whole > 0.0 { some / whole } else { 0.0 };
    Some(Placement {
        in_cell: cell[0] / all,
        on: on.map(|sums| {
            (sums[1] > 0.0).then(|| Share {
                map: part(sums[0], cell[0]),
                area: part(sums[1], cell[1]),
                turned: part(sums[2], cell[2]),
            })
        }),
    })
}

/// Means over the tiles by the class that was decided; `None` when no tile has a map and a known structure.
pub(super) fn judge(sample: &Sample<'_>) -> Result<Option<MapOnStructures>, EvaluateError> {
    let of_class = |senescent: bool| {
        let mut kinds = BTreeMap::new();
        for (place, (name, _)) in KINDS.into_iter().enumerate() {
            let share = |tile: &Tested| {
                (tile.answer.p >= 0.5)
                    .eq(&senescent)
                    .then_some(tile.answer.placement.as_ref()?)
                    .and_then(|placement| placement.on[place])
            };
            let tiles: Vec<_> = sample
                .tiles
                .iter()
                .filter_map(|tile| Some((tile.dish, share(tile)?)))
                .collect();
            if tiles.is_empty() {
                continue;
            }
            let [map, by_chance, turned, ratio, ratio_to_turned] =
                sample.resampling.figures(|weights| {
                    let mut sums = [0.0; 4];
                    for (dish, share) in &tiles {
                        let weight = f64::from(weights[*dish]);
                        let values = [share.map, share.area, share.turned, 1.0];
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum += weight * value;
                        }
                    }
                    let [map, area, turned, all] = sums;
                    [
                        map / all,
                        area / all,
                        turned / all,
                        map / area,
                        map / turned,
                    ]
                })?;
            let found = MapOnStructure {
                tiles: tiles.len(),
                map,
                by_chance,
                turned,
                ratio,
                ratio_to_turned,
            };
            kinds.insert(name, found);
        }
        Ok::<_, EvaluateError>(kinds)
    };
    let [proliferating, senescent] = [of_class(false)?, of_class(true)?];
    if proliferating.is_empty() && senescent.is_empty() {
        return Ok(None);
    }
    let [in_cell] = sample.resampling.figures(|weights| {
        let (mut sum, mut all) = (0.0, 0.0);
        for tile in &sample.tiles {
            if let Some(placement) = &tile.answer.placement {
                sum += f64::from(weights[tile.dish]) * placement.in_cell;
                all += f64::from(weights[tile.dish]);
            }
        }
        [sum / all]
    })?;
    Ok(Some(MapOnStructures {
        in_cell,
        proliferating,
        senescent,
    }))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_maps_mass_on_a_structure_is_compared_with_chance_and_with_the_turned_map() {
        let map = array![[0.8_f32, 0.1], [0.1, 0.6]];
        let bits = array![
            [CELL | structure::DROPLET, CELL],
            [CELL, structure::DROPLET]
        ];
        let placed = placement(map.view(), &bits).unwrap();
        assert!((placed.in_cell - 1.0 / 1.6).abs() < 1e-6);
        let [any, nucleus, droplets, granules, vacuoles] = placed.on;
        assert_eq!([nucleus, granules, vacuoles], [None; 3]);
        assert_eq!(any, droplets);
        let found = droplets.unwrap();
        // The structure outside the cell does not count, nor does the map there.
        assert!((found.map - 0.8).abs() < 1e-6);
        assert!((found.area - 1.0 / 3.0).abs() < 1e-6);
        assert!((found.turned - 0.75).abs() < 1e-6);
    }

    #[test]
    fn a_constant_map_is_chance_and_no_map_is_none() {
        let bits = Array2::from_shape_fn((8, 8), |(row, column)| {
            CELL | if row < 2 && column != 5 {
                structure::NUCLEUS
            } else {
                0
            }
        });
        let placed = placement(Array2::from_elem((8, 8), 0.3).view(), &bits).unwrap();
        assert!((placed.in_cell - 1.0).abs() < 1e-9);
        let found = placed.on[1].unwrap();
        assert!((found.map - found.area).abs() < 1e-9 && (found.turned - found.area).abs() < 1e-9);
        assert_eq!(placement(Array2::zeros((8, 8)).view(), &bits), None);
        let nothing = Array2::zeros((8, 8));
        assert_eq!(placement(Array2::ones((8, 8)).view(), &nothing), None);
        // A map beside the cell is on nothing of it, and counts.
        let half = Array2::from_shape_fn((8, 8), |(row, _)| {
            if row < 4 {
                CELL | structure::DROPLET
            } else {
                0
            }
        });
        let beside = Array2::from_shape_fn((8, 8), |(row, _)| if row < 4 { 0.0 } else { 1.0 });
        let placed = placement(beside.view(), &half).unwrap();
        let share = placed.on[2].unwrap();
        assert_eq!((placed.in_cell, share.map, share.turned), (0.0, 0.0, 1.0));
    }
}
