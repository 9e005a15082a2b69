//! Every wrong command line and configuration ends with its own exit code and a sentence that names it.

use std::fs;

use crate::support::{end, folder, program, run, text};

#[test]
fn an_unknown_flag_is_wrong_usage() {
    run(["--nonsense"]).refused(64, &["--nonsense"]);
    run(["replay", "--nonsense", "x.tif"]).refused(64, &["--nonsense"]);
    run(["nonsense"]).refused(64, &["nonsense"]);
    run(["replay"]).refused(64, &["nothing to replay", "--channel"]);
    run(["replay", "x.tif", "--speed", "warp"]).refused(64, &["--speed", "max"]);
    run(["replay", "x.tif", "--pixel-size-um", "NaN"]).refused(64, &["--pixel-size-um"]);
    run(["replay", "x.tif", "--channel", "SRS"]).refused(64, &["--channel", "NAME=FILE"]);
}

#[test]
fn a_wrong_argument_of_set_is_named() {
    for (argument, words) in [
        ("scan.hight=3", &["`scan.hight`", "`scan.height`"][..]),
        ("nonsense.key=3", &["`nonsense`"]),
        ("scan.width=3", &["`scan.width`", "16 to 8192 samples"]),
        (
            "scan.pixel_size_um=nan",
            &["`scan.pixel_size_um`", "finite"],
        ),
        ("scan.width=wide", &["`scan.width`", "wide"]),
        ("scan.width=20.5", &["`scan.width`", "20.5", "whole number"]),
        (
            "scan.bidirectional=7",
            &["`scan.bidirectional`", "true or false"],
        ),
        (
            "board.backend=magic",
            &["`board.backend`", "magic", "\"replay\""],
        ),
        ("sim.speed=warp", &["`sim.speed`", "warp", "\"max\""]),
        ("segment.smoothing_um=99", &["segment.smoothing_um", "99"]),
        ("scan.width=[1", &["`--set scan.width=[1`"]),
        ("scan", &["`--set scan`", "section.key=value"]),
        ("=3", &["`--set =3`"]),
    ] {
        run(["config", "check", "--set", argument]).refused(78, words);
    }
}

#[test]
fn a_wrong_file_is_named_and_so_is_its_key() {
    let home = folder();
    let file = home.path().join("senescope.toml");
    for (content, words) in [
        (
            "[scan]\nhight = 3\n",
            &["`scan.hight`", "`scan.height`"][..],
        ),
        (
            "[scan]\ndwell_ns = 3\n",
            &["`scan.dwell_ns`", "100 to 1000000 ns"],
        ),
        ("[scan]\nwidth = \"wide\"\n", &["`scan.width`", "wide"]),
        ("[scan\n", &["senescope.toml", "line 1"]),
        ("scan = 3\n", &["`scan`"]),
    ] {
        fs::write(&file, content).unwrap();
        run(["config", "check", "--config", text(&file)]).refused(78, words);
        run(["run", "--config", text(&file)]).refused(78, words);
    }
}

/// A configuration that is not there is a wrong configuration (78), not a missing recording (66): a service
/// manager must not try again.
#[test]
fn a_missing_file_is_a_wrong_configuration() {
    let home = folder();
    let file = home.path().join("none.toml");
    run(["run", "--config", text(&file)]).refused(78, &["none.toml", "cannot be read"]);
    run(["run", "--config", text(home.path())]).refused(78, &[text(home.path())]);
}

#[test]
fn a_wrong_variable_of_the_environment_is_named() {
    for (name, value, words) in [
        (
            "SENESCOPE__SCAN__HIGHT",
            "3",
            &["`scan.hight`", "`scan.height`"][..],
        ),
        (
            "SENESCOPE__SCAN__WIDTH",
            "3",
            &["`scan.width`", "16 to 8192"],
        ),
        (
            "SENESCOPE__SCAN__WIDTH",
            "wide",
            &["`scan.width`", "wide", "environment"],
        ),
    ] {
        let mut command = program();
        command.args(["config", "check"]).env(name, value);
        end(command).refused(78, words);
    }
}

#[test]
fn an_endpoint_that_others_could_reach_is_refused() {
    for endpoint in ["nonsense", "tcp://0.0.0.0:5556"] {
        let set = format!("publish.labels={endpoint}");
        run(["run", "--frames", "1", "--set", &set]).refused(78, &[endpoint]);
    }
}

#[test]
fn a_service_that_has_nothing_to_replay_names_its_keys() {
    // The sockets are bound before the board is opened, so each takes any free port.
    let replay = |more: &[&str]| {
        let mut command = program();
        command.args(["run", "--set", "board.backend=replay"]);
        for socket in ["labels", "maps", "control"] {
            command.args(["--set", &format!("publish.{socket}=tcp://127.0.0.1:0")]);
        }
        command.args(more);
        end(command)
    };
    replay(&[]).refused(78, &["`board.path`", "`board.channels`"]);
    replay(&["--set", "board.path=none.tif"]).refused(66, &["none.tif"]);
}
