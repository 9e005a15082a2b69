//! From simulated dishes to a training set and to labels.

use std::{collections::BTreeSet, fs};

use crate::support::{folder, run, text};

/// The header of a `.npy` file: version 1.0, with its length in bytes 8 and 9.
fn npy_header(bytes: &[u8]) -> (String, usize) {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8(bytes[10..10 + length].to_vec()).unwrap();
    (header, bytes.len() - 10 - length)
}

#[test]
fn simulated_dishes_become_tiles_and_labels() {
    let home = folder();
    let dishes = home.path().join("dishes");
    let tiles = home.path().join("tiles");
    let ended = run([
        "simulate",
        "--out",
        text(&dishes),
        "--dishes",
        "2",
        "--seed",
        "3",
    ])
    .done();
    assert!(String::from_utf8(ended.out).unwrap().contains("2 dish(es)"));
    run(["tiles", text(&dishes), "--out", text(&tiles)]).done();

    let csv = fs::read_to_string(tiles.join("tiles.csv")).unwrap();
    let mut rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let column = |name: &str| header.iter().position(|known| *known == name).unwrap();
    let rows: Vec<_> = rows.collect();
    assert!(!rows.is_empty());
    let known = rows.iter().filter(|row| !row[column("class")].is_empty());
    assert!(known.count() * 2 > rows.len(), "{csv}");
    let dishes_in: BTreeSet<_> = rows.iter().map(|row| row[column("dish")]).collect();
    assert_eq!(dishes_in, BTreeSet::from(["3", "4"]));

    let (header, payload) = npy_header(&fs::read(tiles.join("tiles.npy")).unwrap());
    assert!(
        header.contains(&format!("({}, 3, 128, 128)", rows.len())),
        "{header}"
    );
    assert_eq!(payload, rows.len() * 3 * 128 * 128 * 4);

    // The cells that were cut are the cells that are labelled.
    let dish = dishes.join("dish-000003");
    let labels = run(["replay", text(&dish), "--json"]).done().out;
    let labelled: Vec<serde_json::Value> = labels
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let cut: Vec<_> = rows
        .iter()
        .filter(|row| row[column("dish")] == "3")
        .collect();
    assert_eq!(labelled.len(), cut.len());
    for (label, row) in labelled.iter().zip(cut) {
        assert_eq!(label["cell"].to_string(), row[column("cell")]);
        assert!(
            label["latency_ns"]
                .as_object()
                .is_none_or(serde_json::Map::is_empty)
        );
    }
}

#[test]
fn the_folder_above_dishes_is_answered_with_their_names() {
    let home = folder();
    let dish = home.path().join("dish-000001");
    fs::create_dir(&dish).unwrap();
    fs::write(dish.join("frame-000000.ome.tif"), "").unwrap();
    run(["replay", text(home.path())]).refused(66, &["no TIFF files", text(&dish)]);
}
