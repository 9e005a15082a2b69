//! One field of view: which cells lie where, and the debris between them.
//!
//! The stage moves to a new field for each frame. Cells settle one after another, beside others or
//! alone, and a place is refused when too much of any cell would be covered; where two meet, each pixel
//! belongs to the one whose centre is relatively nearer, as in a confluent layer. A few lie on top of
//! their neighbour instead.

use super::{
    CellClass, Dish, HardCase, Phenotype, phenotype,
    random::{Purpose, Stream},
    shape::Outline,
};

/// Beyond the field, so that cells are cut by its edge.
const MARGIN_UM: f64 = 35.0;
/// Edge of a place of the map that keeps cells apart.
const GRID_UM: f64 = 1.0;
/// Most cells of a field, whatever its size.
const MAX_CELLS: usize = 2000;
/// Share of a cell that others may cover.
const MAX_COVERED: f64 = 0.10;

/// A cell in its place.
#[derive(Clone, Debug)]
pub(super) struct PlacedCell {
    /// Key of the cell's own random streams.
    pub(super) key: u64,
    pub(super) class: CellClass,
    pub(super) severity: f64,
    pub(super) phenotype: Phenotype,
    pub(super) hard_case: Option<HardCase>,
    pub(super) outline: Outline,
    /// Lies on top of its neighbours instead of beside them.
    pub(super) on_top: bool,
}

/// Something that is not a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debris {
    pub(super) x_um: f64,
    pub(super) y_um: f64,
    pub(super) radius_um: f64,
    pub(super) srs: f64,
    pub(super) tpef: f64,
    pub(super) phase: f64,
}

/// A field of view. Its origin is the outer corner of the first pixel.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) cells: Vec<PlacedCell>,
    pub(super) debris: Vec<Debris>,
}

/// Occupancy in places of [`GRID_UM`]: 0 for free, else the cell's number.
struct Places {
    columns: usize,
    rows: usize,
    owner: Vec<u32>,
    size: Vec<f64>,
    covered: Vec<f64>,
}

impl Places {
    fn new(width_um: f64, height_um: f64) -> Self {
        let columns = ((width_um + 2.0 * MARGIN_UM) / GRID_UM).ceil() as usize;
        let rows = ((height_um + 2.0 * MARGIN_UM) / GRID_UM).ceil() as usize;
        Self {
            columns,
            rows,
            owner: vec![0; columns * rows],
            size: vec![0.0],
            covered: vec![0.0],
        }
    }

    fn inside(&self, outline: &Outline) -> Vec<usize> {
        let reach = outline.reach_um();
        let low =
            |center: f64| (((center + MARGIN_UM - reach) / GRID_UM).floor().max(0.0)) as usize;
        let high = |center: f64, limit: usize| {
            (((center + MARGIN_UM + reach) / GRID_UM).ceil().max(0.0) as usize).min(limit)
        };
        let mut places = Vec::new();
        for row in low(outline.y_um)..high(outline.y_um, self.rows) {
            for column in low(outline.x_um)..high(outline.x_um, self.columns) {
                let x = (column as f64 + 0.5) * GRID_UM - MARGIN_UM;
                let y = (row as f64 + 0.5) * GRID_UM - MARGIN_UM;
                if outline.depth(x, y).is_some_and(|depth| depth < 1.0) {
                    places.push(row * self.columns + column);
                }
            }
        }
        places
    }

    fn is_free(&self, x_um: f64, y_um: f64) -> bool {
        let column = ((x_um + MARGIN_UM) / GRID_UM).floor();
        let row = ((y_um + MARGIN_UM) / GRID_UM).floor();
        if column < 0.0 || row < 0.0 || column as usize >= self.columns {
            return true;
        }
        self.owner
            .get(row as usize * self.columns + column as usize)
            .is_none_or(|&owner| owner == 0)
    }

    /// A look at a few points that spares most of the search for a place.
    fn is_hopeless(&self, outline: &Outline) -> bool {
        let ring = (0..8).filter(|&turn| {
            let (x, y) = outline.point(f64::from(turn) * core::f64::consts::FRAC_PI_4, 0.7);
            !self.is_free(x, y)
        });
        !self.is_free(outline.x_um, outline.y_um) || ring.count() >= 2
    }

