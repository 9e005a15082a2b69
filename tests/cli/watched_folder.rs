//! A service on a watched folder that is killed and started again: labels tell the file of their frame, and by that
//! key each cell of each frame is there exactly once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use crate::{
    running::{Running, Scene},
    support::{folder, frame, run, text, write_frame},
};

/// A file's name and a cell's number.
type Key = (String, u64);

/// The cells that a replay of `file` finds.
fn cells(file: &Path) -> BTreeSet<Key> {
    let name = file.file_name().unwrap().to_str().unwrap();
    let out = String::from_utf8(run(["replay", "--json", text(file)]).done().out).unwrap();
    out.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|label| (name.to_owned(), label["cell"].as_u64().unwrap()))
        .collect()
}

/// The next label that `watch` prints: its key, and whether it may be a repeated one.
fn next(watch: &Running) -> (Key, bool) {
    let label: Value = serde_json::from_str(&watch.line()).unwrap();
    let source = &label["source"];
    let file = Path::new(source["file"].as_str().unwrap());
    assert_eq!(source["index"], 0, "{label}");
    assert_eq!(source["size"], std::fs::metadata(file).unwrap().len());
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let repeated = source["maybe_repeated"].as_bool().unwrap();
    ((name, label["cell"].as_u64().unwrap()), repeated)
}

#[test]
fn after_a_kill_each_cell_is_there_once_by_its_key() {
    let home = folder();
    let (first, second) = (home.path().join("1.ome.tif"), home.path().join("2.ome.tif"));
    write_frame(&first, &frame(0));
    write_frame(&second, &frame(1));
    let (of_first, of_second) = (cells(&first), cells(&second));
    assert!(!of_first.is_empty() && !of_second.is_empty());
    let watched = home.path().join("watched");
    std::fs::create_dir(&watched).unwrap();
    let scene = Scene::new();
    let directory = format!("folder.directory={}", text(&watched));
    let service = || {
        let settings = [
            "board.backend=folder",
            &directory,
            "folder.settle_s=0.05",
            "folder.poll_s=0.05",
        ];
        scene.run(&settings.map(|setting| ["--set", setting]).concat())
    };

    let mut seen = BTreeMap::new();
    let watch = scene.watch(&[]);
    let killed = service();
    std::fs::rename(&first, watched.join("1.ome.tif")).unwrap();
    while seen.len() < of_first.len() {
        let (key, repeated) = next(&watch);
        assert!(!repeated, "{key:?}");
        assert_eq!(seen.insert(key.clone(), ()), None, "{key:?} came twice");
    }
    killed.signal("-KILL");
    drop((killed, watch));

    let watch = scene.watch(&[]);
    let again = service();
    std::fs::rename(&second, watched.join("2.ome.tif")).unwrap();
    while seen.len() < of_first.len() + of_second.len() {
        let (key, repeated) = next(&watch);
        let came_before = seen.insert(key.clone(), ()).is_some();
        assert_eq!(came_before, repeated, "{key:?}");
    }
    assert!(seen.into_keys().eq(of_first.into_iter().chain(of_second)));
    again.signal("-INT");
    again.end().done();
}
