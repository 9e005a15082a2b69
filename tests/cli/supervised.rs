//! A daemon under a supervisor: what it tells by the protocol of `sd_notify`, and when.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use crate::{
    running::{Running, Scene},
    support::{HUNG, copy_of_the_ensemble, program, text},
};

/// The end of a supervisor, in a folder of its own: names of sockets are short.
struct Supervisor {
    home: tempfile::TempDir,
    told: Receiver<String>,
}

impl Supervisor {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(home.path().join("notify")).unwrap();
        let (to, told) = sync_channel(1 << 16);
        // Always: the system keeps few datagrams.
        std::thread::spawn(move || {
            let mut datagram = [0; 4096];
            while let Ok(length) = socket.recv(&mut datagram) {
                let lines = std::str::from_utf8(&datagram[..length]).unwrap();
                for line in lines.lines() {
                    if to.send(line.to_owned()).is_err() {
                        return;
                    }
                }
            }
        });
        Self { home, told }
    }

    /// Starts the service on the ports of `scene`, with a watchdog.
    fn service(&self, scene: &Scene, arguments: &[&str]) -> Running {
        let mut command = program();
        command.env("NOTIFY_SOCKET", self.home.path().join("notify"));
        command.env("WATCHDOG_USEC", "400000");
        command.args(["run", "--set", "sim.speed=max"]);
        for (name, endpoint) in ["labels", "maps", "control"].iter().zip(&scene.endpoints) {
            command.args(["--set", &format!("publish.{name}={endpoint}")]);
        }
        command.args(arguments);
        Running::start(command)
    }

    /// What is told until a line is `wanted`, that line included.
    fn until(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        while !told.last().is_some_and(|line| wanted(line)) {
            told.push(self.told.recv_timeout(HUNG).unwrap());
        }
        told
    }

    /// What was told by a program that has ended.
    fn rest(&self) -> Vec<String> {
        let more = || self.told.recv_timeout(Duration::from_secs(1)).ok();
        std::iter::from_fn(more).collect()
    }
}

fn count(told: &[String], line: &str) -> usize {
    told.iter().filter(|told| *told == line).count()
}

#[test]
fn it_is_ready_lives_and_stops_in_this_order() {
    let (scene, supervisor) = (Scene::new(), Supervisor::new());
    let service = supervisor.service(&scene, &["--set", "control.autostart=false"]);
    let before = supervisor.until(|line| line == "READY=1");
    assert_eq!(count(&before, "WATCHDOG=1"), 0, "{before:?}");
    assert!(before[0].starts_with("STATUS=loading"), "{before:?}");
    // Whatever is started after it finds the sockets.
    assert!(service.line().contains("is ready"));
    scene.ctl("status").done();

    // Between runs and during them.
    for _ in 0..3 {
        supervisor.until(|line| line == "WATCHDOG=1");
    }
    scene.ctl("start").done();
    let told = supervisor
        .until(|line| line.starts_with("STATUS=running") && line.contains("after its last row"));
    assert!(count(&told, "WATCHDOG=1") > 3, "{told:?}");

    service.signal("-TERM");
    supervisor.until(|line| line == "STOPPING=1");
    service.end().done();
    let rest = supervisor.rest();
    for once in ["READY=1", "STOPPING=1"] {
        assert_eq!(count(&rest, once), 0, "{rest:?}");
    }
}

/// Networks that do not compute what they should are never offered to anybody.
#[test]
fn it_is_not_ready_when_golden_vectors_differ() {
    let (scene, supervisor) = (Scene::new(), Supervisor::new());
    let ensemble = copy_of_the_ensemble();
    let path = ensemble.path().join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let members = manifest["members"].as_array_mut().unwrap();
    let mut alike = members
        .iter_mut()
        .filter(|member| member["name"].as_str().unwrap().starts_with("squeezenet"));
    // Each is whole, and the other one.
    let (one, other) = (alike.next().unwrap(), alike.next().unwrap());
    for key in ["file", "sha256"] {
        std::mem::swap(&mut one[key], &mut other[key]);
    }
    fs::write(&path, manifest.to_string()).unwrap();
    let dir = format!("ensemble.dir={}", text(ensemble.path()));
    let service = supervisor.service(&scene, &["--set", &dir]);
    service.end().refused(1, &["golden"]);
    let told = supervisor.rest();
    assert!(told[0].starts_with("STATUS=loading"), "{told:?}");
    for never in ["READY=1", "WATCHDOG=1"] {
        assert_eq!(count(&told, never), 0, "{told:?}");
    }
}

/// A supervisor that is gone takes nothing with it.
#[test]
fn nobody_listening_changes_nothing() {
    let (scene, supervisor) = (Scene::new(), Supervisor::new());
    fs::remove_file(supervisor.home.path().join("notify")).unwrap();
    let service = supervisor.service(&scene, &["--set", "scan.width=64", "--frames", "1"]);
    service.end().done();
}