    /// Settles the outline unless that covers too much of it or of another cell; gives the area taken.
    fn settle(&mut self, outline: &Outline) -> Option<f64> {
        if self.is_hopeless(outline) {
            return None;
        }
        let places = self.inside(outline);
        let size = places.len() as f64;
        if places.is_empty() {
            return None;
        }
        let mut shared = vec![0.0; self.size.len()];
        for &place in &places {
            shared[self.owner[place] as usize] += 1.0;
        }
        let total: f64 = shared.iter().skip(1).sum();
        if total > MAX_COVERED * size {
            return None;
        }
        for (other, count) in shared.iter().enumerate().skip(1) {
            if *count > 0.0 && self.covered[other] + count > MAX_COVERED * self.size[other] {
                return None;
            }
        }
        for (other, count) in shared.iter().enumerate().skip(1) {
            self.covered[other] += count;
        }
        let number = self.size.len() as u32;
        self.size.push(size);
        self.covered.push(total);
        for place in places {
            self.owner[place] = number;
        }
        Some((size - total) * GRID_UM * GRID_UM)
    }
}

impl Scene {
    /// Field `frame` of `dish`, of the given size.
    pub(super) fn new(dish: &Dish, frame: u64, width_um: f64, height_um: f64) -> Self {
        let mut random = Stream::new(dish.seed, Purpose::Field, frame, 0);
        // Some fields are empty, and the others differ from their dish.
        let density = if random.chance(0.03) {
            0.0
        } else {
            (dish.confluence * random.log_normal(1.0, 0.35)).min(0.80)
        };
        let outer_um2 = (width_um + 2.0 * MARGIN_UM) * (height_um + 2.0 * MARGIN_UM);
        let mut places = Places::new(width_um, height_um);
        let mut cells: Vec<PlacedCell> = Vec::new();
        let mut taken = 0.0;
        let mut key = 0;
        while taken < density * outer_um2 && cells.len() < MAX_CELLS && key < 4 * MAX_CELLS as u64 {
            let mut cell = PlacedCell::draw(dish, frame, key);
            key += 1;
            for _ in 0..60 {
                cell.settle_somewhere(&mut random, dish.clustering, &cells, width_um, height_um);
                if let Some(area) = places.settle(&cell.outline) {
                    taken += area;
                    cells.push(cell);
                    break;
                }
            }
            // A full field refuses nearly everything; what was reached is the density then.
            if key > 40 + 3 * cells.len() as u64 {
                break;
            }
        }
        let mut debris = Stream::new(dish.seed, Purpose::Debris, frame, 0);
        let count = debris.poisson(outer_um2 / 2500.0);
        let debris = (0..count as usize)
            .map(|_| Debris {
                x_um: debris.range(-5.0, width_um + 5.0),
                y_um: debris.range(-5.0, height_um + 5.0),
                radius_um: debris.log_normal(0.8, 0.5).min(2.5),
                srs: debris.log_range(0.3, 2.0),
                tpef: debris.log_range(0.05, 1.5),
                phase: debris.range(-0.8, 1.5),
            })
            .collect();
        Self { cells, debris }
    }
}

impl PlacedCell {
    fn draw(dish: &Dish, frame: u64, key: u64) -> Self {
        let mut random = Stream::new(dish.seed, Purpose::Cell, frame, key);
        let (class, severity, phenotype, hard_case) = phenotype::draw(dish, &mut random);
        let axis = random.range(0.0, core::f64::consts::PI);
        let irregular = if phenotype.mitotic { 0.15 } else { 1.0 };
        let outline = Outline::draw(
            &mut random,
            phenotype.footprint_um2,
            phenotype.elongation,
            axis,
            irregular,
        );
        let on_top = random.chance(0.06);
        Self {
            key,
            class,
            severity,
            phenotype,
            hard_case,
            outline,
            on_top,
        }
    }

    fn settle_somewhere(
        &mut self,
        random: &mut Stream,
        clustering: f64,
        cells: &[Self],
        width_um: f64,
        height_um: f64,
    ) {
        if !cells.is_empty() && random.chance(clustering) {
            let beside = &cells[random.index(cells.len())].outline;
            let angle = random.range(0.0, core::f64::consts::TAU);
            let distance = (beside.radius_towards(angle)
                + self.outline.radius_towards(angle + core::f64::consts::PI))
                * random.range(0.95, 1.12);
            self.outline.x_um = beside.x_um + distance * libm::cos(angle);
            self.outline.y_um = beside.y_um + distance * libm::sin(angle);
        } else {
            self.outline.x_um = random.range(-MARGIN_UM, width_um + MARGIN_UM);
            self.outline.y_um = random.range(-MARGIN_UM, height_um + MARGIN_UM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_fields_are_empty() {
        let mut empty = 0;
        for seed in 0..300 {
            let scene = Scene::new(&Dish::from_seed(seed), seed % 5, 100.0, 100.0);
            empty += usize::from(scene.cells.is_empty());
        }
        assert!((2..=25).contains(&empty), "{empty} of 300 fields are empty");
    }
}
