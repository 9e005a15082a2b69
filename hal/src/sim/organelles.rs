//! What is inside a cell: nuclei, vacuoles, mitochondria, droplets and lipofuscin granules.

use super::{
    map::{BORDER, Map},
    paint::{Canvas, center_um, smoothstep, touched},
    random::{Purpose, Stream},
    scene::PlacedCell,
    shape::Outline,
    truth::structure,
};

/// Length of mitochondria of a median cell in µm.
const NETWORK_UM: f64 = 300.0;
/// Step along a mitochondrial branch in µm.
const STEP_UM: f64 = 0.2;
/// Brightness of a line of mitochondria, in fluorescence × µm.
const LINE: f64 = 0.55;
/// Phase of a µm of lipid: 2π Δn / λ with Δn = 0.07 and λ = 0.8 µm.
const LIPID_PHASE_PER_UM: f64 = 0.55;
/// Depth of the SRS focus in µm, which a small droplet does not fill.
const FOCUS_UM: f64 = 1.2;

/// Maps of what the cytoplasm is made of.
pub(super) struct Cytoplasm {
    /// 1 inside a nucleus.
    pub(super) nucleus: Map,
    /// 1 inside a vacuole.
    pub(super) vacuole: Map,
    /// Fluorescence of the mitochondria.
    pub(super) mitochondria: Map,
}

impl Cytoplasm {
    pub(super) fn new(width: u32, height: u32) -> Self {
        let blank = || Map::new(width, height, 0.0);
        Self {
            nucleus: blank(),
            vacuole: blank(),
            mitochondria: blank(),
        }
    }

    /// Adds the organelles of cell `number`.
    pub(super) fn cell(
        &mut self,
        canvas: &mut Canvas,
        seed: u64,
        frame: u64,
        number: u16,
        cell: &PlacedCell,
    ) {
        let mut random = Stream::new(seed, Purpose::Structures, frame, cell.key);
        let nuclei = nuclei(&mut random, cell);
        for nucleus in &nuclei {
            fill(
                &mut self.nucleus,
                canvas,
                number,
                nucleus,
                structure::NUCLEUS,
            );
        }
        let room = Room {
            number,
            cell,
            nuclei: &nuclei,
        };
        for diameter in &cell.phenotype.vacuoles_um {
            let (x, y) = room.place(canvas, &mut random, (0.3, 0.65));
            let mut vacuole = Outline::draw(
                &mut random,
                0.25 * core::f64::consts::PI * diameter * diameter,
                1.0,
                0.0,
                0.1,
            );
            (vacuole.x_um, vacuole.y_um) = (x, y);
            fill(
                &mut self.vacuole,
                canvas,
                number,
                &vacuole,
                structure::VACUOLE,
            );
        }
        self.network(canvas, &mut random, number, cell);
        droplets(canvas, &mut random, &room);
        granules(canvas, &mut random, &room);
    }

    /// Branches that begin around the nucleus and wander towards the rim.
    fn network(&mut self, canvas: &Canvas, random: &mut Stream, number: u16, cell: &PlacedCell) {
        let phenotype = &cell.phenotype;
        let total_um = NETWORK_UM * phenotype.mitochondria;
        let pixel_um = canvas.pixel_um;
        let weight = LINE * STEP_UM / (pixel_um * pixel_um);
        let side = random.range(0.0, core::f64::consts::TAU);
        let mut drawn_um = 0.0;
        while drawn_um < total_um {
            let length_um = random.log_normal(phenotype.branch_um, 0.4).clamp(0.4, 30.0);
            let angle = if phenotype.clumped && random.chance(0.6) {
                side + 0.5 * random.normal()
            } else {
                random.range(0.0, core::f64::consts::TAU)
            };
            let inner = 0.22;
            let spread = random.unit() * random.unit().sqrt();
            let (mut x, mut y) = cell.outline.point(angle, inner + (0.88 - inner) * spread);
            let mut heading = angle + 1.2 * random.normal();
            let mut left_um = length_um;
            while left_um > 0.0 {
                left_um -= STEP_UM;
                drawn_um += STEP_UM;
                splat(&mut self.mitochondria, canvas, number, x, y, weight);
                heading += 0.22 * random.normal();
                x += STEP_UM * libm::cos(heading);
                y += STEP_UM * libm::sin(heading);
                if cell.outline.depth(x, y).is_none_or(|depth| depth > 0.93) {
                    break;
                }
            }
        }
    }
}

