//! A field of values on the pixel grid, with a border beyond the frame, and the blur of an optic.

/// Pixels beyond each edge of the frame: more than every shift of the scanner and the widest shift of
/// the optics together.
pub(super) const BORDER: usize = 12;

/// Values of the frame and its border, row by row.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f32>,
}

impl Map {
    /// A map for a frame of `width` × `height` pixels, filled with `value`.
    pub(super) fn new(width: u32, height: u32, value: f32) -> Self {
        let width = width as usize + 2 * BORDER;
        let height = height as usize + 2 * BORDER;
        Self {
            width,
            height,
            values: vec![value; width * height],
        }
    }

    /// Gaussian blur of `sigma` pixels; beyond the border the edge goes on.
    pub(super) fn blur(&mut self, sigma: f64) {
        let kernel = gaussian(sigma);
        if kernel.len() < 2 {
            return;
        }
        let reach = kernel.len() - 1;
        let mut padded = vec![0.0_f32; self.width + 2 * reach];
        for row in self.values.chunks_exact_mut(self.width) {
            if let (Some(first), Some(last)) = (row.first().copied(), row.last().copied()) {
                padded[..reach].fill(first);
                padded[reach + self.width..].fill(last);
            }
            padded[reach..reach + self.width].copy_from_slice(row);
            for (value, x) in row.iter_mut().zip(reach..) {
                *value = padded[x] * kernel[0];
            }
            for (step, weight) in kernel.iter().enumerate().skip(1) {
                let left = &padded[reach - step..][..self.width];
                let right = &padded[reach + step..][..self.width];
                for ((value, a), b) in row.iter_mut().zip(left).zip(right) {
                    *value += weight * (a + b);
                }
            }
        }
        let source = self.values.clone();
        let line = |y: usize| &source[y.min(self.height - 1) * self.width..][..self.width];
        for (y, row) in self.values.chunks_exact_mut(self.width).enumerate() {
            for (value, center) in row.iter_mut().zip(line(y)) {
                *value = center * kernel[0];
            }
            for (step, weight) in kernel.iter().enumerate().skip(1) {
                let above = line(y.saturating_sub(step));
                let below = line(y + step);
                for ((value, a), b) in row.iter_mut().zip(above).zip(below) {
                    *value += weight * (a + b);
                }
            }
        }
    }

    /// Row `y` of the frame, displaced by (`dx`, `dy`) pixels, by linear interpolation.
    pub(super) fn sample_row(&self, y: usize, dx: f64, dy: f64, out: &mut [f32]) {
        let border = BORDER as f64;
        let place_y = (y as f64 + border + dy).clamp(0.0, (self.height - 2) as f64);
        let place_x = (border + dx).max(0.0);
        let (row, part_y) = (place_y.floor() as usize, place_y - place_y.floor());
        let (column, part_x) = (place_x.floor() as usize, place_x - place_x.floor());
        let column = column.min(self.width - out.len() - 1);
        let (px, py) = (part_x as f32, part_y as f32);
        let upper = &self.values[row * self.width + column..][..out.len() + 1];
        let lower = &self.values[(row + 1) * self.width + column..][..out.len() + 1];
        for (x, value) in out.iter_mut().enumerate() {
            let a = upper[x] + (upper[x + 1] - upper[x]) * px;
            let b = lower[x] + (lower[x + 1] - lower[x]) * px;
            *value = a + (b - a) * py;
        }
    }

    /// Adds a Gaussian spot of height `peak`, centred at (`x`, `y`) in pixels of the frame.
    pub(super) fn stamp(&mut self, x: f64, y: f64, sigma: f64, peak: f64) {
        let sigma = sigma.max(0.35);
        let reach = 3.0 * sigma;
        let border = BORDER as f64;
        // Pixel centres lie at half-integers.
        let (cx, cy) = (x + border - 0.5, y + border - 0.5);
        let span = |center: f64, limit: usize| {
            let low = (center - reach).ceil().max(0.0);
            let high = (center + reach).floor().min(limit as f64 - 1.0);
            (high >= low).then_some(low as usize..=high as usize)
        };
        let (Some(columns), Some(rows)) = (span(cx, self.width), span(cy, self.height)) else {
            return;
        };
        let fall = -0.5 / (sigma * sigma);
        let across: Vec<f32> = columns
            .clone()
            .map(|column| {
                let d = column as f64 - cx;
                libm::exp(d * d * fall) as f32
            })
            .collect();
        for row in rows {
            let d = row as f64 - cy;
            let weight = (peak * libm::exp(d * d * fall)) as f32;
            let line = &mut self.values[row * self.width + columns.start()..][..across.len()];
            for (value, part) in line.iter_mut().zip(&across) {
                *value += weight * part;
            }
        }
    }
}

/// The half of a normalised Gaussian, centre first; empty when the blur is below a quarter pixel.
fn gaussian(sigma: f64) -> Vec<f32> {
    if sigma < 0.25 {
        return Vec::new();
    }
    let reach = (3.5 * sigma).ceil() as usize;
    let raw: Vec<f64> = (0..=reach)
        .map(|step| {
            let d = step as f64 / sigma;
            libm::exp(-0.5 * d * d)
        })
        .collect();
    let sum = 2.0 * raw.iter().sum::<f64>() - 1.0;
    raw.into_iter().map(|value| (value / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_the_sum_and_a_constant() {
        let mut map = Map::new(64, 48, 0.0);
        map.stamp(32.0, 24.0, 1.0, 1.0);
        let before: f32 = map.values.iter().sum();
        map.blur(2.3);
        let after: f32 = map.values.iter().sum();
        assert!((after / before - 1.0).abs() < 1e-4);
        let mut flat = Map::new(32, 32, 3.0);
        flat.blur(1.7);
        assert!(flat.values.iter().all(|v| (v - 3.0).abs() < 1e-4));
    }

    #[test]
    fn a_displaced_row_is_the_row_of_the_displaced_field() {
        let mut map = Map::new(64, 64, 0.0);
        for (index, value) in map.values.iter_mut().enumerate() {
            *value = (index % (64 + 2 * BORDER)) as f32;
        }
        let mut row = vec![0.0; 64];
        map.sample_row(5, 2.5, 0.3, &mut row);
        for (x, value) in row.iter().enumerate() {
            assert!((value - (x + BORDER) as f32 - 2.5).abs() < 1e-3);
        }
    }
}
