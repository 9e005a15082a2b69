//! From simulated dishes to a training set and to labels.

use std::{collections::BTreeSet, fs, path::Path};

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

    structures_lie_where_the_tiles_show_them(&tiles, rows.len());
    // What the maps lie on is in the report.
    let out = home.path().join("report");
    run(["evaluate", "--tiles", text(&tiles), "--out", text(&out)]).done();
    let report = fs::read(out.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let nucleus = &report["map_on_structures"]["proliferating"]["nucleus"];
    for share in ["map", "by_chance", "turned"] {
        let share = nucleus[share]["value"].as_f64().unwrap();
        assert!(share > 0.05 && share < 0.6, "{nucleus}");
    }

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

/// `structures.npy` is in the geometry of `tiles.npy`: nearly all of a true cell is in its tile's image, droplets
/// are brighter in SRS than the rest of the cell, and unmatched tiles have nothing.
fn structures_lie_where_the_tiles_show_them(folder: &Path, tiles: usize) {
    const EDGE: usize = 128;
    let bits = fs::read(folder.join("structures.npy")).unwrap();
    let (header, payload) = npy_header(&bits);
    assert!(header.contains(&format!("({tiles}, 128, 128)")), "{header}");
    let bits = &bits[bits.len() - payload..];
    let values = fs::read(folder.join("tiles.npy")).unwrap();
    let (_, payload) = npy_header(&values);
    let values: Vec<f32> = values[values.len() - payload..]
        .chunks_exact(4)
        .map(|sample| f32::from_le_bytes(sample.try_into().unwrap()))
        .collect();
    let (mut shown, mut cell, mut brighter, mut known) = (0, 0, 0, 0);
    for (bits, tile) in bits
        .chunks_exact(EDGE * EDGE)
        .zip(values.chunks_exact(3 * EDGE * EDGE))
    {
        let srs = &tile[EDGE * EDGE..2 * EDGE * EDGE];
        let mean = |wanted: &dyn Fn(u8) -> bool| {
            let chosen: Vec<_> = bits
                .iter()
                .zip(srs)
                .filter(|(bits, _)| wanted(**bits))
                .map(|(_, srs)| f64::from(*srs))
                .collect();
            (
                chosen.len(),
                chosen.iter().sum::<f64>() / chosen.len() as f64,
            )
        };
        cell += bits.iter().filter(|bits| **bits & 32 != 0).count();
        shown += bits
            .iter()
            .zip(srs)
            .filter(|(bits, srs)| **bits & 32 != 0 && **srs != 0.0)
            .count();
        let (pixels, droplets) = mean(&|bits| bits & 32 != 0 && bits & 2 != 0);
        if pixels > 0 {
            known += 1;
            let (_, rest) = mean(&|bits| bits & 32 != 0 && bits & 3 == 0);
            brighter += usize::from(droplets > rest);
        }
        assert!(bits.iter().all(|bits| *bits == 0 || *bits & 32 != 0));
    }
    assert!(
        cell > 0 && shown * 10 > cell * 9,
        "{shown} of {cell} pixels"
    );
    assert!(
        known > 0 && brighter * 10 > known * 9,
        "{brighter} of {known} cells"
    );
}

#[test]
fn the_folder_above_dishes_is_answered_with_their_names() {
    let home = folder();
    let dish = home.path().join("dish-000001");
    fs::create_dir(&dish).unwrap();
    fs::write(dish.join("frame-000000.ome.tif"), "").unwrap();
    run(["replay", text(home.path())]).refused(66, &["no TIFF files", text(&dish)]);
}

/// What is told of the machine follows from what was measured, and is of this scan.
#[test]
fn a_budget_is_told_for_the_configured_scan() {
    let ended = run([
        "budget",
        "--json",
        "--frames",
        "2",
        "--set",
        "scan.width=256",
        "--set",
        "scan.height=256",
        "--set",
        "scan.pixel_size_um=0.4",
        "--set",
        "engine.threads=1",
    ])
    .done();
    let budget: serde_json::Value = serde_json::from_slice(&ended.out).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert_eq!(budget["frame"], serde_json::json!([256, 256]));
    assert_eq!(
        (&budget["frames"], &budget["workers"]),
        (&2.into(), &1.into())
    );
    assert!(number(&budget["cells"]) > 0.0, "{budget}");
    for part in ["tile", "infer", "combine", "explain", "publish"] {
        assert!(number(&budget["cell_ms"][part]) > 0.0, "{part}: {budget}");
    }
    assert!(number(&budget["frame_ms"]["segment"]) > 0.0, "{budget}");
    // The networks are most of the work of a cell, and their one thread bounds the cells of a frame.
    let infer = number(&budget["cell_ms"]["infer"]);
    let most = number(&budget["scan_ms"]) / infer;
    let cells = number(&budget["cells_a_frame"]);
    assert!(cells > 0.0 && cells < most, "{budget}");
    run(["budget", "--frames", "0"]).refused(64, &["--frames"]);
}
