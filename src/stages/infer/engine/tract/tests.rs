//! What a file can do to the engine, on the tiny member of `tests/golden/tiny`.

use ndarray::Array3;
use proptest::prelude::*;

use super::*;
use pb::{AttributeProto, GraphProto, ModelProto, tensor_proto::DataType};

const SPEC: NetworkSpec = NetworkSpec {
    channels: 3,
    pixels: 32,
    cam: true,
};

fn bytes() -> &'static [u8] {
    include_bytes!("../../../../../tests/golden/tiny/tiny.onnx")
}

fn tile() -> Array3<f32> {
    Array3::from_shape_fn(SPEC.tile(), |(c, y, x)| {
        ((c + 3 * y + 5 * x) % 7) as f32 / 7.0
    })
}

/// Changes the tiny member and interprets it.
fn changed(spec: NetworkSpec, change: impl FnOnce(&mut GraphProto)) -> Result<Network, String> {
    let mut file = decode(bytes()).unwrap();
    change(file.graph.as_mut().unwrap());
    interpret(&file, spec)
}

fn interpret(file: &ModelProto, spec: NetworkSpec) -> Result<Network, String> {
    told(|| Network::interpret(file, spec))
}

fn rename(graph: &mut GraphProto, from: &str, to: &str) {
    for node in &mut graph.node {
        for name in node.input.iter_mut().chain(&mut node.output) {
            if name == from {
                *name = to.to_owned();
            }
        }
    }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.to_vec(),
        r#type: pb::attribute_proto::AttributeType::Ints as i32,
        ..Default::default()
    }
}

fn sentence(result: Result<Network, String>) -> String {
    result.err().unwrap()
}

#[test]
fn the_version_is_the_one_that_is_pinned() {
    let manifest = include_str!("../../../../../Cargo.toml");
    assert!(manifest.contains(&format!("tract-onnx = {{ version = \"={VERSION}\"")));
}

#[test]
fn both_forms_run_and_answer_the_same() {
    let network = Network::read(bytes(), SPEC).unwrap();
    let [plain, nhwc] = [Transform::Plain, Transform::Nhwc].map(|transform| {
        let engine = network.build(transform).unwrap();
        assert_eq!(engine.features(), Some([4, 4, 4]));
        engine.plan().unwrap().run(tile().view()).unwrap()
    });
    assert_eq!(plain.cam_weights.as_ref().unwrap().dim(), (2, 4));
    for (a, b) in plain.logits.iter().zip(nhwc.logits) {
        assert!((a - b).abs() < 1e-5);
    }
}

#[test]
fn without_the_outputs_of_grad_cam_it_is_for_labels_only() {
    let labels = NetworkSpec { cam: false, ..SPEC };
    let network = changed(labels, |graph| graph.output.retain(|o| o.name == LOGITS)).unwrap();
    let engine = network.build(Transform::Plain).unwrap();
    assert_eq!(engine.features(), None);
    let output = engine.plan().unwrap().run(tile().view()).unwrap();
    assert_eq!((output.features, output.cam_weights), (None, None));
    let whole = Network::read(bytes(), SPEC).unwrap();
    let whole = whole.build(Transform::Plain).unwrap();
    let whole = whole.plan().unwrap().run(tile().view()).unwrap();
    assert_eq!(output.logits, whole.logits);
}

#[test]
fn a_plan_survives_a_tile_that_it_refuses() {
    let engine = Network::read(bytes(), SPEC).unwrap();
    let engine = engine.build(Transform::Plain).unwrap();
    let mut plan = engine.plan().unwrap();
    let before = plan.run(tile().view()).unwrap();
    assert!(matches!(
        plan.run(Array3::zeros((3, 32, 31)).view()),
        Err(EngineError::Shape {
            found: [3, 32, 31],
            ..
        })
    ));
    for value in [f32::NAN, f32::INFINITY] {
        let mut tile = tile();
        tile[(1, 2, 3)] = value;
        assert!(matches!(
            plan.run(tile.view()),
            Err(EngineError::NotFinite { .. })
        ));
    }
    // Values that overflow inside are told, not answered.
    let huge = Array3::from_elem(SPEC.tile(), f32::MAX);
    assert!(matches!(
        plan.run(huge.view()),
        Err(EngineError::NotFinite { .. })
    ));
    assert_eq!(plan.run(tile().view()).unwrap(), before);
}

