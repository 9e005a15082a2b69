//! What the fuzzers began with and found is replayed: the laws hold for all of it. `tests/fuzz/README.md` says how it
//! came to be.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

#[path = "fuzz/laws.rs"]
mod laws;

use std::{fs, path::Path};

/// Every file of the corpus of `target`.
#[track_caller]
fn replay(target: &str, law: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 3, "the corpus of {target} is gone");
    for file in files {
        println!("{}", file.display());
        law(&fs::read(file).unwrap());
    }
}

#[test]
fn request() {
    replay("request", laws::request);
}

#[test]
fn manifest() {
    replay("manifest", laws::manifest);
}

#[test]
fn onnx() {
    replay("onnx", laws::onnx);
}

#[test]
fn recording() {
    replay("recording", laws::recording);
}

#[test]
fn certificate() {
    replay("certificate", laws::certificate);
}
