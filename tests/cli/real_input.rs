//! Recordings of other people's instruments run, or the program says what is missing. The files are not part
//! of the repository; where they are absent these tests say so and pass.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Ended, assert_no_panic, end, program, text};

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(path);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(path.canonicalize().unwrap())
}

fn replay(path: Option<&Path>, channels: &[(&str, String)], more: &[&str]) -> Ended {
    let mut command = program();
    command.args(["replay", "--json"]).args(path).args(more);
    for (name, place) in channels {
        command.args(["--channel", &format!("{name}={place}")]);
    }
    end(command)
}

/// Labels of cells of bovine arteries (BPAE) by two photons: intensity and the two phasor images of a
/// lifetime. The intensity is the fluorescence; a phasor image stands for each channel that the instrument did
/// not have. `None` where the field is absent.
fn labels_of_a_two_photon_field() -> Option<Vec<serde_json::Value>> {
    let home = shared("data/bpae_two_photon")?;
    let place = |name: &str| text(&home.join(name)).to_owned();
    let channels = [
        ("TPEF", place("BPAE_I.tif")),
        ("SRS", place("BPAE_S.tif")),
        ("TRANS", place("BPAE_G.tif")),
    ];
    replay(None, &channels, &[]).refused(64, &["--pixel-size-um"]);
    let ended = replay(None, &channels, &["--pixel-size-um", "0.2"]).done();
    let labels = String::from_utf8(ended.out).unwrap();
    let labels = labels
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    Some(labels.collect())
}

#[test]
fn a_two_photon_field_gives_labels_that_are_flagged() {
    let Some(labels) = labels_of_a_two_photon_field() else {
        return;
    };
    assert!(labels.len() >= 2, "{} label(s)", labels.len());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ensemble/manifest.json");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    if manifest["ood"].is_null() {
        println!("skipped: the ensemble has no reference of its training set");
        return;
    }
    for label in &labels {
        assert_eq!(label["flags"]["outside_training_set"], true, "{label}");
    }
}

#[test]
fn each_file_of_other_software_says_which_channels_it_has() {
    let Some(home) = shared("formats") else {
        return;
    };
    let mut files: Vec<_> = fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !text(path).ends_with("LICENSE"))
        .collect();
    files.sort();
    for path in files {
        // None names our channels: it is asked which is which …
        let ended = replay(Some(&path), &[], &[]);
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(
            ended.err.contains("--channel") && ended.err.contains("#0"),
            "{}",
            ended.err
        );
        // … and with that it runs.
        let channels = ["SRS", "TPEF", "TRANS"].map(|name| (name, "#0".to_owned()));
        let ended = replay(Some(&path), &channels, &["--pixel-size-um", "0.4"]).done();
        assert!(
            ended.err.contains("run completed"),
            "{}: {}",
            path.display(),
            ended.err
        );
    }
}

#[test]
fn a_stack_of_raman_planes_runs_plane_by_plane() {
    let Some(home) = shared("data/srs") else {
        return;
    };
    for name in [
        "hyperspectral_background_1.tif",
        "hyperspectral_background_3.tif",
    ] {
        let path = home.join(name);
        let ended = replay(Some(&path), &[], &[]);
        assert_no_panic(&ended.err);
        assert_eq!(ended.code, Some(64), "{}", ended.err);
        assert!(ended.err.contains("102 planes"), "{}", ended.err);
        let channels = [("SRS", "#50"), ("TPEF", "#60"), ("TRANS", "#20")]
            .map(|(name, place)| (name, place.to_owned()));
        let ended = replay(Some(&path), &channels, &["--pixel-size-um", "0.3"]).done();
        // A background has no cells.
        assert!(ended.err.contains("0 label(s)"), "{}", ended.err);
    }
}
