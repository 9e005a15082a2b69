//! Paints the cells of a scene onto maps: what the sample is, before any optics.
//!
//! Units: SRS in fractions of a thick cell body, TPEF in fractions of mitochondria-rich cytoplasm, phase
//! in radians.

use super::{
    HardCase,
    map::{BORDER, Map},
    organelles,
    scene::{PlacedCell, Scene},
    truth::structure,
};

/// Width of the thin rim of a cell, as a share of its radius.
const RIM: f64 = 0.10;
/// Width of the groove where two cells meet, as a difference of relative depths.
const GROOVE: f64 = 0.14;
/// What is left of the thickness in the groove.
const GROOVE_FLOOR: f64 = 0.12;
/// Phase of a µm of cell: 2π Δn / λ with Δn = 0.03 and λ = 0.8 µm.
pub(super) const PHASE_PER_UM: f64 = 0.236;
/// Thickness over which the SRS signal of a cell saturates, set by the axial resolution, in µm.
const SRS_DEPTH_UM: f64 = 1.3;

/// One plane of the sample.
pub(super) struct Layer {
    pub(super) srs: Map,
    pub(super) tpef: Map,
    pub(super) phase: Map,
}

/// The painted sample.
pub(super) struct Canvas {
    pub(super) pixel_um: f64,
    /// What is in focus, and what is not.
    pub(super) layers: [Layer; 2],
    /// Number of the cell of each pixel of the maps, from 1, 0 for none.
    pub(super) owner: Vec<u16>,
    /// Bits of [`structure`].
    pub(super) structures: Vec<u8>,
    pub(super) any_out_of_focus: bool,
}

/// Which cell has a pixel, and how deep in it the pixel lies.
#[derive(Clone, Copy)]
struct Claim {
    owner: u16,
    depth: f32,
    /// Depth in the cell next to it.
    next: f32,
    /// Depth in the cell beneath it.
    beneath: f32,
}

const NOBODY: Claim = Claim {
    owner: 0,
    depth: f32::INFINITY,
    next: f32::INFINITY,
    beneath: f32::INFINITY,
};

pub(super) fn smoothstep(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Relative thickness at a relative depth: a thin rim and a gentle dome.
fn profile(depth: f64) -> f64 {
    smoothstep((1.0 - depth) / RIM) * (0.5 + 0.5 * (1.0 - depth * depth).max(0.0))
}

/// Pixels of the maps, as ranges of columns and rows, that a disc may touch.
pub(super) fn touched(
    map: &Map,
    pixel_um: f64,
    x_um: f64,
    y_um: f64,
    reach_um: f64,
) -> [std::ops::Range<usize>; 2] {
    let span = |center_um: f64, limit: usize| {
        let center = center_um / pixel_um + BORDER as f64;
        let reach = reach_um / pixel_um + 1.0;
        let low = (center - reach).floor().clamp(0.0, limit as f64) as usize;
        let high = (center + reach).ceil().clamp(0.0, limit as f64) as usize;
        low..high
    };
    [span(x_um, map.width), span(y_um, map.height)]
}

/// Position in µm of the centre of pixel `index` of a map.
pub(super) fn center_um(index: usize, pixel_um: f64) -> f64 {
    (index as f64 - BORDER as f64 + 0.5) * pixel_um
}

fn claims(scene: &Scene, map: &Map, pixel_um: f64) -> Vec<Claim> {
    let mut claims = vec![NOBODY; map.values.len()];
    for on_top in [false, true] {
        for (number, cell) in (1_u16..).zip(&scene.cells) {
            if cell.on_top != on_top {
                continue;
            }
            let outline = &cell.outline;
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
                    let Some(depth) = outline.depth(center_um(column, pixel_um), y) else {
                        continue;
                    };
                    let depth = depth as f32;
                    if depth >= 1.0 + GROOVE as f32 {
                        continue;
                    }
                    let claim = &mut claims[row * map.width + column];
                    if on_top && depth < 1.0 {
                        *claim = Claim {
                            owner: number,
                            depth,
                            next: f32::INFINITY,
                            beneath: claim.depth,
                        };
                    } else if !on_top && depth < claim.depth {
                        claim.next = claim.depth;
                        claim.depth = depth;
                        claim.owner = if depth < 1.0 { number } else { 0 };
                    } else if !on_top {
                        claim.next = claim.next.min(depth);
                    }
                }
            }
        }
    }
    claims
}

