//! A process that is killed at any moment misses no frame, and repeats at most the one that was on its way.
//!
//! The test starts its own executable as a child, which reads frames and writes a line for each, as a consumer
//! does, and acknowledges it then. It is killed at seeded moments and started again until all is done.

use std::{
    collections::BTreeMap,
    env, fs,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use senescope_hal::{Clock, SystemClock};

use crate::{Draws, Reader, config, pause, tiff::stack};

/// Where the child finds its folder.
const FOLDER: &str = "SENESCOPE_TEST_WATCHED_FOLDER";
const FILES: u16 = 60;

fn output(folder: &Path) -> PathBuf {
    folder.join("frames.txt")
}

/// Reads frames for ever. Does nothing when it is not started as a child.
#[test]
fn child() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let folder = PathBuf::from(folder);
    let mut lines = OpenOptions::new()
        .append(true)
        .create(true)
        .open(output(&folder))
        .unwrap();
    let mut settings = config(&folder.join("data"));
    settings.first_file = Some(Duration::from_millis(500));
    let mut reader = Reader::start(settings);
    while let Some(seen) = reader.within(crate::PATIENCE) {
        let source = seen.source;
        let name = Path::new(&source.file)
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let line = format!(
            "{name} {} {} {}\n",
            source.index, seen.firsts[0], source.maybe_repeated
        );
        // Work before and behind the line, so that a kill comes on either side of it.
        pause(Duration::from_micros(700));
        lines.write_all(line.as_bytes()).unwrap();
        pause(Duration::from_micros(700));
        reader.session.acknowledge(seen.frame).unwrap();
    }
}

fn frames_of(file: u16) -> Vec<u16> {
    (0..1 + file % 4).map(|page| 10 * file + page).collect()
}

#[test]
fn killed_at_any_moment_it_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut draws = Draws(11);
    let mut written = 0;
    let total: usize = (0..FILES).map(|file| frames_of(file).len()).sum();
    let lines = || fs::read_to_string(output(folder.path())).unwrap_or_default();
    let mut kills = 0;
    let deadline = SystemClock.now().after(Duration::from_secs(300));
    loop {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // While it runs, files come; it is killed some while after it read its first frame, or at once.
        let before = lines().len();
        let until = SystemClock.now().after(Duration::from_secs(20));
        let at_once = draws.below(6) == 0;
        for _ in 0..1 + draws.below(4) {
            if written < FILES {
                fs::write(
                    data.join(format!("{written:03}.tif")),
                    stack(&frames_of(written)),
                )
                .unwrap();
                written += 1;
            }
        }
        while !at_once && lines().len() == before && SystemClock.now() < until {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            pause(Duration::from_millis(1));
        }
        pause(Duration::from_micros(draws.below(12_000)));
        let distinct = keys(&lines()).len();
        if distinct == total && written == FILES {
            child.kill().unwrap();
            child.wait().unwrap();
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(
            SystemClock.now() < deadline,
            "{distinct} of {total} frames after {kills} kills"
        );
    }
    let keys = keys(&lines());
    let expected: BTreeMap<(String, u64), u16> = (0..FILES)
        .flat_map(|file| {
            let frames = frames_of(file).into_iter().enumerate();
            frames.map(move |(index, id)| ((format!("{file:03}.tif"), index as u64), id))
        })
        .collect();
    let found: BTreeMap<(String, u64), u16> = keys
        .iter()
        .map(|(key, seen)| (key.clone(), seen[0].0))
        .collect();
    assert_eq!(found, expected);
    let repeats: usize = keys.values().map(|seen| seen.len() - 1).sum();
    println!("{total} frames, {kills} kills, {repeats} frames repeated");
    assert!(kills >= 8, "{kills} kills");
    assert!(
        repeats <= kills,
        "{repeats} frames repeated by {kills} kills"
    );
    for (key, seen) in &keys {
        for (id, maybe_repeated) in &seen[1..] {
            assert!(*id == seen[0].0 && *maybe_repeated, "{key:?} {seen:?}");
        }
    }
}

/// By file and index, the frames that were read: first sample, and whether it was marked.
fn keys(lines: &str) -> BTreeMap<(String, u64), Vec<(u16, bool)>> {
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    // A line is one write, which a kill does not tear.
    for line in lines.lines() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [name, index, id, marked] = parts[..] else {
            panic!("{line:?}");
        };
        let key = (name.to_owned(), index.parse().unwrap());
        let seen = (id.parse().unwrap(), marked == "true");
        keys.entry(key).or_default().push(seen);
    }
    keys
}
