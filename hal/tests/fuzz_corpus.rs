//! What the fuzzers began with and found is replayed: the laws hold for all of it. `hal/fuzz/README.md` says how it
//! came to be.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

#[path = "../fuzz/laws.rs"]
mod laws;

use std::{fs, path::Path};

/// Every file of the corpus of `target`.
#[track_caller]
fn replay(target: &str, law: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
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
fn block() {
    replay("block", laws::block);
}

#[test]
fn scpi() {
    replay("scpi", laws::scpi);
}

#[test]
fn record() {
    replay("record", laws::record);
}

#[test]
fn forms() {
    replay("forms", laws::forms);
}

#[test]
fn device() {
    replay("device", laws::device);
}

#[test]
fn ingest_message() {
    replay("ingest_message", laws::ingest_message);
}

#[test]
fn tiff() {
    replay("tiff", laws::tiff);
}
