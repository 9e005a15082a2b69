//! What several tests of the ensemble need.

use std::path::Path;

use serde_json::{Value, json};

use super::Manifest;

/// A manifest as it is documented.
pub(crate) fn manifest_json() -> Value {
    let digest = "0123456789abcdef".repeat(4);
    json!({
        "format": 1,
        "name": "test",
        "version": "1",
        "classes": ["proliferating", "senescent"],
        "channels": ["TRANS", "SRS", "TPEF"],
        "tile": {"size_um": 51.2, "pixels": 128, "margin_um": 2.0, "taper_um": 1.0},
        "normalisation": [
            {"channel": "TRANS", "rule": "relative", "span": 0.2},
            {"channel": "SRS", "rule": "mean_in_cell", "span": 4.0},
            {"channel": "TPEF", "rule": "mean_in_cell", "span": 4.0}
        ],
        "temperature": 1.0,
        "conformal": {"coverage": 0.9, "limits": {"proliferating": 0.6, "senescent": 0.6}},
        "members": [
            {"name": "tiny", "file": "tiny.onnx", "sha256": digest, "cam": true}
        ],
        "golden": {"file": "golden.npz", "sha256": digest},
        "ood": {"file": "ood.npz", "sha256": digest, "limit": 1.5},
        "training": {
            "recipe": "1",
            "seed": 1,
            "simulated": true,
            "tiles_sha256": digest,
            "tiles": 10,
            "dishes": 2,
            "pixel_size_um": [0.1, 0.4]
        }
    })
}

/// [`manifest_json`] as it is read.
pub(crate) fn manifest() -> Manifest {
    Manifest::parse(
        manifest_json().to_string().as_bytes(),
        Path::new("manifest.json"),
    )
    .unwrap()
}
