//! What a file does not say is asked for, with what it has and what to type; it is never guessed.

use std::fs;

use crate::support::{end, folder, frame, page, program, run, text, write_frame};

#[test]
fn a_channel_that_is_missing_is_asked_for() {
    let home = folder();
    let path = home.path().join("two.ome.tif");
    let mut channels = frame(0);
    channels.retain(|(info, _)| info.name.as_str() != "TRANS");
    write_frame(&path, &channels);
    run(["replay", text(&path)]).refused(
        64,
        &[
            "two.ome.tif",
            "TRANS",
            "#0 SRS, #1 TPEF",
            "--channel TRANS=",
        ],
    );
}

/// Files that name their channels otherwise can be cut into a training set too.
#[test]
fn tiles_can_be_cut_from_channels_of_other_names() {
    let home = folder();
    let path = home.path().join("own.ome.tif");
    let mut channels = frame(0);
    for ((info, _), name) in channels.iter_mut().zip(["CH2", "NADH", "PD"]) {
        info.name = name.into();
    }
    write_frame(&path, &channels);
    let out = home.path().join("tiles");
    run(["tiles", text(&path), "--out", text(&out)]).refused(64, &["#0 CH2", "--channel"]);
    let mapped = [
        "--channel",
        "SRS=#0",
        "--channel",
        "TPEF=#1",
        "--channel",
        "TRANS=#2",
    ];
    run(["tiles", text(&path), "--out", text(&out)]
        .into_iter()
        .chain(mapped))
    .done();
    let own = fs::read(out.join("tiles.npy")).unwrap();

    write_frame(&path, &frame(0));
    run(["tiles", text(&path), "--out", text(&out)]).done();
    assert!(own.len() > 128, "nothing was cut");
    assert!(fs::read(out.join("tiles.npy")).unwrap() == own);
}

#[test]
fn a_pixel_size_that_is_missing_is_asked_for() {
    let home = folder();
    let path = home.path().join("plain.tif");
    let tags = [
        (256, 64),
        (257, 64),
        (258, 8),
        (262, 1),
        (273, 512),
        (278, 64),
        (279, 4096),
    ];
    fs::write(&path, page(&tags, 0, &[7; 4096])).unwrap();
    let replay = |more: &[&str]| {
        let mut command = program();
        command.arg("replay");
        for name in ["SRS", "TPEF", "TRANS"] {
            command.args(["--channel", &format!("{name}={}", text(&path))]);
        }
        command.args(more);
        end(command)
    };
    replay(&[]).refused(64, &["--pixel-size-um"]);
    let ended = replay(&["--pixel-size-um", "0.5"]).done();
    let said = String::from_utf8(ended.out).unwrap();
    assert!(said.contains("0 label(s)"), "{said}");
}

#[test]
fn a_number_that_is_not_there_is_told_what_is() {
    let home = folder();
    let path = home.path().join("three.ome.tif");
    write_frame(&path, &frame(0));
    for (channel, words) in [
        ("SRS=#9", &["#9", "3 channel(s)", "#0 SRS"][..]),
        ("FOO=#0", &["FOO", "TRANS, SRS, TPEF"]),
    ] {
        run(["replay", text(&path), "--channel", channel]).refused(64, words);
    }
    run(["replay", "none.tif"]).refused(66, &["none.tif", "does not exist"]);
    run(["replay", text(&path), "--channel", "SRS=none.tif"]).refused(66, &["none.tif"]);
}