#[test]
fn another_shape_is_told_with_both() {
    let spec = NetworkSpec {
        pixels: 128,
        ..SPEC
    };
    let said = sentence(Network::read(bytes(), spec));
    assert!(
        said.contains("1×3×32×32") && said.contains("1×3×128×128"),
        "{said}"
    );
    let spec = NetworkSpec {
        channels: 2,
        ..SPEC
    };
    assert!(sentence(Network::read(bytes(), spec)).contains("1×2×32×32"));
}

#[test]
fn a_missing_output_is_named() {
    for name in [LOGITS, FEATURES, CAM_WEIGHTS] {
        let said = sentence(changed(SPEC, |graph| {
            graph.output.retain(|output| output.name != name);
        }));
        assert!(said.contains(&format!("no output `{name}`")), "{said}");
    }
    let said = sentence(changed(SPEC, |graph| {
        graph.output[0].name = "absent".into()
    }));
    assert!(said.contains("absent"), "{said}");
}

#[test]
fn outputs_of_another_shape_are_refused() {
    let said = sentence(changed(SPEC, |graph| {
        rename(graph, "logits", "swap");
        rename(graph, "pooled", "logits");
        rename(graph, "swap", "pooled");
    }));
    assert!(said.contains("`logits` of shape [1, 4]"), "{said}");
    let said = sentence(changed(SPEC, |graph| {
        rename(graph, "features", "swap");
        rename(graph, "pooled", "features");
        rename(graph, "swap", "pooled");
    }));
    assert!(said.contains("`features` of shape [1, 4]"), "{said}");
    let said = sentence(changed(SPEC, |graph| {
        rename(graph, "cam_weights", "swap");
        rename(graph, "gate3", "cam_weights");
        rename(graph, "swap", "gate3");
    }));
    assert!(said.contains("`cam_weights` of shape [1, 1, 3]"), "{said}");
}

#[test]
fn an_operator_that_classifiers_do_not_need_is_refused() {
    for operator in ["Loop", "Range", "RandomNormal", "NoSuchOperator"] {
        let said = sentence(changed(SPEC, |graph| {
            let last = graph.node.last_mut().unwrap();
            last.op_type = operator.to_owned();
        }));
        assert!(said.contains(operator), "{said}");
    }
    let said = sentence(changed(SPEC, |graph| graph.node[0].domain = "other".into()));
    assert!(said.contains("Cast"), "{said}");
}

#[test]
fn arrays_without_bound_are_refused_before_they_are_computed() {
    for padding in [100_000, i64::from(i32::MAX), i64::MAX / 2] {
        let said = sentence(changed(SPEC, |graph| {
            let conv = graph.node.iter_mut().find(|n| n.op_type == "Conv").unwrap();
            conv.attribute.push(integers("pads", &[padding; 4]));
        }));
        assert!(!said.is_empty());
        if padding == 100_000 {
            assert!(said.contains("elements are allowed"), "{said}");
        }
    }
    let said = sentence(changed(SPEC, |graph| {
        let node = graph.node[0].clone();
        graph.node.splice(0..0, vec![node; 20_000]);
    }));
    assert!(said.contains("nodes"), "{said}");
}

fn node(operator: &str, inputs: &[&str], output: &str) -> pb::NodeProto {
    pb::NodeProto {
        op_type: operator.to_owned(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Default::default()
    }
}

/// The library computes them while it reads the file, before their shapes can be looked at.
#[test]
fn arrays_out_of_stored_ones_are_refused_before_they_are_computed() {
    let half = |name: &str, dims: [i64; 2]| pb::TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float16 as i32,
        raw_data: vec![0; 2 << 20],
        ..Default::default()
    };
    for operator in ["Add", "MatMul"] {
        let said = sentence(changed(SPEC, |graph| {
            graph.initializer.push(half("column", [1 << 20, 1]));
            graph.initializer.push(half("row", [1, 1 << 20]));
            graph.node.push(node("Cast", &["column"], "c"));
            graph.node.push(node(operator, &["c", "row"], "square"));
        }));
        assert!(said.contains("stored arrays alone"), "{said}");
    }
    let said = sentence(changed(SPEC, |graph| {
        graph.initializer.push(half("column", [1 << 20, 1]));
        for copy in 0..300 {
            let copy = format!("copy{copy}");
            graph.node.push(node("Identity", &["column"], &copy));
        }
    }));
    assert!(said.contains("together"), "{said}");
}

