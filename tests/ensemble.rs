//! Folders of ensembles, whole and damaged, on the tiny ensemble of `tests/golden/tiny`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use ndarray::Axis;
use prost::Message;
use senescope::{
    domain::Precision,
    stages::{
        combine::combine,
        explain::explain,
        infer::{
            EngineKind, EngineOptions, Ensemble, EnsembleError, OnnxRuntimeOptions,
            OpenVinoOptions, Outcome, TransformChoice, check, check_golden,
        },
    },
};
use senescope_hal::SystemClock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tract_onnx::pb::ModelProto;

/// A copy of the tiny ensemble that may be damaged.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny");
        for file in ["manifest.json", "tiny.onnx", "golden.npz", "ood.npz"] {
            fs::copy(Path::new(source).join(file), folder.path().join(file)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn edit(&self, pointer: &str, value: Value) {
        let text = fs::read_to_string(self.path("manifest.json")).unwrap();
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        *manifest.pointer_mut(pointer).unwrap() = value;
        fs::write(self.path("manifest.json"), manifest.to_string()).unwrap();
    }

    /// Replaces a file and the digest that the manifest has of it.
    fn replace(&self, file: &str, pointer: &str, bytes: &[u8]) {
        fs::write(self.path(file), bytes).unwrap();
        let digest: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.edit(pointer, json!(digest));
    }

    fn load(&self) -> Result<Ensemble, EnsembleError> {
        Ensemble::load(self.0.path(), &EngineOptions::default(), &SystemClock)
    }

    fn sentence(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

#[test]
fn the_tiny_ensemble_reproduces_what_numpy_computed() {
    let folder = Folder::new();
    for transform in [
        TransformChoice::Auto,
        TransformChoice::Plain,
        TransformChoice::Nhwc,
    ] {
        let options = EngineOptions {
            transform,
            ..EngineOptions::default()
        };
        let ensemble = Ensemble::load(folder.0.path(), &options, &SystemClock).unwrap();
        let deviations = check_golden(&ensemble, usize::MAX).unwrap();
        assert!(
            deviations.members[0].map.unwrap().value < 1e-5,
            "{deviations:?}"
        );
        // The reference was made so that the first tile is its mean and the second twice its limit away.
        for (tile, expected) in ensemble.golden_tiles().outer_iter().zip([0.0, 2.0]) {
            let distance = ensemble.ood(tile).unwrap();
            assert!((distance - expected).abs() < 1e-4, "{distance}");
        }
    }
    let report = check(folder.0.path(), &EngineOptions::default(), &SystemClock).unwrap();
    assert!(report.passed() && report.ood && report.golden_tiles == 2);
    assert_eq!(report.members[0].features, Some([4, 4, 4]));
}

/// With the libraries themselves: `tests/peers/check_engines`.
#[test]
fn a_library_that_cannot_be_used_is_told_and_auto_does_without() {
    let folder = Folder::new();
    let other = folder.path("manifest.json");
    let options = |kind| EngineOptions {
        kind,
        onnxruntime: OnnxRuntimeOptions {
            library: Some(other.clone()),
            ..OnnxRuntimeOptions::default()
        },
        openvino: OpenVinoOptions {
            library: Some("/nowhere/libopenvino_c.so".into()),
        },
        ..EngineOptions::default()
    };
    let load = |kind| Ensemble::load(folder.0.path(), &options(kind), &SystemClock);
    let said = load(EngineKind::OnnxRuntime).unwrap_err().to_string();
    assert!(
        said.contains("the engine onnxruntime cannot be used"),
        "{said}"
    );
    assert!(said.contains("manifest.json is another file"), "{said}");
    let said = load(EngineKind::OpenVino).unwrap_err().to_string();
    assert!(
        said.contains("/nowhere/libopenvino_c.so cannot be read"),
        "{said}"
    );
    let ensemble = load(EngineKind::Auto).unwrap();
    assert!(ensemble.engine().name.starts_with("tract "));
    assert_eq!(&*ensemble.engine_name(), ensemble.engine().to_string());
    let outcomes: Vec<_> = ensemble
        .trials()
        .iter()
        .map(|trial| &trial.outcome)
        .collect();
    assert!(
        matches!(
            outcomes[..],
            [
                Outcome::Chosen { .. },
                Outcome::Unusable { .. },
                Outcome::Unusable { .. }
            ]
        ),
        "{outcomes:?}"
    );
    assert!(ensemble.trials()[1..].iter().all(|trial| trial.named));
}

#[test]
fn precision_is_refused_where_there_is_no_choice() {
    let folder = Folder::new();
    let options = EngineOptions {
        precision: Precision::Bf16,
        ..EngineOptions::default()
    };
    let said = Ensemble::load(folder.0.path(), &options, &SystemClock).unwrap_err();
    assert!(said.to_string().contains("f32 only"), "{said}");
}

#[test]
fn the_digest_of_the_manifest_names_the_ensemble() {
    let folder = Folder::new();
    let first = folder.load().unwrap().digest().to_owned();
    assert_eq!(first.len(), 64);
    assert_eq!(folder.load().unwrap().digest(), first);
    folder.edit("/temperature", json!(1.5));
    assert_ne!(folder.load().unwrap().digest(), first);
}

#[test]
fn a_member_for_labels_only_gives_labels_only() {
    let folder = Folder::new();
    folder.edit("/members/0/cam", json!(false));
    folder.edit("/ood", Value::Null);
    let ensemble = folder.load().unwrap();
    assert_eq!(ensemble.members()[0].features(), None);
    assert!(check_golden(&ensemble, 1).unwrap().members[0].map.is_none());
    let mut worker = ensemble.worker().unwrap();
    let tile = ensemble.golden_tiles().index_axis_move(Axis(0), 0);
    let outputs = worker.run(tile).unwrap();
    let verdict = combine(ensemble.manifest(), &outputs, ensemble.ood(tile));
    assert_eq!(verdict.ood, None);
    assert_eq!(explain(ensemble.manifest(), &outputs, 1), None);
}

#[test]
fn a_network_without_the_outputs_of_maps_is_for_labels_only_when_the_manifest_says_so() {
    let folder = Folder::new();
    let mut network =
        ModelProto::decode(fs::read(folder.path("tiny.onnx")).unwrap().as_slice()).unwrap();
    let outputs = &mut network.graph.as_mut().unwrap().output;
    outputs.retain(|output| output.name != "cam_weights");
    folder.replace("tiny.onnx", "/members/0/sha256", &network.encode_to_vec());
    let sentence = folder.sentence();
    assert!(
        sentence.contains("tiny.onnx") && sentence.contains("cam_weights"),
        "{sentence}"
    );
    folder.edit("/members/0/cam", json!(false));
    let ensemble = folder.load().unwrap();
    assert_eq!(ensemble.members()[0].features(), None);
}

#[test]
fn a_changed_byte_anywhere_is_a_wrong_digest() {
    for file in ["tiny.onnx", "golden.npz", "ood.npz"] {
        let folder = Folder::new();
        let mut bytes = fs::read(folder.path(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(folder.path(file), bytes).unwrap();
        let error = folder.load().unwrap_err();
        assert!(matches!(error, EnsembleError::Digest { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in ["manifest.json", "tiny.onnx", "golden.npz", "ood.npz"] {
        let folder = Folder::new();
        fs::remove_file(folder.path(file)).unwrap();
        let error = folder.load().unwrap_err();
        assert!(matches!(error, EnsembleError::Missing { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
    }
    let nowhere = Path::new("/nonexistent/ensemble");
    let error = Ensemble::load(nowhere, &EngineOptions::default(), &SystemClock).unwrap_err();
    assert!(error.to_string().contains("ensemble.dir"), "{error}");
}

#[test]
fn a_network_that_is_no_member_is_told_with_its_file() {
    let folder = Folder::new();
    let whole = fs::read(folder.path("tiny.onnx")).unwrap();
    folder.replace("tiny.onnx", "/members/0/sha256", &whole[..whole.len() / 2]);
    let sentence = folder.sentence();
    assert!(
        sentence.contains("tiny.onnx") && sentence.contains("whole ONNX file"),
        "{sentence}"
    );

    let folder = Folder::new();
    folder.edit("/tile/pixels", json!(64));
    let sentence = folder.sentence();
    assert!(
        sentence.contains("1×3×32×32") && sentence.contains("1×3×64×64"),
        "{sentence}"
    );
}

#[test]
fn arrays_of_another_form_are_told_with_their_names() {
    let folder = Folder::new();
    let ood = fs::read(folder.path("ood.npz")).unwrap();
    folder.replace("golden.npz", "/golden/sha256", &ood);
    assert!(folder.sentence().contains("array `tiles`: it is missing"));

    let folder = Folder::new();
    let golden = fs::read(folder.path("golden.npz")).unwrap();
    folder.replace("ood.npz", "/ood/sha256", &golden);
    assert!(folder.sentence().contains("array `mean`: it is missing"));

    let folder = Folder::new();
    folder.replace("golden.npz", "/golden/sha256", b"no archive");
    assert!(folder.sentence().contains("golden.npz"));
}

#[test]
fn a_manifest_that_is_none_is_told() {
    let folder = Folder::new();
    folder.edit("/channels/0", json!("CARS"));
    assert!(folder.sentence().contains("CARS"));
    folder.edit("/channels/0", json!("TRANS"));
    fs::write(folder.path("manifest.json"), "{").unwrap();
    assert!(folder.sentence().contains("line 1"));
    fs::write(folder.path("manifest.json"), vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(matches!(folder.load(), Err(EnsembleError::TooLarge { .. })));
}

#[test]
fn a_member_that_computes_something_else_is_not_ready() {
    let folder = Folder::new();
    let mut network = fs::read(folder.path("tiny.onnx")).unwrap();
    // Its name is followed by the key and the length of its values: one of them gets another exponent.
    let name = b"conv.w.half";
    let at = network
        .windows(name.len())
        .rposition(|window| window == name)
        .unwrap();
    network[at + name.len() + 3 + 2 * 50 + 1] ^= 0x10;
    folder.replace("tiny.onnx", "/members/0/sha256", &network);
    let ensemble = folder.load().unwrap();
    let error = check_golden(&ensemble, usize::MAX).unwrap_err();
    assert!(matches!(error, EnsembleError::Golden { .. }), "{error}");
    assert!(error.to_string().contains("member tiny"), "{error}");
    let report = check(folder.0.path(), &EngineOptions::default(), &SystemClock).unwrap();
    assert!(!report.passed());
}
