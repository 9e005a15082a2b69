//! A head on the backbone of the tiny member of `tests/golden/tiny`.

use ndarray::{Array1, Array3};
use proptest::prelude::*;

use super::*;
use crate::stages::infer::{Engine, NetworkSpec, Transform, engine::tract::Network, pool};

const SPEC: NetworkSpec = NetworkSpec {
    channels: 3,
    pixels: 32,
    cam: true,
};
const SHAPE: [usize; 3] = [4, 4, 4];

fn bytes() -> &'static [u8] {
    include_bytes!("../../../../../../tests/golden/tiny/tiny.onnx")
}

/// Numbers of about 1 without meaning.
fn number(series: usize, at: usize) -> f32 {
    ((series * 31 + at * 17) as f32).sin()
}

fn head(series: usize, hidden: usize) -> DenseHead {
    let matrix = |rows: usize, columns: usize, series: usize| {
        Array2::from_shape_fn((rows, columns), |(y, x)| number(series, y * columns + x))
    };
    DenseHead {
        hidden_weights: stored(matrix(hidden, 4, series)),
        hidden_bias: Array1::from_shape_fn(hidden, |at| number(series + 1, at)),
        logit_weights: matrix(2, hidden, series + 2),
        logit_bias: Array1::from_shape_fn(2, |at| number(series + 3, at)),
    }
}

fn tile(series: usize) -> Array3<f32> {
    Array3::from_shape_fn((3, 32, 32), |(c, y, x)| {
        number(series, c * 1024 + y * 32 + x)
    })
}

fn answers_as(file: &[u8], head: &DenseHead, tile: &Array3<f32>) {
    let network = Network::read(file, SPEC).unwrap();
    for transform in [Transform::Plain, Transform::Nhwc] {
        let engine = network.build(transform).unwrap();
        let output = engine.plan().unwrap().run(tile.view()).unwrap();
        let features = output.features.unwrap();
        let pooled = pool(features.view());
        for (found, expected) in output.logits.iter().zip(head.logits(&pooled)) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-4,
                "{found} {expected}"
            );
        }
        let expected = head.cam_weights(&pooled, 16);
        for (found, expected) in output.cam_weights.unwrap().iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_engine_answers_as_the_head(series in 0_usize..1000, hidden in prop_oneof![1_usize..9, Just(600)]) {
        let head = head(series, hidden);
        let file = graft(bytes(), &head, SHAPE).unwrap();
        answers_as(&file, &head, &tile(series));
    }
}

#[test]
fn a_grafted_file_takes_another_head_and_grows_no_longer() {
    let once = graft(bytes(), &head(1, 5), SHAPE).unwrap();
    let twice = graft(&once, &head(2, 5), SHAPE).unwrap();
    answers_as(&twice, &head(2, 5), &tile(3));
    assert_eq!(graft(&twice, &head(1, 5), SHAPE).unwrap(), once);
}

#[test]
fn the_backbone_keeps_its_bits() {
    let run = |file: &[u8]| {
        let network = Network::read(file, SPEC).unwrap();
        let engine = network.build(Transform::Plain).unwrap();
        engine.plan().unwrap().run(tile(5).view()).unwrap().features
    };
    let file = graft(bytes(), &head(4, 7), SHAPE).unwrap();
    assert_eq!(run(bytes()), run(&file));
    let graph = decode(&file).unwrap().graph.unwrap();
    assert!(
        graph
            .initializer
            .iter()
            .all(|tensor| !tensor.name.starts_with("fc"))
    );
}

#[test]
fn many_weights_are_halved_and_few_are_not() {
    let kinds = |hidden: usize| -> Vec<(Vec<i64>, i32)> {
        let file = graft(bytes(), &head(1, hidden), SHAPE).unwrap();
        let graph = decode(&file).unwrap().graph.unwrap();
        let own = graph
            .initializer
            .into_iter()
            .filter(|tensor| tensor.name.contains("w1"));
        own.map(|tensor| (tensor.dims, tensor.data_type)).collect()
    };
    assert_eq!(kinds(600), [(vec![600, 4], DataType::Float16 as i32)]);
    assert_eq!(kinds(6), [(vec![6, 4], DataType::Float as i32)]);
    let large = Array2::from_elem((600, 4), 1e6);
    assert_eq!(stored(large.clone()), large);
}

#[test]
fn what_cannot_be_grafted_is_told() {
    assert!(graft(b"no onnx", &head(1, 2), SHAPE).is_err());
    let mut file = decode(bytes()).unwrap();
    file.graph
        .as_mut()
        .unwrap()
        .output
        .retain(|output| output.name != FEATURES);
    let sentence = graft(&file.encode_to_vec(), &head(1, 2), SHAPE).unwrap_err();
    assert!(sentence.contains("no output `features`"), "{sentence}");
    let sentence = graft(bytes(), &head(1, 2), [5, 4, 4]).unwrap_err();
    assert!(sentence.contains("takes 4"), "{sentence}");
}
