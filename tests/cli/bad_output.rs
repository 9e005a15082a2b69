//! Where results cannot be written, the program says so and ends with 74; a reader that has seen enough is
//! no failure.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::support::{assert_no_panic, end, folder, program, recording, run, shell, text};

#[test]
fn a_full_disk_is_told() {
    let home = folder();
    let recording = recording(home.path());
    for script in [
        "exec \"$0\" replay \"$1\" --json > /dev/full",
        "exec \"$0\" replay \"$1\" > /dev/full",
    ] {
        end(shell(script, &[&recording])).refused(74, &["standard output", "No space left"]);
    }
    end(shell("exec \"$0\" config show > /dev/full", &[])).refused(74, &["standard output"]);
}

#[test]
fn a_place_that_is_no_folder_is_named() {
    let home = folder();
    let recording = recording(home.path());
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("below");
    let below = text(&below);
    let recording = text(&recording);
    for arguments in [
        ["replay", recording, "--maps", below],
        ["replay", recording, "--pictures", below],
        ["tiles", recording, "--out", below],
        ["simulate", "--seed=1", "--out", below],
    ] {
        run(arguments).refused(74, &[below, "cannot be written"]);
    }
}

#[test]
fn a_fault_that_is_not_understood_is_told() {
    for (fault, part) in [
        ("fog", "no such fault"),
        ("defocus", "takes a number"),
        ("gain=-1", "takes a number"),
        ("pmt-trip=3", "takes no value"),
    ] {
        run(["simulate", "--out", "nowhere", "--fault", fault]).refused(64, &[part]);
    }
}

/// A folder that vanishes while the run goes on, as a disk that is unplugged does.
#[test]
fn a_vanished_folder_ends_the_run_and_what_was_said_stays_said() {
    let home = folder();
    let recording = recording(home.path());
    let labels = run(["replay", text(&recording), "--json"]).done().out;
    let maps = home.path().join("maps");
    // A link to nowhere stands for the file of the first map.
    fs::create_dir(&maps).unwrap();
    let first: serde_json::Value =
        serde_json::from_slice(labels.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let whole = home.path().join("whole");
    run(["replay", text(&recording), "--maps", text(&whole)]).done();
    let stem = format!("frame{:06}_field{:03}_cell{:04}", 1, 0, 0);
    assert_eq!(first["frame"], 0);
    let name = fs::read_dir(&whole)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.starts_with(&stem) && name.ends_with(".tif"))
        .unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", maps.join(&name)).unwrap();
    let ended = run(["replay", text(&recording), "--json", "--maps", text(&maps)]);
    // The first frame was whole before the second failed.
    let frame = labels
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"{\"frame\":0,"));
    assert!(ended.out.starts_with(&frame.collect::<Vec<_>>().concat()));
    ended.refused(74, &[&name, "cannot be written"]);
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let home = folder();
    let recording = recording(home.path());
    // The status of the program itself, on its own channel.
    let script = "{ \"$0\" replay \"$1\" --json; echo $? >&2; } | head -c 1";
    let ended = end(shell(script, &[&recording])).done();
    assert!(ended.err.trim_end().ends_with('0'), "{}", ended.err);
}

#[test]
fn nobody_who_listens_at_all_is_no_failure() {
    let home = folder();
    let recording = recording(home.path());
    let closed = |stderr: Stdio, arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command: Command = program();
        command.args(arguments).stdout(writer).stderr(stderr);
        command
    };
    let replay = ["replay", text(&recording), "--json"];
    let said = closed(Stdio::piped(), &replay)
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let err = String::from_utf8(said.stderr).unwrap();
    assert_no_panic(&err);
    assert!(said.status.success() && !err.contains("failed"), "{err}");

    // Standard error is closed as well: a sentence has nowhere to go, and that is no reason to panic.
    for (arguments, code) in [(&replay[..], 0), (&["replay", "none.tif"], 66)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = closed(writer.into(), arguments).status().unwrap();
        assert_eq!(status.code(), Some(code));
    }
}
