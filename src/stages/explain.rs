//! Grad-CAM (Selvaraju et al., ICCV 2017): where in its tile a class was decided.
//!
//! The gradient is that of the logit. Scaling and resizing are those of the Python package `grad-cam`
//! 1.5.7: ReLU, scale to [0, 1], bilinear resize as OpenCV's `INTER_LINEAR`, scale again. The ensemble's
//! map is the mean of its members' maps; members without Grad-CAM outputs do not take part.
//!
//! Not done here: choosing which cells get a map, drawing.

use std::sync::LazyLock;

use ndarray::Array2;

use crate::{
    domain::{Heatmap, HeatmapSource, Pool, Pooled},
    stages::infer::{Manifest, MemberOutput},
};

/// What keeps a constant map from being divided by zero, as in `grad-cam`.
const EPSILON: f32 = 1e-7;
/// Pixels whose sums over features are kept in registers.
const AT_ONCE: usize = 16;

/// Maps whose memory is kept for those to come, and the most pixels of one.
static MAPS: LazyLock<Pool<f32>> = LazyLock::new(|| Pool::new(64, 1 << 16));
/// Sums over members, a thread one at a time.
static SUMS: LazyLock<Pool<f64>> = LazyLock::new(|| Pool::new(16, 1 << 16));
/// The samples between which new ones lie.
static TAPS: LazyLock<Pool<Tap>> = LazyLock::new(|| Pool::new(16, 1 << 12));

/// Two old samples with the share of the second.
type Tap = (usize, usize, f32);

/// The map of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberMap {
    /// Rows × columns of the tile, in [0, 1].
    pub values: Pooled<Array2<f32>>,
    /// Least and greatest value at the features' resolution before scaling, after ReLU, in logits per
    /// unit feature.
    pub range: (f32, f32),
}

/// The Grad-CAM of `class`, on a tile of `pixels` × `pixels`. `None` when the network gave no features or
/// no weights, or has no such class.
pub fn grad_cam(output: &MemberOutput, class: usize, pixels: usize) -> Option<MemberMap> {
    let features = output.features.as_ref()?;
    let weights = output.cam_weights.as_ref()?;
    let weights = (class < weights.nrows()).then(|| weights.row(class))?;
    let (_, rows, columns) = features.dim();
    let features = features.as_standard_layout();
    let maps = features.as_slice().unwrap_or_default();
    let maps = maps.chunks_exact((rows * columns).max(1)).zip(weights);
    let mut sum = SUMS.lend(SUMS.take());
    sum.resize(rows * columns, 0.0);
    let (parts, rest) = sum.as_chunks_mut::<AT_ONCE>();
    let whole = AT_ONCE * parts.len();
    for (part, out) in parts.iter_mut().enumerate() {
        let mut sums = [0.0; AT_ONCE];
        for (map, weight) in maps.clone() {
            let weight = f64::from(*weight);
            let map = &map[part * AT_ONCE..][..AT_ONCE];
            for (sum, value) in sums.iter_mut().zip(map) {
                *sum += weight * f64::from(*value);
            }
        }
        *out = sums;
    }
    for (map, weight) in maps {
        let weight = f64::from(*weight);
        for (sum, value) in rest.iter_mut().zip(&map[whole..]) {
            *sum += weight * f64::from(*value);
        }
    }
    let mut cam = MAPS.lend(MAPS.take());
    cam.extend(sum.iter().map(|value| value.max(0.0) as f32));
    let range = extremes(&cam);
    scale(&mut cam, range);
    let mut values = MAPS.take();
    let range_of_map = resize(&cam, [rows, columns], pixels, &mut values);
    scale(&mut values, range_of_map);
    // There are as many as the shape says.
    let values = Array2::from_shape_vec((pixels, pixels), values).unwrap_or_default();
    let values = MAPS.lend(values);
    Some(MemberMap { values, range })
}

/// The ensemble's map of `class`: the mean of the members' maps; its range is the mean of their ranges.
/// `None` when no member can be explained.
pub fn explain(manifest: &Manifest, outputs: &[MemberOutput], class: usize) -> Option<Heatmap> {
    let mut mean = Mean::default();
    for (_, map) in members(manifest, outputs, class) {
        mean.add(&map);
    }
    mean.finish(manifest.classes.get(class)?)
}

