//! An ensemble that is missing, changed or not understood is refused before anything is classified.

use std::{fs, path::Path};

use crate::support::{copy_of_the_ensemble, run, text};

/// `check` and `replay` say the same of it.
#[track_caller]
fn refused(home: &Path, code: i32, words: &[&str]) {
    run(["ensemble", "check", text(home)]).refused(code, words);
    let set = format!("ensemble.dir={}", text(home));
    run(["replay", "x.tif", "--set", &set]).refused(code, words);
}

#[test]
fn a_missing_folder_or_file_is_named() {
    let home = copy_of_the_ensemble();
    refused(
        &home.path().join("none"),
        66,
        &["none", "manifest.json", "`ensemble.dir`"],
    );
    fs::remove_file(home.path().join("golden.npz")).unwrap();
    refused(home.path(), 66, &["golden.npz"]);
}

#[test]
fn a_changed_network_is_named_with_both_digests() {
    let home = copy_of_the_ensemble();
    let manifest = fs::read_to_string(home.path().join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let member = &manifest["members"][0];
    let file = member["file"].as_str().unwrap();
    let mut bytes = fs::read(home.path().join(file)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(home.path().join(file), bytes).unwrap();
    refused(
        home.path(),
        65,
        &[
            file,
            member["sha256"].as_str().unwrap(),
            "copy the ensemble again",
        ],
    );
}

#[test]
fn a_member_without_maps_is_accepted_for_labels_only_and_says_so() {
    let home = copy_of_the_ensemble();
    let path = home.path().join("manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["members"][0]["cam"] = false.into();
    fs::write(&path, manifest.to_string()).unwrap();
    let said = run(["ensemble", "check", text(home.path())]).done().out;
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.matches("labels only, no maps").count(), 1, "{said}");
    assert_eq!(said.matches("maps from features").count(), 6, "{said}");
}

#[test]
fn a_wrong_manifest_is_named_with_its_key() {
    let home = copy_of_the_ensemble();
    let path = home.path().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, word) in [
        ("\"temperature\"", "\"temperatur\"", "temperatur"),
        ("\"temperature\": ", "\"temperature\": -", "temperature"),
        ("\"format\": 1", "\"format\": 99", "format"),
        ("\"SRS\"", "\"CARS\"", "the unknown channel CARS"),
        ("{", "", "manifest.json"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} is not in the manifest");
        fs::write(&path, changed).unwrap();
        refused(home.path(), 65, &["manifest.json", word]);
    }
}