/// The nuclei of a cell: one or some side by side near its centre, or the plate of a mitosis.
fn nuclei(random: &mut Stream, cell: &PlacedCell) -> Vec<Outline> {
    let phenotype = &cell.phenotype;
    let center = &cell.outline;
    if phenotype.mitotic {
        let mut plate = Outline::draw(random, 28.0, 3.2, random_angle(cell.key), 0.2);
        (plate.x_um, plate.y_um) = (center.x_um, center.y_um);
        return vec![plate];
    }
    let radius = (phenotype.nucleus_um2 / core::f64::consts::PI).sqrt();
    let (x, y) = center.point(
        random.range(0.0, core::f64::consts::TAU),
        random.range(0.0, 0.22),
    );
    let count = phenotype.nuclei;
    let lobed = phenotype.irregular_nucleus && random.chance(0.5);
    let mut nuclei = Vec::new();
    for index in 0..count {
        let place = (f64::from(index) - 0.5 * f64::from(count - 1)) * 2.05 * radius;
        let mut nucleus = Outline::draw(
            random,
            phenotype.nucleus_um2,
            random_elongation(cell.key, index),
            center.axis,
            if lobed { 1.3 } else { 0.2 },
        );
        nucleus.x_um = x + place * libm::cos(center.axis);
        nucleus.y_um = y + place * libm::sin(center.axis);
        nuclei.push(nucleus);
    }
    if phenotype.irregular_nucleus && !lobed {
        for _ in 0..1 + random.index(3) {
            let angle = random.range(0.0, core::f64::consts::TAU);
            let away = radius * random.range(1.2, 1.5);
            let size = random.range(0.8, 1.6);
            let mut micronucleus =
                Outline::draw(random, core::f64::consts::PI * size * size, 1.1, angle, 0.1);
            micronucleus.x_um = x + away * libm::cos(angle);
            micronucleus.y_um = y + away * libm::sin(angle);
            nuclei.push(micronucleus);
        }
    }
    nuclei
}

/// A direction that belongs to a key, without a draw.
fn random_angle(key: u64) -> f64 {
    (key % 16) as f64 * core::f64::consts::PI / 16.0
}

/// An elongation of 1.1 to 1.5 that belongs to a key and an index.
fn random_elongation(key: u64, index: u32) -> f64 {
    1.1 + 0.1 * ((key + u64::from(index)) % 5) as f64
}

/// Draws the inside of `outline` into `map`, where the pixel belongs to the cell.
fn fill(map: &mut Map, canvas: &mut Canvas, number: u16, outline: &Outline, bit: u8) {
    let pixel_um = canvas.pixel_um;
    let soft = (0.4 / outline.reach_um()).clamp(0.05, 0.5);
    let [columns, rows] = touched(
        map,
        pixel_um,
        outline.x_um,
        outline.y_um,
        outline.reach_um(),
    );
    for row in rows {
        let y = center_um(row, pixel_um);
        for column in columns.clone() {
            let place = row * map.width + column;
            if canvas.owner[place] != number {
                continue;
            }
            let Some(depth) = outline.depth(center_um(column, pixel_um), y) else {
                continue;
            };
            if depth < 1.0 {
                canvas.structures[place] |= bit;
            }
            let inside = smoothstep(0.5 + 0.5 * (1.0 - depth) / soft) as f32;
            map.values[place] = map.values[place].max(inside);
        }
    }
}