/// [`explain`], then each member's own map in the manifest's order, then in how far they disagree. Empty when
/// no member can be explained; members that cannot be have no map.
pub fn explain_in_full(
    manifest: &Manifest,
    outputs: &[MemberOutput],
    class: usize,
) -> Vec<Heatmap> {
    let Some(name) = manifest.classes.get(class) else {
        return Vec::new();
    };
    let mut mean = Mean::default();
    let mut own = Vec::new();
    for (member, map) in members(manifest, outputs, class) {
        mean.add(&map);
        own.push(Heatmap {
            class: name.clone(),
            source: HeatmapSource::Member(member.to_owned()),
            values: map.values,
            range: map.range,
        });
    }
    let Some(mean) = mean.finish(name) else {
        return Vec::new();
    };
    let disagreement = spread(&own, &mean.values);
    let mut maps = vec![mean];
    maps.extend(own);
    maps.push(disagreement);
    maps
}

/// Name and map of each member that has one.
fn members<'a>(
    manifest: &'a Manifest,
    outputs: &'a [MemberOutput],
    class: usize,
) -> impl Iterator<Item = (&'a str, MemberMap)> {
    let members = manifest.members.iter().zip(outputs);
    members.filter_map(move |(member, output)| {
        let map = grad_cam(output, class, manifest.tile.pixels)?;
        Some((member.name.as_str(), map))
    })
}

/// The mean of maps of one shape, as they come.
#[derive(Default)]
struct Mean {
    sum: Pooled<Vec<f64>>,
    shape: (usize, usize),
    maps: u32,
    low: f64,
    high: f64,
}

impl Mean {
    fn add(&mut self, map: &MemberMap) {
        if self.maps == 0 {
            self.shape = map.values.dim();
            self.sum = SUMS.lend(SUMS.take());
            self.sum.resize(map.values.len(), 0.0);
        }
        self.maps += 1;
        let values = map.values.as_slice().unwrap_or_default();
        for (sum, value) in self.sum.iter_mut().zip(values) {
            *sum += f64::from(*value);
        }
        self.low += f64::from(map.range.0);
        self.high += f64::from(map.range.1);
    }

    /// The mean; `None` without maps.
    fn finish(self, class: &str) -> Option<Heatmap> {
        let count = f64::from(self.maps);
        let mut values = MAPS.take();
        values.extend(self.sum.iter().map(|value| (value / count) as f32));
        // There are as many as the shape says.
        let values = Array2::from_shape_vec(self.shape, values).unwrap_or_default();
        (self.maps > 0).then(|| Heatmap {
            class: class.to_owned(),
            source: HeatmapSource::Mean,
            values: MAPS.lend(values),
            range: ((self.low / count) as f32, (self.high / count) as f32),
        })
    }
}

/// The standard deviation of maps about their `mean`.
fn spread(maps: &[Heatmap], mean: &Array2<f32>) -> Heatmap {
    let mut squares = SUMS.lend(SUMS.take());
    squares.resize(mean.len(), 0.0);
    for map in maps {
        let values = map.values.as_slice().unwrap_or_default();
        let values = values.iter().zip(mean.as_slice().unwrap_or_default());
        for (square, (value, mean)) in squares.iter_mut().zip(values) {
            *square += f64::from(value - mean).powi(2);
        }
    }
    let count = maps.len() as f64;
    let mut values = MAPS.take();
    values.extend(squares.iter().map(|square| (square / count).sqrt() as f32));
    let range = extremes(&values);
    let values = Array2::from_shape_vec(mean.dim(), values).unwrap_or_default();
    Heatmap {
        class: maps[0].class.clone(),
        source: HeatmapSource::Spread,
        range,
        values: MAPS.lend(values),
    }
}

/// Least and greatest value.
fn extremes(map: &[f32]) -> (f32, f32) {
    let mut all = Extremes::default();
    all.add(map);
    all.finish()
}

/// Least and greatest value so far, in lanes that do not wait for each other.
struct Extremes {
    low: [f32; 8],
    high: [f32; 8],
}

impl Default for Extremes {
    fn default() -> Self {
        Self {
            low: [f32::INFINITY; 8],
            high: [f32::NEG_INFINITY; 8],
        }
    }
}

impl Extremes {
    fn add(&mut self, values: &[f32]) {
        for values in values.chunks(8) {
            let lanes = self.low.iter_mut().zip(&mut self.high);
            for ((low, high), value) in lanes.zip(values) {
                *low = if *value < *low { *value } else { *low };
                *high = if *value > *high { *value } else { *high };
            }
        }
    }

    fn finish(self) -> (f32, f32) {
        (
            self.low.into_iter().fold(f32::INFINITY, f32::min),
            self.high.into_iter().fold(f32::NEG_INFINITY, f32::max),
        )
    }
}

/// (x − min) / (ε + max(x − min)), from the least and the greatest value.
fn scale(map: &mut [f32], (low, high): (f32, f32)) {
    let span = EPSILON + (high - low);
    for value in map {
        *value = (*value - low) / span;
    }
}

