//! The maps of a frame as a plane of the size of the frame.

use ndarray::Array2;

use crate::recording::MapPage;

/// The maps of one frame: where those of two cells overlap the larger value is kept; zero where no map is.
pub(super) struct MapPlane {
    size: [u32; 2],
    samples: Vec<f32>,
}

impl MapPlane {
    /// An empty plane of `size`: columns, rows.
    pub(super) fn new(size: [u32; 2]) -> Self {
        Self {
            size,
            samples: vec![0.0; size[0] as usize * size[1] as usize],
        }
    }

    /// Puts in a map where its tile was cut. Each pixel takes the sample that its centre lies in.
    pub(super) fn paint(&mut self, page: &MapPage, values: &Array2<f32>) {
        let [left, top, across, down] = page.bbox;
        let (rows, columns) = values.dim();
        let sample = |at: u32, start: f64, length: f64, samples: usize| {
            let index = (f64::from(at) + 0.5 - start) / length * samples as f64;
            (index >= 0.0 && index < samples as f64).then_some(index as usize)
        };
        let span = |start: f64, length: f64, end: u32| {
            // Casting takes what is outside to the edge.
            (start.floor() as u32).min(end)..((start + length).ceil() as u32).min(end)
        };
        for y in span(top, down, self.size[1]) {
            let Some(row) = sample(y, top, down, rows) else {
                continue;
            };
            for x in span(left, across, self.size[0]) {
                let value =
                    sample(x, left, across, columns).and_then(|column| values.get((row, column)));
                let at = y as usize * self.size[0] as usize + x as usize;
                if let (Some(value), Some(there)) = (value, self.samples.get_mut(at)) {
                    *there = there.max(*value);
                }
            }
        }
    }

    /// Row by row.
    pub(super) fn samples(&self) -> &[f32] {
        &self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bbox: [f64; 4]) -> MapPage {
        MapPage {
            cell: 0,
            member: "mean".to_owned(),
            class: "senescent".to_owned(),
            bbox,
            range: [0.0, 1.0],
        }
    }

    #[test]
    fn a_map_lies_where_its_tile_was_cut() {
        let mut plane = MapPlane::new([5, 4]);
        let values = Array2::from_shape_vec((2, 2), vec![0.1, 0.2, 0.3, 0.4]).unwrap();
        plane.paint(&page([1.0, 0.0, 4.0, 4.0]), &values);
        let row = |left: f32, right: f32| [0.0, left, left, right, right];
        assert_eq!(
            plane.samples(),
            [row(0.1, 0.2), row(0.1, 0.2), row(0.3, 0.4), row(0.3, 0.4)].concat()
        );
        // Beyond the frame, and over the first: the larger value stays.
        plane.paint(
            &page([-1.0, -1.0, 2.0, 2.0]),
            &Array2::from_elem((1, 1), 0.9),
        );
        plane.paint(
            &page([3.0, 3.0, 1e9, 1e9]),
            &Array2::from_elem((1, 1), 0.35),
        );
        assert_eq!(plane.samples()[0], 0.9);
        assert_eq!(plane.samples()[15..], [0.0, 0.3, 0.3, 0.4, 0.4]);
        plane.paint(&page([f64::NAN, 0.0, f64::INFINITY, 0.0]), &values);
    }
}