impl Canvas {
    /// Paints `scene` for a frame of `width` × `height` pixels of `pixel_um`. `texture` is the relative
    /// inhomogeneity of cytoplasm, as a map of the same size.
    pub(super) fn paint(
        scene: &Scene,
        seed: u64,
        frame: u64,
        width: u32,
        height: u32,
        pixel_um: f64,
        texture: &Map,
    ) -> Self {
        let blank = || Map::new(width, height, 0.0);
        let layer = || Layer {
            srs: blank(),
            tpef: blank(),
            phase: blank(),
        };
        let mut canvas = Self {
            pixel_um,
            layers: [layer(), layer()],
            owner: Vec::new(),
            structures: Vec::new(),
            any_out_of_focus: false,
        };
        let claims = claims(scene, texture, pixel_um);
        canvas.owner = claims.iter().map(|claim| claim.owner).collect();
        canvas.structures = vec![0; claims.len()];
        // What nuclei and vacuoles leave of the cytoplasm.
        let mut cytoplasm = organelles::Cytoplasm::new(width, height);
        for (number, cell) in (1_u16..).zip(&scene.cells) {
            canvas.any_out_of_focus |= cell.hard_case == Some(HardCase::OutOfFocus);
            cytoplasm.cell(&mut canvas, seed, frame, number, cell);
        }
        canvas.bodies(scene, &claims, &cytoplasm, texture);
        canvas.debris(scene);
        canvas
    }

    /// The layer that a cell belongs to.
    pub(super) fn layer(&mut self, cell: &PlacedCell) -> &mut Layer {
        &mut self.layers[usize::from(cell.hard_case == Some(HardCase::OutOfFocus))]
    }

    fn bodies(
        &mut self,
        scene: &Scene,
        claims: &[Claim],
        cytoplasm: &organelles::Cytoplasm,
        texture: &Map,
    ) {
        for (place, claim) in claims.iter().enumerate() {
            let Some(cell) = usize::from(claim.owner)
                .checked_sub(1)
                .and_then(|index| scene.cells.get(index))
            else {
                continue;
            };
            let groove = GROOVE_FLOOR
                + (1.0 - GROOVE_FLOOR) * smoothstep(f64::from(claim.next - claim.depth) / GROOVE);
            let mut relative = profile(f64::from(claim.depth)) * groove;
            if claim.beneath < 1.0 {
                relative += 0.4 * profile(f64::from(claim.beneath));
            }
            let nucleus = f64::from(cytoplasm.nucleus.values[place]);
            let open = 1.0 - f64::from(cytoplasm.vacuole.values[place]);
            let thickness = cell.phenotype.height_um * relative * (1.0 + 0.35 * nucleus);
            let filled = 1.0 - libm::exp(-thickness / SRS_DEPTH_UM);
            let grain = 1.0 + f64::from(texture.values[place]);
            let srs = cell.phenotype.density
                * filled
                * grain
                * (1.0 - 0.38 * nucleus)
                * (0.15 + 0.85 * open);
            let fluorescence = cell.phenotype.redox * (1.0 - 0.82 * nucleus) * (0.1 + 0.9 * open);
            let diffuse = 0.40 * cell.phenotype.autofluorescence * filled * grain;
            let network = f64::from(cytoplasm.mitochondria.values[place]) * filled;
            let phase = PHASE_PER_UM
                * thickness
                * (0.4 + 0.6 * open)
                * (1.0 + 0.5 * f64::from(texture.values[place]));
            let layer = self.layer(cell);
            layer.srs.values[place] += srs as f32;
            layer.tpef.values[place] += (fluorescence * (diffuse + network)) as f32;
            layer.phase.values[place] += phase as f32;
        }
    }

    fn debris(&mut self, scene: &Scene) {
        let pixel_um = self.pixel_um;
        for bit in &scene.debris {
            let (x, y) = (bit.x_um / pixel_um, bit.y_um / pixel_um);
            let sigma = 0.6 * bit.radius_um / pixel_um;
            self.layers[0].srs.stamp(x, y, sigma, bit.srs);
            self.layers[0].tpef.stamp(x, y, sigma, bit.tpef);
            self.layers[0].phase.stamp(x, y, sigma, bit.phase);
            self.mark(bit.x_um, bit.y_um, bit.radius_um, structure::DEBRIS);
        }
    }

    /// Whether a point in µm belongs to cell `number`; beyond the maps nobody can tell.
    pub(super) fn may_hold(&self, number: u16, (x_um, y_um): (f64, f64)) -> bool {
        let map = &self.layers[0].srs;
        let column = (x_um / self.pixel_um + BORDER as f64).floor();
        let row = (y_um / self.pixel_um + BORDER as f64).floor();
        let outside =
            column < 0.0 || row < 0.0 || column >= map.width as f64 || row >= map.height as f64;
        outside
            || self
                .owner
                .get(row as usize * map.width + column as usize)
                .is_none_or(|&owner| owner == number)
    }

    /// Sets `bit` in the disc about a point.
    pub(super) fn mark(&mut self, x_um: f64, y_um: f64, radius_um: f64, bit: u8) {
        let radius = radius_um.max(0.6 * self.pixel_um);
        let map = &self.layers[0].srs;
        let stride = map.width;
        let [columns, rows] = touched(map, self.pixel_um, x_um, y_um, radius);
        for row in rows {
            let dy = center_um(row, self.pixel_um) - y_um;
            for column in columns.clone() {
                let dx = center_um(column, self.pixel_um) - x_um;
                if dx * dx + dy * dy <= radius * radius {
                    self.structures[row * stride + column] |= bit;
                }
            }
        }
    }
}
