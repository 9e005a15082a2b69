//! Keys and endpoints as a person meets them: what is made, and what is refused before anything is bound.
//! `tests/peers/check_security` looks at those that connect.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::{folder, run};

fn keys(dir: &Path, arguments: &[&str]) -> crate::support::Ended {
    let dir = dir.to_str().unwrap();
    run([&["keys"], arguments, &["--dir", dir]].concat())
}

fn secured(dir: &Path) -> [String; 4] {
    let dir = dir.display();
    [
        "--set".to_owned(),
        format!("publish.security.server_key={dir}/server.key_secret"),
        "--set".to_owned(),
        format!("publish.security.clients={dir}/clients"),
    ]
}

#[test]
fn keys_are_made_once_and_listed() {
    let home = folder();
    let dir = home.path().join("keys");
    let said = keys(&dir, &["new", "--server"]).done();
    let said = String::from_utf8(said.out).unwrap();
    assert!(said.contains("publish.security"), "{said}");
    keys(&dir, &["new", "office", "--role", "viewer"]).done();
    keys(&dir, &["new", "lab", "--role", "operator"]).done();
    for name in ["server", "office", "lab"] {
        let secret = fs::metadata(dir.join(format!("{name}.key_secret"))).unwrap();
        assert_eq!(secret.permissions().mode() & 0o777, 0o600, "{name}");
    }

    let listed = String::from_utf8(keys(&dir, &["list", "--json"]).done().out).unwrap();
    let listed: Vec<serde_json::Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = listed
        .iter()
        .map(|key| (key["name"].as_str().unwrap(), key["role"].as_str().unwrap()))
        .collect();
    assert_eq!(
        names,
        [("server", "-"), ("lab", "operator"), ("office", "viewer")]
    );
    assert!(
        listed
            .iter()
            .all(|key| key["public_key"].as_str().unwrap().len() == 40)
    );

    keys(&dir, &["new", "lab", "--role", "viewer"]).refused(64, &["lab", "there already"]);
    keys(&dir, &["new", "server", "--role", "viewer"]).refused(64, &["--server"]);
    keys(&dir, &["new", "../x", "--role", "viewer"]).refused(64, &["../x", "letters"]);
    keys(&dir, &["new", "x", "--role", "root"]).refused(64, &["viewer", "operator"]);
    keys(&dir, &["new", "x"]).refused(64, &["--role"]);
    keys(&dir.join("none"), &["list"]).refused(66, &["keys new"]);
}

#[test]
fn what_is_not_secure_is_a_wrong_configuration() {
    let home = folder();
    let dir = home.path();
    keys(dir, &["new", "--server"]).done();
    let check = |more: &[&str], words: &[&str]| {
        for command in [&["config", "check"][..], &["run", "--frames", "1"]] {
            let secured = secured(dir);
            let secured: Vec<_> = secured.iter().map(String::as_str).collect();
            run([command, &secured, more].concat()).refused(78, words);
        }
    };
    // Nobody is listed.
    fs::create_dir(dir.join("clients")).unwrap();
    check(&[], &["lists no clients", "keys new"]);
    keys(dir, &["new", "lab", "--role", "operator"]).done();
    check(&["--set", "publish.labels=udp://127.0.0.1:1"], &["udp"]);
    check(&["--set", "publish.maps=tcp://eth0:1"], &["by its address"]);
    // Half of what is needed.
    run(["config", "check", "--set", "publish.security.clients=keys"])
        .refused(78, &["publish.security.server_key"]);
    run([
        "config",
        "check",
        "--set",
        "publish.security.server_key=keys",
    ])
    .refused(78, &["publish.security.clients"]);
    // A secret that others can read.
    let secret = dir.join("server.key_secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    check(&[], &["others can read", "chmod 600"]);
    fs::remove_file(&secret).unwrap();
    check(&[], &["server.key_secret is not there"]);
}

#[test]
fn other_machines_need_keys() {
    let home = folder();
    for key in ["labels", "maps", "control"] {
        for endpoint in ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0"] {
            let set = format!("publish.{key}={endpoint}");
            for command in [&["config", "check"][..], &["run", "--frames", "1"]] {
                run([command, &["--set", &set]].concat())
                    .refused(78, &[endpoint, "senescope keys new", "publish.security"]);
            }
        }
    }
    let set = "ingest.zeromq=tcp://0.0.0.0:0";
    run(["config", "check", "--set", set]).refused(78, &["senescope keys new"]);
    keys(home.path(), &["new", "--server"]).done();
    keys(home.path(), &["new", "lab", "--role", "operator"]).done();
    let secured = secured(home.path());
    let secured: Vec<_> = secured.iter().map(String::as_str).collect();
    let all = ["--set", "publish.labels=tcp://*:5556", "--set", set];
    run([&["config", "check"][..], &secured, &all].concat()).done();
}

#[test]
fn a_client_shows_both_of_its_keys_and_keeps_its_own() {
    let home = folder();
    let dir = home.path();
    keys(dir, &["new", "--server"]).done();
    keys(dir, &["new", "lab", "--role", "operator"]).done();
    let file = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (secret, server) = (file("lab.key_secret"), file("server.key"));
    for command in [&["ctl", "status"][..], &["watch"]] {
        let with = |more: &[&str]| run([command, more].concat());
        with(&["--key", &secret]).refused(64, &["--server-key"]);
        with(&["--server-key", &server]).refused(64, &["--key"]);
        with(&["--key", &secret, "--server-key", "x"]).refused(66, &["x is not there"]);
        with(&["--key", &server, "--server-key", &server]).refused(78, &["chmod 600"]);
    }
    // Nobody is there: the same as without keys.
    let nobody = ["--endpoint", "tcp://127.0.0.1:9", "--timeout", "1"];
    let shown = ["--key", secret.as_str(), "--server-key", &server];
    run([&["ctl", "status"][..], &nobody, &shown].concat())
        .refused(69, &["no answer", "127.0.0.1:9"]);
}
