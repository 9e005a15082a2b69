//! A running service with a subscriber and commands: everything that is said arrives, and every way to end a
//! run drains it.

use senescope_hal::{Clock, SystemClock};

use crate::{
    running::{Running, Scene},
    support::{HUNG, assert_no_panic, endpoints, folder, run, text},
};

/// `label: 3 of 4 arrived` as (3, 4).
fn arrived(err: &str, kind: &str) -> (usize, usize) {
    let line = err.lines().find(|line| line.starts_with(kind)).unwrap();
    let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Runs a service until the first label, ends it with `stop`, and holds what a subscriber got against the end
/// of the run.
fn drains(stop: impl FnOnce(&Scene, &Running)) {
    let scene = Scene::new();
    let watch = scene.watch(&[]);
    let service = scene.service(&[]);
    let first: serde_json::Value = serde_json::from_str(&watch.line()).unwrap();
    assert_eq!(first["type"], "label");
    stop(&scene, &service);

    let service = service.end().done();
    let said = String::from_utf8(service.out).unwrap();
    assert!(
        said.contains("is ready") && said.contains(&scene.endpoints[0]),
        "{said}"
    );
    assert!(said.contains("run stopped"), "{said}");

    let watch = watch.end().done();
    let (labels, sent) = arrived(&watch.err, "label");
    assert_eq!(labels, sent);
    let printed = watch.out.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(printed + 1, labels);
    assert!(said.contains(&format!("{sent} label(s)")), "{said}");
}

#[test]
fn a_stop_by_command_drains() {
    drains(|scene, service| {
        let status: serde_json::Value =
            serde_json::from_slice(&scene.ctl("status").done().out).unwrap();
        assert_eq!(status["state"], "running", "{status}");
        let snapshot: serde_json::Value =
            serde_json::from_slice(&scene.ctl("snapshot").done().out).unwrap();
        assert!(!snapshot["labels"].as_array().unwrap().is_empty());
        scene.ctl("start").refused(1, &["a run is on already"]);
        scene.ctl("stop").done();
        // The program stays, and ends when it is asked to.
        service.signal("-TERM");
    });
}

/// What was missed is sent again, from the record.
#[test]
fn labels_since_a_number_come_from_the_record() {
    let scene = Scene::new();
    let home = folder();
    let dir = format!("record.dir={}", text(home.path()));
    let recorded = ["--set", "record.enabled=true", "--set", &dir];
    let fast = [
        "--set",
        "sim.speed=max",
        "--set",
        "scan.frames=2",
        "--set",
        "control.stay=true",
    ];
    let watch = scene.watch(&[]);
    let service = scene.service(&[&recorded[..], &fast[..]].concat());
    let watch = watch.end().done();
    let labels = arrived(&watch.err, "label").0 as u64;
    let since = |seq: u64| -> serde_json::Value {
        let seq = seq.to_string();
        let endpoint = &scene.endpoints[2];
        let arguments = [
            "ctl",
            "since",
            "--seq",
            &seq,
            "--json",
            "--endpoint",
            endpoint,
        ];
        serde_json::from_slice(&run(arguments).done().out).unwrap()
    };
    for seq in [0, labels / 2, labels] {
        let answer = since(seq);
        let seqs = answer["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|label| label["seq"].as_u64());
        assert!(seqs.eq((seq + 1..=labels).map(Some)), "{answer}");
        assert_eq!(answer["more"], false);
    }
    service.signal("-INT");
    service.end().done();
}

/// A run is stopped and another one started, as often as somebody likes.
#[test]
fn runs_follow_each_other() {
    let scene = Scene::new();
    let service = scene.service(&["--set", "control.autostart=false"]);
    service.line();
    let state = || {
        let status = scene.ctl("status").done().out;
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        (
            status["state"].as_str().unwrap().to_owned(),
            status["run"].clone(),
        )
    };
    let wait_for = |wanted: &str| {
        let until = SystemClock.now().after(HUNG);
        while state().0 != wanted {
            assert!(SystemClock.now() < until, "it is never {wanted}");
        }
        state().1
    };
    assert_eq!(state().0, "idle");
    scene.ctl("stop").refused(1, &["no run is on"]);
    let mut runs = std::collections::BTreeSet::new();
    for _ in 0..3 {
        scene.ctl("start").done();
        runs.insert(wait_for("running").to_string());
        scene.ctl("stop").done();
        wait_for("idle");
    }
    assert_eq!(runs.len(), 3, "each run has its own name");
    service.signal("-INT");
    let said = String::from_utf8(service.end().done().out).unwrap();
    assert_eq!(said.matches("run stopped").count(), 3, "{said}");
}

#[test]
fn an_interrupt_drains() {
    drains(|_, service| service.signal("-INT"));
}

#[test]
fn a_termination_drains() {
    drains(|_, service| service.signal("-TERM"));
}

/// Maps from before the subscriber was there are in no snapshot, so that only those that came can be counted.
#[test]
fn every_map_that_arrives_is_written() {
    let scene = Scene::new();
    let home = folder();
    let watch = scene.watch(&["--maps", text(home.path())]);
    let service = scene.service(&[]);
    watch.line();
    scene.ctl("stop").done();
    service.signal("-TERM");
    service.end().done();
    let watch = watch.end();
    assert_no_panic(&watch.err);
    let (maps, sent) = arrived(&watch.err, "cam");
    assert_eq!(watch.code, Some(i32::from(maps < sent)), "{}", watch.err);
    let files = std::fs::read_dir(home.path())
        .unwrap()
        .flat_map(|run| std::fs::read_dir(run.unwrap().path()).unwrap())
        .filter(|file| file.as_ref().unwrap().path().extension() == Some("tif".as_ref()));
    assert_eq!(files.count(), maps);
}

#[test]
fn a_run_of_two_frames_ends_by_itself() {
    let scene = Scene::new();
    let ended = scene
        .service(&["--frames", "2", "--set", "sim.speed=max"])
        .end()
        .done();
    let said = String::from_utf8(ended.out).unwrap();
    assert!(
        said.contains("run completed: 2 frame(s), 640 row(s), 0 lost"),
        "{said}"
    );
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    for held in 0..3 {
        let scene = Scene::new();
        let endpoint = &scene.endpoints[held];
        let _held = std::net::TcpListener::bind(endpoint.trim_start_matches("tcp://")).unwrap();
        scene
            .service(&["--frames", "1"])
            .end()
            .refused(69, &[endpoint, "is in use", "`publish`"]);
    }
}

#[test]
fn a_command_to_nobody_says_so() {
    let endpoint = endpoints()[0].clone();
    run(["ctl", "status", "--timeout", "1", "--endpoint", &endpoint])
        .refused(69, &[&endpoint, "is a senescope daemon running there?"]);
}