/// Adds `weight` at a point, shared by the four pixels about it, where they belong to the cell.
fn splat(map: &mut Map, canvas: &Canvas, number: u16, x_um: f64, y_um: f64, weight: f64) {
    let x = x_um / canvas.pixel_um + BORDER as f64 - 0.5;
    let y = y_um / canvas.pixel_um + BORDER as f64 - 0.5;
    if x < 0.0 || y < 0.0 {
        return;
    }
    let (column, row) = (x.floor() as usize, y.floor() as usize);
    if column + 1 >= map.width || row + 1 >= map.height {
        return;
    }
    let (px, py) = (x - x.floor(), y - y.floor());
    for (dy, wy) in [(0, 1.0 - py), (1, py)] {
        for (dx, wx) in [(0, 1.0 - px), (1, px)] {
            let place = (row + dy) * map.width + column + dx;
            if canvas.owner[place] == number {
                map.values[place] += (weight * wx * wy) as f32;
            }
        }
    }
}

/// What organelles have to keep clear of.
struct Room<'a> {
    number: u16,
    cell: &'a PlacedCell,
    nuclei: &'a [Outline],
}

impl Room<'_> {
    /// A place between two relative depths, in what is visible of the cell and outside its nuclei when one
    /// is found soon.
    fn place(&self, canvas: &Canvas, random: &mut Stream, depths: (f64, f64)) -> (f64, f64) {
        let outline = &self.cell.outline;
        let mut point = (outline.x_um, outline.y_um);
        for _ in 0..6 {
            let angle = random.range(0.0, core::f64::consts::TAU);
            point = outline.point(angle, random.range(depths.0, depths.1));
            let in_nucleus = |nucleus: &Outline| {
                nucleus
                    .depth(point.0, point.1)
                    .is_some_and(|depth| depth < 1.0)
            };
            if canvas.may_hold(self.number, point) && !self.nuclei.iter().any(in_nucleus) {
                break;
            }
        }
        point
    }
}

fn droplets(canvas: &mut Canvas, random: &mut Stream, room: &Room<'_>) {
    let phenotype = &room.cell.phenotype;
    let pixel_um = canvas.pixel_um;
    for _ in 0..phenotype.droplets {
        let (x, y) = room.place(canvas, random, (0.2, 0.85));
        let diameter = random.log_normal(phenotype.droplet_um, 0.3).min(3.0);
        // Its height in the cell decides how much of the focus meets it.
        let met = random.range(0.4, 1.0) * (1.2 * diameter / FOCUS_UM).min(1.0);
        let sigma = 0.38 * diameter / pixel_um;
        let layer = canvas.layer(room.cell);
        let (px, py) = (x / pixel_um, y / pixel_um);
        layer
            .srs
            .stamp(px, py, sigma, met * phenotype.droplet_contrast);
        layer
            .phase
            .stamp(px, py, sigma, LIPID_PHASE_PER_UM * diameter);
        canvas.mark(x, y, 0.5 * diameter, structure::DROPLET);
    }
}

fn granules(canvas: &mut Canvas, random: &mut Stream, room: &Room<'_>) {
    let pixel_um = canvas.pixel_um;
    for _ in 0..room.cell.phenotype.granules {
        let (x, y) = room.place(canvas, random, (0.2, 0.55));
        let diameter = random.log_normal(0.9, 0.25).min(2.0);
        let sigma = 0.38 * diameter / pixel_um;
        let bright = random.range(2.5, 6.0);
        let layer = canvas.layer(room.cell);
        let (px, py) = (x / pixel_um, y / pixel_um);
        layer.tpef.stamp(px, py, sigma, bright);
        layer.srs.stamp(px, py, sigma, 0.3);
        canvas.mark(x, y, 0.5 * diameter, structure::GRANULE);
    }
}