#[test]
fn what_the_library_makes_on_its_own_is_bounded() {
    // The margin is an array of its own in the form that is run.
    let network = changed(SPEC, |graph| {
        let conv = graph.node.iter_mut().find(|n| n.op_type == "Conv").unwrap();
        for attribute in &mut conv.attribute {
            if attribute.name == "strides" {
                attribute.ints = vec![3_333; 2];
            }
        }
        conv.attribute.retain(|attribute| attribute.name != "pads");
        conv.attribute.push(integers("pads", &[5_000; 4]));
    });
    let said = network
        .and_then(|network| network.build(Transform::Plain).map(drop))
        .unwrap_err();
    assert!(said.contains("elements are allowed"), "{said}");
    let said = sentence(changed(SPEC, |graph| {
        let conv = graph.node.iter_mut().find(|n| n.op_type == "Conv").unwrap();
        conv.op_type = "MaxPool".to_owned();
        conv.attribute = vec![integers("kernel_shape", &[1 << 31, 1 << 31])];
    }));
    assert!(said.contains("no tile is as large"), "{said}");
}

#[test]
fn an_array_with_two_sources_is_refused() {
    let said = sentence(changed(SPEC, |graph| {
        let again = node("Identity", &["logits"], "pooled");
        graph.node.push(again);
    }));
    assert!(said.contains("\"pooled\" twice"), "{said}");
}

#[test]
fn what_a_file_says_is_repeated_in_part_and_without_control_characters() {
    let said = sentence(changed(SPEC, |graph| {
        graph.node[0].op_type = "\u{1b}[2J".repeat(10_000);
    }));
    assert!(said.chars().count() <= REASON && !said.contains(char::is_control));
}

#[test]
fn lies_about_stored_weights_are_refused() {
    let stored = |change: fn(&mut pb::TensorProto)| {
        sentence(changed(SPEC, |graph| change(&mut graph.initializer[0])))
    };
    stored(|tensor| tensor.dims[0] = i64::MAX);
    stored(|tensor| tensor.dims[0] = -1);
    stored(|tensor| tensor.raw_data.truncate(3));
    let said = stored(|tensor| tensor.data_type = DataType::String as i32);
    assert!(said.contains("data type 8"), "{said}");
    stored(|tensor| {
        tensor.raw_data.clear();
        tensor.data_location = Some(pb::tensor_proto::DataLocation::External as i32);
        tensor.external_data.push(pb::StringStringEntryProto {
            key: "location".to_owned(),
            value: "/etc/passwd".to_owned(),
        });
    });
}

#[test]
fn inputs_that_no_tile_fits_are_refused() {
    let said = sentence(changed(SPEC, |graph| {
        let mut second = graph.input[0].clone();
        second.name = "second".to_owned();
        graph.input.push(second);
    }));
    assert!(said.contains("2 inputs"), "{said}");
    let said = sentence(changed(SPEC, |graph| graph.input[0].r#type = None));
    assert!(said.contains("no type"), "{said}");
    let said = sentence(changed(SPEC, |graph| {
        let conv = graph.node.iter_mut().find(|n| n.op_type == "Conv").unwrap();
        conv.input[1] = "later".to_owned();
    }));
    assert!(said.contains("later"), "{said}");
    assert!(sentence(interpret(&ModelProto::default(), SPEC)).contains("without a graph"));
}

#[test]
fn a_truncated_file_is_never_half_used() {
    for length in (0..bytes().len()).step_by(13) {
        assert!(Network::read(&bytes()[..length], SPEC).is_err(), "{length}");
    }
    assert!(sentence(Network::read(b"not ONNX at all", SPEC)).contains("ONNX file"));
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0_usize..2_700, to in any::<u8>(), more in proptest::collection::vec((0_usize..2_700, any::<u8>()), 0..4)) {
        let mut bytes = bytes().to_vec();
        for (at, to) in more.into_iter().chain([(at, to)]) {
            let length = bytes.len();
            bytes[at % length] = to;
        }
        if let Ok(network) = Network::read(&bytes, SPEC)
            && let Ok(engine) = network.build(Transform::Nhwc)
        {
            let _ = engine.plan().unwrap().run(tile().view());
        }
    }
}
