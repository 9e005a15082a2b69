//! Files that belong together: OME-TIFF sets, and one file for each channel.

use std::{fs, path::Path, time::Duration};

use senescope_hal::replay::{ReplayRequest, ReplaySource};

use crate::{LULL, Reader, config, pause, tiff::plain};

const SET: [&str; 3] = ["set-SRS.ome.tif", "set-TPEF.ome.tif", "set-TRANS.ome.tif"];

fn copy_into(folder: &Path, name: &str) {
    let part = folder.join(format!("{name}.part"));
    fs::copy(golden().join(name), &part).unwrap();
    fs::rename(part, folder.join(name)).unwrap();
}

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Frames of the set, as a replay gives them.
fn frames() -> usize {
    let request = ReplayRequest {
        paths: vec![golden().join(SET[0])],
        pixel_size_um: Some(0.5),
        ..ReplayRequest::default()
    };
    ReplaySource::open(&request).unwrap().frames()
}

#[test]
fn a_set_comes_once_in_whatever_order_its_files_do() {
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let writer = std::thread::spawn({
            let path = path.clone();
            move || {
                for index in order {
                    fs::copy(golden().join(SET[index]), path.join(SET[index])).unwrap();
                    // Each has settled before the next comes.
                    pause(Duration::from_millis(150));
                }
            }
        });
        let mut settings = config(&path);
        settings.give_up = crate::PATIENCE;
        let mut reader = Reader::start(settings);
        let mut seen: Vec<_> = (0..frames()).map(|_| reader.take()).collect();
        writer.join().unwrap();
        assert_eq!(
            seen.pop().unwrap().source.file.clone(),
            path.join(SET[0]),
            "{order:?}"
        );
        reader.rests();
        assert_eq!(reader.count("files_taken"), 3);
        assert_eq!(reader.count("files_incomplete"), 0);
        assert_eq!(reader.actual.channels.len(), 3);
        drop(reader);
        // Nor after a restart.
        fs::copy(
            golden().join("ome-tczyx.ome.tif"),
            path.join("other.ome.tif"),
        )
        .unwrap();
        let mut reader = Reader::start(config(&path));
        let seen = reader.take();
        assert_eq!(Path::new(&seen.source.file), path.join("other.ome.tif"));
    }
}

#[test]
fn a_set_that_lacks_a_file_is_counted_once_and_comes_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::copy(
        golden().join("ome-tczyx.ome.tif"),
        path.join("first.ome.tif"),
    )
    .unwrap();
    let mut reader = Reader::start(config(path));
    for _ in 0..4 {
        reader.take();
    }
    for name in &SET[1..] {
        copy_into(path, name);
    }
    reader.wait_for("files_incomplete", 2);
    reader.rests();
    assert_eq!(reader.count("files_incomplete"), 2);
    copy_into(path, SET[0]);
    for _ in 0..frames() {
        assert_eq!(Path::new(&reader.take().source.file), path.join(SET[0]));
    }
    reader.rests();
}

fn by_file(path: &Path) -> senescope_hal::folder::FolderConfig {
    let mut settings = config(path);
    settings.channels = ["SRS=*_srs.tif", "TPEF=*_tpef.tif", "TRANS=*_trans.tif"]
        .map(|map| map.parse().unwrap())
        .into();
    settings.wanted = ["TRANS", "SRS", "TPEF"].map(Into::into).into();
    settings
}

#[test]
fn files_of_one_channel_each_come_together_by_what_their_wildcards_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let write = |key: &str, channel: &str, value: u16| {
        fs::write(path.join(format!("{key}_{channel}.tif")), plain(value)).unwrap();
    };
    for (channel, value) in [("srs", 1), ("tpef", 2), ("trans", 3)] {
        write("001", channel, value);
    }
    let mut settings = by_file(path);
    settings.give_up = crate::PATIENCE;
    let mut reader = Reader::start(settings);
    assert_eq!(reader.take().firsts, [3, 1, 2]);
    // Two groups whose files come mixed, and files of neither.
    write("003", "tpef", 32);
    write("002", "trans", 23);
    write("002", "srs", 21);
    write("003", "srs", 31);
    fs::write(path.join("overview.tif"), plain(99)).unwrap();
    reader.rests();
    write("003", "trans", 33);
    let seen = reader.take();
    assert_eq!(seen.firsts, [33, 31, 32]);
    assert_eq!(Path::new(&seen.source.file), path.join("003_srs.tif"));
    write("002", "tpef", 22);
    assert_eq!(reader.take().firsts, [23, 21, 22]);
    reader.rests();
    // One file of a group that was given does not make it new.
    pause(Duration::from_millis(20));
    write("001", "srs", 7);
    reader.rests();
    write("001", "tpef", 8);
    write("001", "trans", 9);
    assert_eq!(reader.take().firsts, [9, 7, 8]);
    assert_eq!(reader.count("files_taken"), 12);
}

#[test]
fn a_group_that_lacks_a_channel_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (channel, value) in [("srs", 1), ("tpef", 2), ("trans", 3)] {
        fs::write(path.join(format!("a_{channel}.tif")), plain(value)).unwrap();
    }
    let mut reader = Reader::start(by_file(path));
    reader.take();
    fs::write(path.join("b_srs.tif"), plain(1)).unwrap();
    reader.wait_for("files_incomplete", 1);
    assert!(reader.within(LULL).is_none());
    assert_eq!(reader.count("files_incomplete"), 1);
}

#[test]
fn channels_inside_a_file_are_mapped_by_number() {
    use crate::tiff::{Page, Tiff};
    let folder = tempfile::tempdir().unwrap();
    let tiff = Tiff {
        pages: vec![Page::of(&[10, 20, 30]), Page::of(&[11, 21, 31])],
        ..Tiff::default()
    };
    fs::write(folder.path().join("a.tif"), tiff.bytes()).unwrap();
    let mut settings = config(folder.path());
    settings.channels = ["SRS=#2", "TPEF=#0"].map(|map| map.parse().unwrap()).into();
    let mut reader = Reader::start(settings);
    let names: Vec<_> = reader
        .actual
        .channels
        .iter()
        .map(|info| info.name.to_string())
        .collect();
    assert_eq!(names, ["SRS", "TPEF"]);
    assert_eq!(reader.take().firsts, [30, 10]);
    assert_eq!(reader.take().firsts, [31, 11]);
}

#[test]
fn every_kind_of_file_comes_as_a_replay_gives_it() {
    for name in [
        "imagej-hyperstack.tif",
        "imagej-one-directory.tif",
        "micro-manager.tif",
        "ome-big-tiles.ome.tif",
        "ome-f4-deflate.ome.tif",
        "packed-u2-lzw-tiles-le.tif",
        "plain-u1-be-big.tif",
        "samples-separate-strips.tif",
    ] {
        let request = ReplayRequest {
            paths: vec![golden().join(name)],
            pixel_size_um: Some(0.5),
            ..ReplayRequest::default()
        };
        let source = ReplaySource::open(&request).unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy_into(folder.path(), name);
        let mut reader = Reader::start(config(folder.path()));
        assert_eq!(reader.actual.channels, source.channels(), "{name}");
        for index in 0..source.frames() as u64 {
            assert_eq!(reader.take().source.index, index, "{name}");
        }
        reader.session.stop().unwrap();
        assert_eq!(reader.within(crate::PATIENCE), None, "{name}");
    }
}
