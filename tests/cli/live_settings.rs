//! Settings that change while the daemon runs: from one frame to the next, told, recorded, and said again.

use senescope::{
    recording::{FrameLine, LabelLine},
    stages::publish::LabelMessage,
};
use serde_json::Value;

use crate::{
    recording::{differs, is_equal, lines, only_folder, rewrite},
    running::Scene,
    support::{Ended, folder, run, text},
};

/// Cells are outlined more narrowly, and each member's map is told.
const CHANGES: [&str; 2] = ["segment.threshold_contrast=0.5", "publish.member_maps=true"];

fn ctl(scene: &Scene, what: &[&str]) -> Ended {
    let mut arguments = vec!["ctl"];
    arguments.extend(what);
    arguments.extend([
        "--json",
        "--timeout",
        "120",
        "--endpoint",
        &scene.endpoints[2],
    ]);
    run(arguments)
}

fn json(ended: Ended) -> Value {
    serde_json::from_slice(&ended.done().out).unwrap()
}

#[test]
fn settings_change_between_two_frames_and_a_replay_knows() {
    let scene = Scene::new();
    let home = folder();
    let dir = format!("record.dir={}", text(home.path()));
    let watch = scene.watch(&[]);
    let service = scene.service(
        &[
            "record.enabled=true",
            &dir,
            "scan.frames=4",
            "control.stay=true",
        ]
        .map(|setting| ["--set", setting])
        .concat(),
    );
    let first: Value = serde_json::from_str(&watch.line()).unwrap();
    ctl(&scene, &["set", "scan.height=256"]).refused(1, &["`scan.height`", "segment"]);
    ctl(&scene, &["set", CHANGES[0], "segment.block_um=-1"]).refused(1, &["segment.block_um"]);
    ctl(&scene, &["status", CHANGES[0]]).refused(64, &["takes no settings"]);
    let before = json(ctl(&scene, &["settings"]));
    assert_eq!(before["config"], first["config"]);
    let after = json(ctl(&scene, &["set", CHANGES[0], CHANGES[1]]));
    assert_eq!(after["settings"]["segment"]["threshold_contrast"], 0.5);

    // What is said of it from one frame on is said under the new digest.
    let watched = watch.end().done();
    let labels = String::from_utf8(watched.out).unwrap();
    let labels: Vec<Value> = labels
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let changed = |label: &&Value| label["config"] == after["config"];
    let from = labels.iter().find(changed).unwrap()["frame"]
        .as_u64()
        .unwrap();
    assert!(from > 0);
    for label in &labels {
        let config = if label["frame"].as_u64() < Some(from) {
            &before
        } else {
            &after
        };
        assert_eq!(label["config"], config["config"]);
    }
    let note = format!(
        "from frame {from} on, publish.member_maps = true, segment.threshold_contrast = 0.5"
    );
    assert!(watched.err.contains(&note), "{}", watched.err);

    // The last frame again: as it was said, and otherwise with other settings.
    let recording = only_folder(home.path());
    let again = json(ctl(&scene, &["reprocess"]));
    let recorded: Vec<LabelLine> = lines(&recording, "labels.ndjson");
    let recorded = recorded
        .iter()
        .filter(|line| Some(line.label.frame) == again["frame"].as_u64());
    let recorded: Vec<_> = recorded
        .map(|line| LabelMessage {
            latency_ns: Default::default(),
            ..line.label.clone()
        })
        .collect();
    let said: Vec<LabelMessage> = serde_json::from_value(again["labels"].clone()).unwrap();
    assert!(!said.is_empty() && again["frame"] == 3, "{again}");
    assert_eq!(said, recorded);
    let otherwise = json(ctl(
        &scene,
        &["reprocess", "segment.threshold_contrast=0.3"],
    ));
    assert_ne!(otherwise["labels"], again["labels"]);
    ctl(&scene, &["reprocess", "scan.height=256"]).refused(1, &["`scan.height`"]);
    assert_eq!(json(ctl(&scene, &["settings"])), after);
    service.signal("-INT");
    service.end().done();

    // The record says when, and a replay changes its settings there too.
    let mut frames: Vec<FrameLine> = lines(&recording, "frames.ndjson");
    for frame in &frames {
        let settings = frame.settings.as_ref();
        assert_eq!(settings.is_some(), frame.frame >= from);
        let keys = settings.map(|settings| {
            settings
                .changed
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
        });
        assert!(
            keys.is_none_or(|keys| keys == ["publish.member_maps", "segment.threshold_contrast"])
        );
    }
    is_equal(&recording);
    let last = frames.last_mut().unwrap();
    last.settings = None;
    rewrite(&recording, "frames.ndjson", &frames);
    differs(&recording, &[], &["frame 3", "`area_um2` is "]);
}
