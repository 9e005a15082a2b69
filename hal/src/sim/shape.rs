//! The outline of a cell: an ellipse with lobes and blunt processes, as a radius for each direction.

use super::random::Stream;

const DIRECTIONS: usize = 256;

/// A star-shaped outline about a centre, in µm.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    pub(super) x_um: f64,
    pub(super) y_um: f64,
    /// Direction of the long axis in radians.
    pub(super) axis: f64,
    radius_um: Vec<f64>,
    reach_um: f64,
}

impl Outline {
    /// An outline of area `area_um2`, centred on the origin. `irregular` is 0 for an ellipse and 1 for
    /// an adherent cell.
    pub(super) fn draw(
        random: &mut Stream,
        area_um2: f64,
        elongation: f64,
        axis: f64,
        irregular: f64,
    ) -> Self {
        let mut lobes = [(0.0, 0.0); 5];
        for (order, lobe) in (2_u32..).zip(&mut lobes) {
            let size = 0.26 * irregular / f64::from(order);
            *lobe = (
                size * random.normal(),
                random.range(0.0, core::f64::consts::TAU),
            );
        }
        let stretch = elongation.sqrt();
        let mut radius_um = Vec::with_capacity(DIRECTIONS);
        let mut area = 0.0;
        let step = core::f64::consts::TAU / DIRECTIONS as f64;
        for direction in 0..DIRECTIONS {
            let angle = step * direction as f64;
            let along = libm::cos(angle - axis) / stretch;
            let across = libm::sin(angle - axis) * stretch;
            let mut radius = 1.0 / (along * along + across * across).sqrt();
            let mut shape = 0.0;
            for (order, (size, phase)) in (2_u32..).zip(lobes) {
                shape += size * libm::cos(f64::from(order) * angle + phase);
            }
            // Lobes never fold the outline inwards by more than a third.
            radius *= libm::exp(shape.clamp(-0.35, 0.45));
            area += 0.5 * radius * radius * step;
            radius_um.push(radius);
        }
        let scale = (area_um2 / area).sqrt();
        let mut reach_um = 0.0_f64;
        for radius in &mut radius_um {
            *radius *= scale;
            reach_um = reach_um.max(*radius);
        }
        Self {
            x_um: 0.0,
            y_um: 0.0,
            axis,
            radius_um,
            reach_um,
        }
    }

    /// The greatest radius.
    pub(super) fn reach_um(&self) -> f64 {
        self.reach_um
    }

    /// The radius towards `angle` in radians.
    pub(super) fn radius_towards(&self, angle: f64) -> f64 {
        let turn = angle / core::f64::consts::TAU;
        let place = (turn - turn.floor()) * DIRECTIONS as f64;
        let below = place as usize % DIRECTIONS;
        let part = place - place.floor();
        let above = (below + 1) % DIRECTIONS;
        match (self.radius_um.get(below), self.radius_um.get(above)) {
            (Some(a), Some(b)) => a + (b - a) * part,
            _ => self.reach_um,
        }
    }

    /// Distance from the centre over the outline's radius: below 1 inside. `None` when clearly outside.
    pub(super) fn depth(&self, x_um: f64, y_um: f64) -> Option<f64> {
        let (dx, dy) = (x_um - self.x_um, y_um - self.y_um);
        let distance2 = dx * dx + dy * dy;
        if distance2 > self.reach_um * self.reach_um {
            return None;
        }
        Some(distance2.sqrt() / self.radius_towards(libm::atan2(dy, dx)))
    }

    /// A point of the inside at `share` of the radius towards `angle`.
    pub(super) fn point(&self, angle: f64, share: f64) -> (f64, f64) {
        let r = share * self.radius_towards(angle);
        (
            self.x_um + r * libm::cos(angle),
            self.y_um + r * libm::sin(angle),
        )
    }
}
