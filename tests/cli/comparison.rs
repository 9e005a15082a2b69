//! How the rows arrive changes no byte of the labels and no bit of the maps; one changed count does.

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::{Ended, end, folder, frame, program, recording, text, write_frame};

fn replay(recording: &Path, arguments: &[&str]) -> Ended {
    let mut command = program();
    command.args(["replay", text(recording), "--json"]);
    command.args(arguments);
    end(command).done()
}

/// The map files of a folder by name.
fn maps(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn strips_threads_and_pace_change_nothing() {
    let home = folder();
    let recording = recording(home.path());
    let expected = home.path().join("expected");
    let all = "publish.member_maps=true";
    let labels = replay(&recording, &["--set", all, "--maps", text(&expected)]).out;
    let count = labels.iter().filter(|byte| **byte == b'\n').count();
    assert!(count > 2, "{count} labels prove little");
    let expected = maps(&expected);
    assert_eq!(
        expected
            .keys()
            .filter(|name| name.ends_with(".tif"))
            .count(),
        // The mean, seven members, and where they disagree.
        9 * count
    );
    for rows in ["1", "7", "64", "100000"] {
        for threads in ["1", "2", "4"] {
            let folder = home.path().join(format!("{rows}-{threads}"));
            let arguments = [
                "--strip-rows",
                rows,
                "--threads",
                threads,
                "--set",
                all,
                "--maps",
                text(&folder),
            ];
            let again = replay(&recording, &arguments);
            assert!(again.out == labels, "strips of {rows}, {threads} threads");
            assert!(
                maps(&folder) == expected,
                "strips of {rows}, {threads} threads"
            );
        }
    }
    // Two frames of 320 rows of 7 ms each: 4.5 s of scanning.
    let folder = home.path().join("paced");
    let paced = replay(
        &recording,
        &["--speed", "4", "--set", all, "--maps", text(&folder)],
    );
    assert!(paced.out == labels, "at four times the pace of the scan");
    assert!(
        maps(&folder) == expected,
        "at four times the pace of the scan"
    );
}

#[test]
fn one_changed_pixel_and_two_swapped_rows_are_noticed() {
    let home = folder();
    let path = home.path().join("a.ome.tif");
    let mut channels = frame(0);
    write_frame(&path, &channels);
    let maps_of = |name: &str| home.path().join(name);
    let before = replay(&path, &["--maps", text(&maps_of("before"))]).out;
    let label: serde_json::Value =
        serde_json::from_slice(before.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let width = crate::support::SIZE as usize;
    let centre: Vec<usize> = label["centroid_um"]
        .as_array()
        .unwrap()
        .iter()
        .map(|um| (um.as_f64().unwrap() / crate::support::PIXEL_UM) as usize)
        .collect();

    let counts = &mut channels[0].1;
    let at = centre[1] * width + centre[0];
    let kept = counts[at];
    counts[at] = kept.wrapping_add(4000) % 60_000;
    write_frame(&path, &channels);
    let changed = replay(&path, &["--maps", text(&maps_of("changed"))]).out;
    assert!(
        changed != before,
        "a changed pixel went unnoticed in the labels"
    );
    assert!(
        maps(&maps_of("changed")) != maps(&maps_of("before")),
        "and in the maps"
    );

    channels[0].1[at] = kept;
    for (_, counts) in &mut channels {
        let (above, below) = counts.split_at_mut((centre[1] + 3) * width);
        above[centre[1] * width..][..width].swap_with_slice(&mut below[..width]);
    }
    write_frame(&path, &channels);
    assert!(
        replay(&path, &[]).out != before,
        "swapped rows went unnoticed"
    );
}
