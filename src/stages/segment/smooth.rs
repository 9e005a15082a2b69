//! Gaussian smoothing with finite support. Missing rows and what lies outside the frame have no weight.

use super::plane::Plane;

/// Columns whose sums are kept in registers.
const AT_ONCE: usize = 16;

/// Smooths along a row.
pub(super) fn along(kernel: &[f32], from: &[f32], to: &mut [f32]) {
    let radius = kernel.len() - 1;
    let width = from.len();
    let edge = radius.min(width);
    let inner = edge..width.saturating_sub(edge).max(edge);
    for column in (0..inner.start).chain(inner.end..width) {
        let (mut sum, mut weights) = (0.0, 0.0);
        let low = column.saturating_sub(radius);
        for (at, value) in from.iter().enumerate().take(column + radius + 1).skip(low) {
            let weight = kernel[at.abs_diff(column)];
            sum += weight * value;
            weights += weight;
        }
        to[column] = sum / weights;
    }
    if inner.is_empty() {
        return;
    }
    let target = &mut to[inner.clone()];
    for (value, out) in from[inner.clone()].iter().zip(target.iter_mut()) {
        *out = kernel[0] * value;
    }
    for (distance, weight) in kernel.iter().enumerate().skip(1) {
        let left = &from[inner.start - distance..inner.end - distance];
        let right = &from[inner.start + distance..inner.end + distance];
        for ((out, left), right) in target.iter_mut().zip(left).zip(right) {
            *out += weight * (left + right);
        }
    }
}

/// Smooths across the valid rows around `row`; zero when there are none.
pub(super) fn across(
    kernel: &[f32],
    from: &Plane<f32>,
    valid: &[bool],
    row: usize,
    to: &mut [f32],
) {
    let radius = kernel.len() - 1;
    let last = (row + radius).min(valid.len().saturating_sub(1));
    let near = (row.saturating_sub(radius)..=last).filter(|at| valid.get(*at) == Some(&true));
    let near = near.map(|at| (at, kernel[at.abs_diff(row)]));
    let weights = near.clone().fold(0.0, |sum, (_, weight)| sum + weight);
    if weights <= 0.0 {
        to.fill(0.0);
        return;
    }
    let (parts, rest) = to.as_chunks_mut::<AT_ONCE>();
    let whole = parts.len() * AT_ONCE;
    for (part, out) in parts.iter_mut().enumerate() {
        let mut sums = [0.0; AT_ONCE];
        for (at, weight) in near.clone() {
            let values = &from.row(at)[part * AT_ONCE..][..AT_ONCE];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        *out = sums.map(|sum| sum / weights);
    }
    rest.fill(0.0);
    for (at, weight) in near {
        for (sum, value) in rest.iter_mut().zip(&from.row(at)[whole..]) {
            *sum += weight * value;
        }
    }
    rest.iter_mut().for_each(|sum| *sum /= weights);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: [f32; 3] = [0.4, 0.2, 0.1];

    fn naive(from: &[f32], column: usize) -> f32 {
        let pairs = from.iter().enumerate().filter_map(|(at, value)| {
            KERNEL
                .get(at.abs_diff(column))
                .map(|weight| (*weight, *value))
        });
        let (sum, weights) = pairs.fold((0.0, 0.0), |(sum, weights), (weight, value)| {
            (sum + weight * value, weights + weight)
        });
        sum / weights
    }

    #[test]
    fn every_width_equals_the_definition() {
        for width in 0..12 {
            let from: Vec<f32> = (0..width).map(|x| ((x * x) % 7) as f32).collect();
            let mut to = vec![-1.0; width];
            along(&KERNEL, &from, &mut to);
            for (column, value) in to.iter().enumerate() {
                assert!((value - naive(&from, column)).abs() < 1e-6, "{width}");
            }
        }
    }

    #[test]
    fn a_missing_row_has_no_weight() {
        let mut plane = Plane::new(1, 4);
        for (row, value) in [5.0, 1000.0, 5.0, 5.0].into_iter().enumerate() {
            plane.row_mut(row)[0] = value;
        }
        let mut to = [0.0];
        across(&KERNEL, &plane, &[true, false, true, true], 1, &mut to);
        assert!((to[0] - 5.0).abs() < 1e-6);
        across(&KERNEL, &plane, &[false; 4], 1, &mut to);
        assert_eq!(to, [0.0]);
    }
}
