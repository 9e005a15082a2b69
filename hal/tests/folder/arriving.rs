//! Files that come by rename, slowly, many at once, never, or in place of another.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use crate::{
    Draws, PATIENCE, Reader, config, pause,
    tiff::{plain, stack},
};

fn rename_into(folder: &Path, name: &str, bytes: &[u8]) {
    let part = folder.join(format!("{name}.part"));
    fs::write(&part, bytes).unwrap();
    fs::rename(part, folder.join(name)).unwrap();
}

#[test]
fn renamed_files_come_once_and_are_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    rename_into(path, "0.tif", &plain(100));
    let mut reader = Reader::start(config(path));
    assert_eq!(reader.take_ids(1), [100]);
    for number in 1..20 {
        rename_into(path, &format!("{number}.tif"), &plain(100 + number));
        let seen = reader.take();
        assert_eq!(
            (seen.frame, seen.firsts[0]),
            (u64::from(number), 100 + number)
        );
        let file = path.join(format!("{number}.tif"));
        assert_eq!(Path::new(&seen.source.file), file);
        assert!(!seen.source.maybe_repeated);
    }
    reader.rests();
    assert_eq!(reader.count("files_taken"), 20);
    for number in 0..20 {
        let bytes = fs::read(path.join(format!("{number}.tif"))).unwrap();
        assert_eq!(bytes, plain(100 + number));
    }
    drop(reader);
    let names = fs::read_dir(path).unwrap().count();
    assert_eq!(names, 21, "the files and the journal");
}

/// Also when a writer pauses for longer than files take to settle: each page says where the next is, so that a part
/// is never a whole file.
#[test]
fn slowly_written_files_come_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    fs::write(path.join("a.tif"), plain(1)).unwrap();
    let mut settings = config(&path);
    settings.give_up = PATIENCE;
    let mut reader = Reader::start(settings);
    assert_eq!(reader.take_ids(1), [1]);
    let writer = thread::spawn(move || {
        let mut draws = Draws(7);
        for number in 0..6_u16 {
            let values: Vec<u16> = (0..4).map(|page| 10 * (number + 1) + page).collect();
            let bytes = stack(&values);
            let mut file = File::create(path.join(format!("b{number}.tif"))).unwrap();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at((1 + draws.below(300) as usize).min(rest.len()));
                file.write_all(chunk).unwrap();
                rest = after;
                if draws.below(4) == 0 {
                    pause(Duration::from_millis(100));
                }
            }
        }
    });
    let expected: Vec<u16> = (1..=6)
        .flat_map(|file| (0..4).map(move |page| 10 * file + page))
        .collect();
    assert_eq!(reader.take_ids(24), expected);
    writer.join().unwrap();
    reader.rests();
    assert_eq!(reader.count("files_incomplete"), 0);
}

#[test]
fn a_thousand_files_come_once_each_and_never_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    fs::write(path.join("0000.tif"), plain(0)).unwrap();
    let mut reader = Reader::start(config(&path));
    let writer = thread::spawn({
        let path = path.clone();
        move || {
            for number in 1..1_000_u16 {
                if number % 2 == 0 {
                    fs::write(path.join(format!("{number:04}.tif")), plain(number)).unwrap();
                } else {
                    rename_into(&path, &format!("{number:04}.tif"), &plain(number));
                }
            }
        }
    });
    let mut times = BTreeMap::new();
    for frame in 0..1_000 {
        let seen = reader.take();
        assert_eq!(seen.frame, frame);
        *times.entry(seen.firsts[0]).or_insert(0) += 1;
    }
    writer.join().unwrap();
    assert_eq!(times, (0..1_000).map(|id| (id, 1)).collect());
    assert_eq!(reader.count("files_taken"), 1_000);
    drop(reader);
    fs::write(path.join("new.tif"), plain(5_000)).unwrap();
    let mut reader = Reader::start(config(&path));
    assert_eq!(reader.take_ids(1), [5_000]);
    reader.rests();
}

#[test]
fn units_that_are_ready_come_by_time_and_then_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let times = [(3, "a"), (1, "d"), (1, "c"), (2, "b")];
    for (number, (seconds, name)) in times.iter().enumerate() {
        let path = folder.path().join(format!("{name}.tif"));
        fs::write(&path, plain(number as u16)).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    let mut reader = Reader::start(config(folder.path()));
    assert_eq!(reader.take_ids(4), [2, 1, 3, 0]);
}

#[test]
fn a_file_that_never_completes_is_counted_once_and_looked_at_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.tif"), plain(1)).unwrap();
    let mut reader = Reader::start(config(path));
    assert_eq!(reader.take_ids(1), [1]);
    let whole = stack(&[2, 3, 4]);
    for cut in [3, 100, whole.len() / 2, whole.len() - 1] {
        let before = reader.count("files_incomplete");
        rename_into(path, "slow.tif", &whole[..cut]);
        reader.wait_for("files_incomplete", before + 1);
        reader.rests();
        assert_eq!(reader.count("files_incomplete"), before + 1);
    }
    // The others go on meanwhile.
    fs::write(path.join("b.tif"), plain(9)).unwrap();
    assert_eq!(reader.take_ids(1), [9]);
    rename_into(path, "slow.tif", &whole);
    assert_eq!(reader.take_ids(3), [2, 3, 4]);
}

#[test]
fn a_file_in_place_of_another_is_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("latest.tif"), plain(1)).unwrap();
    let mut reader = Reader::start(config(path));
    let first = reader.take();
    for id in 2..6 {
        rename_into(path, "latest.tif", &plain(id));
        let seen = reader.take();
        assert_eq!(seen.firsts, [id]);
        assert_eq!(seen.source.file, first.source.file);
        assert_ne!(seen.source, first.source);
    }
    reader.rests();
    assert_eq!(reader.count("files_replaced"), 4);
    assert_eq!(reader.count("files_repeated"), 0);
}

/// A poll of an hour finds nothing in time.
#[test]
fn events_alone_find_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("0.tif"), plain(0)).unwrap();
    let mut settings = config(path);
    settings.poll = Duration::from_secs(3_600);
    let mut reader = Reader::start(settings);
    assert_eq!(reader.take_ids(1), [0]);
    for number in 1..5 {
        let name = format!("{number}.tif");
        match number % 2 {
            0 => fs::write(path.join(name), plain(number)).unwrap(),
            _ => rename_into(path, &name, &plain(number)),
        }
        assert_eq!(reader.take_ids(1), [number]);
    }
}

#[test]
fn hidden_and_unfinished_names_are_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in [
        ".a.tif",
        "a.tif.tmp",
        "a.ome.tif.part",
        "truth-a.tif",
        "a.png",
    ] {
        fs::write(path.join(name), plain(1)).unwrap();
    }
    fs::create_dir(path.join("folder.tif")).unwrap();
    fs::write(path.join("a.tif"), plain(2)).unwrap();
    let mut reader = Reader::start(config(path));
    assert_eq!(reader.take_ids(1), [2]);
    reader.rests();
    assert_eq!(reader.count("files_incomplete"), 0);
}
