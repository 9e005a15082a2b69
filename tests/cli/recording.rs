//! What is recorded is said again by a replay, to the last bit; and whatever is changed in a recording is named.

use std::{
    fs,
    path::{Path, PathBuf},
};

use senescope::{
    recording::{
        FrameLine, LabelLine, MarkLine, MarkedClass, RecordingState, RunFile, line, mark, read_maps,
    },
    telemetry::Discard,
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::support::{Ended, SIZE, endpoints, folder, run, text};

/// Records frames of the simulated microscope below `home`, and gives the folder of the run.
fn record(home: &Path, settings: &[&str]) -> PathBuf {
    recorded(home, settings).done();
    only_folder(home)
}

fn recorded(home: &Path, settings: &[&str]) -> Ended {
    let dir = format!("record.dir={}", text(home));
    let size = [format!("scan.width={SIZE}"), format!("scan.height={SIZE}")];
    let ports: Vec<_> = ["labels", "maps", "control"]
        .iter()
        .zip(endpoints())
        .map(|(name, endpoint)| format!("publish.{name}={endpoint}"))
        .collect();
    let mut arguments = vec!["run"];
    let fixed = [
        "scan.frames=2",
        "sim.speed=max",
        "scan.pixel_size_um=0.25",
        "record.enabled=true",
        &dir,
    ];
    let given = fixed.into_iter().chain(size.iter().map(String::as_str));
    let given = given
        .chain(ports.iter().map(String::as_str))
        .chain(settings.iter().copied());
    arguments.extend(given.flat_map(|setting| ["--set", setting]));
    run(arguments)
}

pub(crate) fn only_folder(home: &Path) -> PathBuf {
    let mut folders = fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let folder = folders.next().unwrap();
    assert_eq!(folders.next(), None);
    folder
}

fn account(recording: &Path) -> RunFile {
    serde_json::from_slice(&fs::read(recording.join("run.json")).unwrap()).unwrap()
}

pub(crate) fn lines<T: DeserializeOwned>(recording: &Path, name: &str) -> Vec<T> {
    let bytes = fs::read(recording.join(name)).unwrap();
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines.map(|bytes| line::open(bytes).unwrap()).collect()
}

pub(crate) fn rewrite<T: Serialize>(recording: &Path, name: &str, lines: &[T]) {
    let sealed = lines.iter().flat_map(|line| line::seal(line).unwrap());
    fs::write(recording.join(name), sealed.collect::<Vec<_>>()).unwrap();
}

fn verify(recording: &Path, more: &[&str]) -> Ended {
    run([&["replay", "--verify", text(recording)], more].concat())
}

fn out(ended: &Ended) -> &str {
    str::from_utf8(&ended.out).unwrap()
}

/// The recording is equal, whatever the number of threads.
#[track_caller]
pub(crate) fn is_equal(recording: &Path) -> (usize, usize) {
    let (frames, labels) = (
        lines::<FrameLine>(recording, "frames.ndjson"),
        lines::<LabelLine>(recording, "labels.ndjson"),
    );
    let files = frames.iter().filter(|line| line.file.is_some()).count();
    for threads in ["1", "2", "4"] {
        let ended = verify(recording, &["--threads", threads]);
        assert_eq!(ended.code, Some(0), "{} {}", out(&ended), ended.err);
        let kept = |label: &&LabelLine| {
            let line = frames.iter().find(|line| line.frame == label.label.frame);
            line.unwrap().file.is_some()
        };
        let labels = labels.iter().filter(kept).count();
        assert!(
            out(&ended).starts_with(&format!("equal: {files} frame(s), {labels} label(s)")),
            "{}",
            out(&ended)
        );
    }
    (files, labels.len())
}

/// What is wrong is named, with exit code 1.
#[track_caller]
pub(crate) fn differs(recording: &Path, more: &[&str], words: &[&str]) {
    let ended = verify(recording, more);
    assert_eq!(ended.code, Some(1), "{} {}", out(&ended), ended.err);
    for word in words {
        assert!(
            out(&ended).contains(word),
            "{word:?} is not in: {}",
            out(&ended)
        );
    }
}

/// Every label has its map, in the file of its frame, with the digest that its line has.
fn maps_are_those_of_the_labels(recording: &Path) {
    let labels: Vec<LabelLine> = lines(recording, "labels.ndjson");
    for frame in lines::<FrameLine>(recording, "frames.ndjson") {
        let maps = read_maps(&recording.join(frame.maps.unwrap())).unwrap();
        let of_frame = labels
            .iter()
            .filter(|label| label.label.frame == frame.frame);
        let wanted =
            of_frame.flat_map(|label| label.maps.iter().map(|map| (label.label.cell, map)));
        let wanted: Vec<_> = wanted.collect();
        assert_eq!(maps.len(), wanted.len());
        for ((page, values), (cell, digest)) in maps.iter().zip(wanted) {
            assert_eq!((page.cell, &page.member), (cell, &digest.member));
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            let found: String = Sha256::digest(&bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(found, digest.sha256);
        }
    }
}

#[test]
fn a_recording_is_said_again_and_every_change_is_named() {
    let home = folder();
    let recording = record(home.path(), &["record.maps=true"]);
    let (frames, labels) = is_equal(&recording);
    maps_are_those_of_the_labels(&recording);
    let run_file = account(&recording);
    assert_eq!(run_file.state, RecordingState::Complete);
    let told = run_file.recording.unwrap();
    assert_eq!((told.frames, told.labels), (frames as u64, labels as u64));
    assert_eq!(
        run_file
            .end
            .unwrap()
            .edges
            .iter()
            .map(|edge| edge.inside())
            .sum::<i128>(),
        0
    );

    let copy = |name: &str| {
        let to = home.path().join(name);
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(&recording).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        to
    };

    let flipped = copy("flipped");
    let file = flipped.join("frame-00000001.ome.tif");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&file, bytes).unwrap();
    differs(
        &flipped,
        &[],
        &["frame 1", "frame-00000001.ome.tif", "digest differs"],
    );

    let file = flipped.join("maps-00000000.tif");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&file, bytes).unwrap();
    differs(
        &flipped,
        &[],
        &["frame 0: maps-00000000.tif", "digest differs"],
    );

    let removed = copy("removed");
    fs::remove_file(removed.join("frame-00000000.ome.tif")).unwrap();
    differs(&removed, &[], &["frame-00000000.ome.tif is missing"]);

    // With its line, too.
    let mut rest: Vec<FrameLine> = lines(&removed, "frames.ndjson");
    rest.remove(0);
    rewrite(&removed, "frames.ndjson", &rest);
    differs(
        &removed,
        &[],
        &["run.json tells of 2 frame(s), and 1 have a line", "frame 0"],
    );

    // As an editor would, who does not know of the checksum; and as a program that does.
    let changed = copy("changed");
    let whole = fs::read_to_string(changed.join("labels.ndjson")).unwrap();
    fs::write(
        changed.join("labels.ndjson"),
        whole.replacen("\"cell\":1", "\"cell\":9", 1),
    )
    .unwrap();
    differs(&changed, &[], &["line 2 of labels.ndjson", "checksum"]);
    let mut labels: Vec<LabelLine> = lines(&recording, "labels.ndjson");
    let label = &mut labels[1].label;
    label.p[1] = f32::from_bits(label.p[1].to_bits() ^ 1);
    let cell = format!("frame {}, cell {}: `p` is ", label.frame, label.cell);
    rewrite(&changed, "labels.ndjson", &labels);
    differs(&changed, &[], &[&cell, " and was "]);
    labels[1].maps[0].sha256 = "0".repeat(64);
    rewrite(&changed, "labels.ndjson", &labels);
    differs(&changed, &[], &["`maps` is "]);
    labels.remove(1);
    rewrite(&changed, "labels.ndjson", &labels);
    differs(&changed, &[], &["a label that was not recorded"]);

    let other = home.path().join("ensemble");
    fs::create_dir(&other).unwrap();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/models/ensemble")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), other.join(entry.file_name())).unwrap();
    }
    let manifest = fs::read_to_string(other.join("manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["temperature"] = 1.25.into();
    fs::write(other.join("manifest.json"), manifest.to_string()).unwrap();
    let ensemble = format!("ensemble.dir={}", text(&other));
    differs(
        &recording,
        &["--set", &ensemble],
        &["`p` is ", "why: the ensemble is another", "`ensemble.dir`"],
    );
    differs(
        &recording,
        &["--set", "segment.smoothing_um=1.4"],
        &["why: the setting `segment.smoothing_um` is 1.4"],
    );
}

/// Rows that the board lost are not there again, with the same result.
#[test]
fn a_recording_with_lost_rows_is_said_again() {
    let home = folder();
    let lost = r#"sim.faults=[{kind="dropped_lines",frame=0,row=100,rows=20},{kind="dropped_lines",frame=1,row=0,rows=3}]"#;
    let recording = record(home.path(), &[lost]);
    let frames: Vec<FrameLine> = lines(&recording, "frames.ndjson");
    let missing = |line: &FrameLine| line.missing.iter().map(|gap| gap.rows).sum::<u32>();
    assert_eq!(frames.iter().map(missing).collect::<Vec<_>>(), [20, 3]);
    assert!(frames[0].ticks_first_row.is_some() && frames[1].ticks_first_row.is_none());
    is_equal(&recording);
}

/// Which cells the networks had no time for is not decided anew.
#[test]
fn a_recording_of_networks_that_were_too_slow_is_said_again() {
    let home = folder();
    let hurried = [
        "sim.speed=100",
        "scan.frames=8",
        "engine.threads=1",
        "limits.tiles_mib=1",
    ];
    let recording = record(home.path(), &hurried);
    let frames: Vec<FrameLine> = lines(&recording, "frames.ndjson");
    let skipped: Vec<_> = frames.iter().flat_map(|line| &line.skipped).collect();
    assert!(!skipped.is_empty(), "the networks kept up");
    assert!(
        skipped
            .iter()
            .all(|skipped| skipped.reason == Discard::EngineBusy)
    );
    let (_, labels) = is_equal(&recording);
    assert!(labels > 0);
}

#[test]
fn only_frames_with_events_are_kept_when_that_is_asked_for() {
    let home = folder();
    let settings = [
        "record.frames=events",
        "record.before=0",
        "record.after=0",
        "scan.frames=4",
    ];
    let recording = record(home.path(), &settings);
    let labels: Vec<LabelLine> = lines(&recording, "labels.ndjson");
    for line in lines::<FrameLine>(&recording, "frames.ndjson") {
        let event = labels.iter().any(|label| {
            let name = label.label.label.as_str();
            label.label.frame == line.frame && ["senescent", "atypical"].contains(&name)
        });
        assert_eq!(line.file.is_some(), event, "{line:?}");
        assert_eq!(line.not_kept.is_some(), !event, "{line:?}");
    }
    is_equal(&recording);
}

/// What a kill at the worst moment leaves: half a line, half a file, an account that says nothing of an end.
#[test]
fn what_a_killed_program_left_is_made_whole() {
    let home = folder();
    let recording = record(home.path(), &[]);
    let whole = account(&recording);
    let killed = RunFile {
        state: RecordingState::Recording,
        end: None,
        recording: None,
        ..whole
    };
    fs::write(
        recording.join("run.json"),
        serde_json::to_vec(&killed).unwrap(),
    )
    .unwrap();
    let labels = recording.join("labels.ndjson");
    let bytes = fs::read(&labels).unwrap();
    fs::write(&labels, &bytes[..bytes.len() - 40]).unwrap();
    fs::write(recording.join(".frame-00000002.ome.tif.part"), b"II*").unwrap();
    fs::create_dir(home.path().join("not begun")).unwrap();
    fs::write(home.path().join("not begun/.lock"), b"").unwrap();

    let next = recorded(home.path(), &["scan.frames=1"]).done();
    assert!(next.err.contains("marked as incomplete"), "{}", next.err);
    let told = account(&recording);
    assert_eq!((told.state, told.end), (RecordingState::Incomplete, None));
    let lines: Vec<LabelLine> = lines(&recording, "labels.ndjson");
    let end = told.recording.unwrap();
    assert_eq!((end.frames, end.labels), (2, lines.len() as u64));
    assert!(!recording.join(".frame-00000002.ome.tif.part").exists());
    assert!(!home.path().join("not begun").exists());
    differs(&recording, &[], &["and labels.ndjson has"]);
    // Once is enough.
    assert!(
        !recorded(home.path(), &["scan.frames=1"])
            .done()
            .err
            .contains("incomplete")
    );
}

#[test]
fn what_cannot_be_recorded_is_refused_before_it_begins() {
    let home = folder();
    recorded(home.path(), &["record.reserve_mib=1000000"]).refused(74, &["MiB free", "record.dir"]);
    recorded(home.path(), &["limits.record_mib=1"])
        .refused(78, &["`limits.record_mib` is 1", "set it to 2"]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    let file = home.path().join("file");
    fs::write(&file, b"").unwrap();
    recorded(&file, &[]).refused(74, &["file"]);
}

#[test]
fn what_is_no_recording_is_told() {
    let home = folder();
    verify(&home.path().join("none"), &[]).refused(66, &["none", "run.json"]);
    verify(home.path(), &[]).refused(66, &["run.json"]);
    fs::write(home.path().join("run.json"), b"{}").unwrap();
    verify(home.path(), &[]).refused(65, &["run.json", "format"]);
    fs::write(home.path().join("run.json"), b"{\"format\": 99}").unwrap();
    verify(home.path(), &[]).refused(65, &["form 99"]);
    verify(home.path(), &["more"]).refused(64, &["one recording"]);
    verify(home.path(), &["--json"]).refused(64, &["--json"]);
}

#[test]
fn marks_label_the_tiles_of_their_cells() {
    let home = folder();
    let recording = record(home.path(), &[]);
    let labels: Vec<LabelLine> = lines(&recording, "labels.ndjson");
    use MarkedClass::{Neither, Proliferating, Senescent};
    let says = [Senescent, Proliferating, Neither];
    for (line, class) in labels.iter().zip(says) {
        let line = MarkLine {
            frame: line.label.frame,
            cell: line.label.cell,
            class,
            marked_utc: "2026-03-01T10:00:00Z".to_owned(),
        };
        mark(&recording, &line).unwrap();
    }
    let tiles = home.path().join("tiles");
    let ended = run(["tiles", text(&recording), "--out", text(&tiles)]).done();
    assert!(ended.err.contains("3 cell(s) are marked; 1 of them"));
    let table = fs::read_to_string(tiles.join("tiles.csv")).unwrap();
    let classes: Vec<_> = table
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(5).unwrap())
        .collect();
    assert_eq!(classes.len(), labels.len() - 1);
    assert_eq!(classes[..3], ["senescent", "proliferating", ""]);
}