/// Bilinear resize as OpenCV's `INTER_LINEAR`: centres of pixels at half, edges repeated, columns first. Appends the
/// new samples to `out`; gives the least and the greatest.
fn resize(
    map: &[f32],
    [rows, columns]: [usize; 2],
    pixels: usize,
    out: &mut Vec<f32>,
) -> (f32, f32) {
    let mut taps = TAPS.lend(TAPS.take());
    taps.extend((0..pixels).map(|index| tap(index, columns, pixels)));
    let mut wide = MAPS.lend(MAPS.take());
    for row in map.chunks_exact(columns.max(1)) {
        wide.extend(
            taps.iter()
                .map(|(at, next, share)| row[*at] * (1.0 - share) + row[*next] * share),
        );
    }
    let mut all = Extremes::default();
    for index in 0..pixels {
        let (at, next, share) = tap(index, rows, pixels);
        let [upper, lower] = [at, next].map(|row| &wide[row * pixels..(row + 1) * pixels]);
        let begin = out.len();
        let kept = 1.0 - share;
        out.extend(upper.iter().zip(lower).map(|(a, b)| a * kept + b * share));
        all.add(&out[begin..]);
    }
    all.finish()
}

/// Where a new sample lies between `length` old ones.
fn tap(index: usize, length: usize, pixels: usize) -> Tap {
    let scale = length as f64 / pixels as f64;
    let position = ((index as f64 + 0.5) * scale - 0.5) as f32;
    let low = position.floor();
    if low < 0.0 {
        (0, 0, 0.0)
    } else if low as usize + 1 >= length {
        (length - 1, length - 1, 0.0)
    } else {
        (low as usize, low as usize + 1, position - low)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Axis, array};
    use proptest::prelude::*;

    use super::*;
    use crate::stages::infer::{MemberEntry, testing::manifest};

    fn output(features: Array3<f32>, weights: Array2<f32>) -> MemberOutput {
        MemberOutput {
            logits: [0.0; 2],
            features: Some(features),
            cam_weights: Some(weights),
        }
    }

    /// A manifest of members of these names.
    fn of(names: [&str; 3]) -> Manifest {
        let mut manifest = manifest();
        manifest.members = names
            .map(|name| MemberEntry {
                name: name.to_owned(),
                ..manifest.members[0].clone()
            })
            .into();
        manifest
    }

    fn any_output() -> impl Strategy<Value = MemberOutput> {
        (
            proptest::collection::vec(0.0_f32..6.0, 5 * 4 * 4),
            proptest::collection::vec(-1.0_f32..1.0, 2 * 5),
        )
            .prop_map(|(features, weights)| {
                output(
                    Array3::from_shape_vec((5, 4, 4), features).unwrap(),
                    Array2::from_shape_vec((2, 5), weights).unwrap(),
                )
            })
    }

    fn mirrored(output: &MemberOutput) -> MemberOutput {
        let mut features = output.features.clone().unwrap();
        features.invert_axis(Axis(2));
        MemberOutput {
            features: Some(features),
            ..output.clone()
        }
    }

    proptest! {
        #[test]
        fn a_map_is_between_zero_and_one_and_reaches_both(output in any_output(), class in 0_usize..2) {
            let map = grad_cam(&output, class, 32).unwrap();
            let (low, high) = extremes(map.values.as_slice().unwrap());
            prop_assert_eq!(low, 0.0);
            prop_assert!(high <= 1.0);
            // A map that is nowhere above zero stays zero.
            prop_assert!(high > 0.999 || map.range.1 < 1e-3, "{high} {:?}", map.range);
            prop_assert!(map.range.0 >= 0.0 && map.range.0 <= map.range.1);
        }

        #[test]
        fn a_mirrored_input_has_a_mirrored_map(output in any_output()) {
            let map = grad_cam(&output, 1, 32).unwrap().values;
            let mut turned = grad_cam(&mirrored(&output), 1, 32).unwrap().values;
            turned.invert_axis(Axis(1));
            prop_assert!(map.iter().zip(turned.iter()).all(|(a, b)| (a - b).abs() < 1e-5));
        }

        #[test]
        fn the_scale_of_the_weights_does_not_matter(output in any_output(), scale in 0.5_f32..20.0) {
            let map = grad_cam(&output, 0, 32).unwrap();
            prop_assume!(map.range.1 - map.range.0 > 0.01);
            let mut louder = output.clone();
            louder.cam_weights = output.cam_weights.map(|weights| weights * scale);
            let louder = grad_cam(&louder, 0, 32).unwrap();
            prop_assert!(map.values.iter().zip(louder.values.iter()).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }

    #[test]
    fn a_constant_map_and_a_negative_one_are_zero() {
        for weight in [0.0, 1.0, -1.0] {
            let map = grad_cam(
                &output(Array3::ones((1, 4, 4)), array![[weight], [weight]]),
                0,
                16,
            )
            .unwrap();
            assert!(map.values.iter().all(|value| *value == 0.0));
        }
    }

    #[test]
    fn the_resize_is_that_of_opencv() {
        // cv2.resize(np.float32([[0, 1], [2, 4]]), (4, 4)), INTER_LINEAR.
        let expected = array![
            [0.0_f32, 0.25, 0.75, 1.0],
            [0.5, 0.8125, 1.4375, 1.75],
            [1.5, 1.9375, 2.8125, 3.25],
            [2.0, 2.5, 3.5, 4.0]
        ];
        let mut found = Vec::new();
        let range = resize(&[0.0, 1.0, 2.0, 4.0], [2, 2], 4, &mut found);
        assert_eq!(found, expected.as_slice().unwrap());
        assert_eq!(range, (0.0, 4.0));
        // A single sample fills everything.
        found.clear();
        resize(&[3.0], [1, 1], 2, &mut found);
        assert_eq!(found, [3.0; 4]);
    }

    #[test]
    fn each_class_has_its_own_map() {
        let mut features = Array3::zeros((2, 4, 4));
        features[(0, 0, 0)] = 1.0;
        features[(1, 3, 3)] = 1.0;
        let output = output(features, array![[1.0, 0.0], [0.0, 1.0]]);
        let peak = |class| {
            let map = grad_cam(&output, class, 4).unwrap().values;
            (map[(0, 0)], map[(3, 3)])
        };
        assert_eq!((peak(0).0 > 0.99, peak(0).1), (true, 0.0));
        assert_eq!((peak(1).0, peak(1).1 > 0.99), (0.0, true));
        assert_eq!(grad_cam(&output, 2, 4), None);
    }

    #[test]
    fn the_ensembles_map_is_the_mean_of_its_members() {
        let manifest = of(["one", "mute", "two"]);
        let one = output(
            Array3::from_shape_fn((1, 4, 4), |(_, y, _)| y as f32),
            array![[1.0], [1.0]],
        );
        let two = output(
            Array3::from_shape_fn((1, 2, 2), |(_, _, x)| x as f32),
            array![[1.0], [1.0]],
        );
        let labels_only = MemberOutput {
            features: None,
            cam_weights: None,
            ..one.clone()
        };
        let maps: Vec<_> = [&one, &two]
            .map(|output| grad_cam(output, 1, 128).unwrap())
            .into();
        let mean = explain(&manifest, &[one.clone(), labels_only.clone(), two], 1).unwrap();
        assert_eq!(mean.class, "senescent");
        assert_eq!(mean.source, HeatmapSource::Mean);
        assert_eq!(mean.range, (0.0, 2.0));
        let expected = (maps[0].values.mapv(f64::from) + maps[1].values.mapv(f64::from)) / 2.0;
        assert_eq!(*mean.values, expected.mapv(|value| value as f32));
        assert_eq!(explain(&manifest, &[labels_only], 1), None);
    }

    #[test]
    fn members_and_their_disagreement_come_with_the_mean() {
        let manifest = of(["one", "mute", "two"]);
        let down = output(
            Array3::from_shape_fn((1, 4, 4), |(_, y, _)| y as f32),
            array![[1.0], [1.0]],
        );
        let up = output(
            Array3::from_shape_fn((1, 4, 4), |(_, y, _)| 3.0 - y as f32),
            array![[1.0], [1.0]],
        );
        let mute = MemberOutput {
            features: None,
            cam_weights: None,
            ..up.clone()
        };
        let maps = explain_in_full(&manifest, &[down.clone(), mute.clone(), up], 1);
        let sources: Vec<_> = maps.iter().map(|map| map.source.clone()).collect();
        assert_eq!(
            sources,
            [
                HeatmapSource::Mean,
                HeatmapSource::Member("one".to_owned()),
                HeatmapSource::Member("two".to_owned()),
                HeatmapSource::Spread,
            ]
        );
        // The two are each other's mirror images: they agree in the middle and nowhere less than at the ends.
        assert!(
            maps[0]
                .values
                .iter()
                .all(|value| (value - 0.5).abs() < 1e-6)
        );
        let disagreement = maps[3].values.column(0);
        assert!((disagreement[0] - 0.5).abs() < 1e-6);
        assert!(disagreement[disagreement.len() / 2] < 0.02);
        assert_eq!(maps[3].range, extremes(maps[3].values.as_slice().unwrap()));
        // A member alone agrees with itself.
        let alone = explain_in_full(&manifest, &[down], 1);
        assert!(alone[2].values.iter().all(|value| *value == 0.0));
        assert!(explain_in_full(&manifest, &[mute], 1).is_empty());
    }
}
