//! Training on a folder of tiles: what comes out is an ensemble that the other commands take, and what cannot
//! be learned from honestly is refused.

use std::{fs, path::Path};

use crate::support::{folder, frame, run, text, write_frame};

const PIXELS: usize = 32;
const TINY: &str = "tests/golden/tiny";

/// One labelled tile: its dish, its class, and a number that its pixels follow from.
struct Cell {
    dish: usize,
    senescent: bool,
    series: usize,
}

/// Each class in each of `dishes` dishes, `each` times.
fn cells(dishes: usize, each: usize) -> Vec<Cell> {
    (0..dishes * each * 2)
        .map(|series| Cell {
            dish: series / 2 % dishes,
            senescent: series % 2 == 1,
            series,
        })
        .collect()
}

/// A number in [−1, 1) without meaning.
fn noise(series: usize, at: usize) -> f32 {
    let mut bits = (series as u64 * 1_000_003 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((bits >> 40) as f32) / 8_388_608.0 - 1.0
}

/// Discs of noise; senescent ones are brighter in the second channel.
fn write(home: &Path, cells: &[Cell]) {
    fs::create_dir_all(home).unwrap();
    let shape = format!("({}, 3, {PIXELS}, {PIXELS})", cells.len());
    let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let mut npy = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    npy.extend_from_slice(format!("{dict:<117}\n").as_bytes());
    let mut csv = "index,source,dish,frame,cell,class,severity,p_oracle,instrument,x_um,y_um,area_um2,iou,seen,flags\n"
        .to_owned();
    for (index, cell) in cells.iter().enumerate() {
        for at in 0..3 * PIXELS * PIXELS {
            let (channel, y, x) = (at / PIXELS / PIXELS, at / PIXELS % PIXELS, at % PIXELS);
            let (dy, dx) = (y as f32 - 15.5, x as f32 - 15.5);
            let lift = if cell.senescent && channel == 1 {
                0.35
            } else {
                0.05
            };
            let value = if dy * dy + dx * dx < 130.0 {
                lift + 0.3 * noise(cell.series, at)
            } else {
                0.0
            };
            npy.extend(value.to_le_bytes());
        }
        let class = if cell.senescent {
            "senescent"
        } else {
            "proliferating"
        };
        csv += &format!(
            "{index},rec,dish-{},0,{},{class},,,,,,,,,\n",
            cell.dish, cell.series
        );
    }
    fs::write(home.join("tiles.npy"), npy).unwrap();
    fs::write(home.join("tiles.csv"), csv).unwrap();
}

fn train(tiles: &Path, out: &Path, more: &[&str]) -> crate::support::Ended {
    let mut arguments = vec![
        "train",
        "--tiles",
        text(tiles),
        "--out",
        text(out),
        "--backbones",
        TINY,
    ];
    arguments.extend(["--hidden", "16", "--views", "3"]);
    arguments.extend(more);
    run(arguments)
}

#[test]
fn a_trained_ensemble_passes_its_check_and_labels_cells() {
    let home = folder();
    let (tiles, out) = (home.path().join("tiles"), home.path().join("out"));
    write(&tiles, &cells(6, 10));
    let said = train(&tiles, &out, &["--name", "ours", "--simulated"]).done();
    let said = String::from_utf8(said.out).unwrap();
    assert!(
        said.contains("60 proliferating tiles of 6 dishes"),
        "{said}"
    );

    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(out.join(name)).unwrap()).unwrap()
    };
    let manifest = read("manifest.json");
    assert_eq!(manifest["name"], "ours");
    assert_eq!(manifest["training"]["recipe"], "senescope train");
    assert_eq!(manifest["training"]["simulated"], true);
    assert_eq!(manifest["training"]["tiles"], 120);
    assert_eq!(manifest["training"]["dishes"], 6);
    let report = read("training.json");
    assert_eq!(report["folds"].as_array().unwrap().len(), 5);
    let accuracy = report["cross_validated"]["all"]["accuracy"]
        .as_f64()
        .unwrap();
    assert!(
        accuracy > 0.9,
        "what differs this much is learned: {report:#}"
    );
    let auc = report["cross_validated"]["mean_auc"].as_f64().unwrap();
    assert!(auc > 0.95, "{report:#}");

    let checked = run(["ensemble", "check", text(&out), "--json"]).done();
    let checked: serde_json::Value = serde_json::from_slice(&checked.out).unwrap();
    assert_eq!(checked["golden_tiles"], 6);
    assert_eq!(checked["ood"], true);

    let tiff = home.path().join("frame.ome.tif");
    write_frame(&tiff, &frame(0));
    let set = format!("ensemble.dir={}", text(&out));
    let labels = run(["replay", text(&tiff), "--json", "--set", &set]).done();
    let first = labels.out.split(|byte| *byte == b'\n').next().unwrap();
    let label: serde_json::Value = serde_json::from_slice(first).unwrap();
    assert!(label["p"][1].is_number(), "{label}");
    // Its own heads can be trained once more.
    let again = home.path().join("again");
    run([
        "train",
        "--tiles",
        text(&tiles),
        "--base",
        text(&out),
        "--out",
        text(&again),
    ])
    .done();
    run(["ensemble", "check", text(&again)]).done();
}

#[test]
fn threads_change_no_byte_and_the_seed_does() {
    let home = folder();
    let tiles = home.path().join("tiles");
    write(&tiles, &cells(4, 10));
    let made = |name: &str, more: &[&str]| {
        let out = home.path().join(name);
        train(&tiles, &out, more).done();
        [
            "tiny.onnx",
            "golden.npz",
            "ood.npz",
            "training.json",
            "manifest.json",
        ]
        .map(|file| fs::read(out.join(file)).unwrap())
    };
    let one = made("one", &["--threads", "1"]);
    assert!(one == made("two", &["--threads", "2"]));
    assert!(one[0] != made("other", &["--seed", "2"])[0]);
}

#[test]
fn what_cannot_be_learned_from_honestly_is_refused() {
    let home = folder();
    let refused = |name: &str, cells: &[Cell], words: &[&str]| {
        let tiles = home.path().join(name);
        write(&tiles, cells);
        let out = home.path().join("out");
        train(&tiles, &out, &[]).refused(65, words);
        assert!(!out.exists());
    };
    refused(
        "few",
        &cells(3, 5),
        &[
            "15 proliferating tiles of 3 dishes",
            "20 tiles of each class",
        ],
    );
    refused(
        "dishes",
        &cells(2, 20),
        &["40 senescent tiles of 2 dishes", "3 dishes"],
    );
    let mut leaking = cells(4, 10);
    let (series, dish) = (leaking[0].series, leaking[0].dish);
    leaking[2].series = series;
    assert_ne!(leaking[2].dish, dish);
    refused(
        "cell",
        &leaking,
        &["dish-0", "dish-1", "learned and judged at once"],
    );

    // The same image under two names.
    let tiles = home.path().join("image");
    write(&tiles, &leaking);
    let path = tiles.join("tiles.csv");
    let table = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        table.replacen("\n2,rec,dish-1,0,0,", "\n2,rec,dish-1,0,other,", 1),
    )
    .unwrap();
    train(&tiles, &home.path().join("out"), &[]).refused(65, &["same image", "tiles 0 and 2"]);
    assert_eq!(
        fs::read_dir(home.path())
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .contains("partial")
            })
            .count(),
        0
    );
}

#[test]
fn nothing_is_overwritten_and_each_wrong_word_is_told() {
    let home = folder();
    let (tiles, out) = (home.path().join("tiles"), home.path().join("out"));
    write(&tiles, &cells(3, 10));
    fs::create_dir(&out).unwrap();
    fs::write(out.join("mine"), "x").unwrap();
    train(&tiles, &out, &[]).refused(64, &["out", "is there already"]);
    assert_eq!(fs::read(out.join("mine")).unwrap(), b"x");
    let new = home.path().join("new");
    train(&tiles, &new, &["--name", ""]).refused(64, &["name"]);
    train(&tiles, &new, &["--coverage", "1"]).refused(64, &["coverage"]);
    train(&tiles, &new, &["--folds", "2"]).refused(64, &["folds"]);
    train(&home.path().join("none"), &new, &[]).refused(66, &["tiles.npy", "senescope tiles"]);
    // Tiles of another ensemble.
    run(["train", "--tiles", text(&tiles), "--out", text(&new)]).refused(65, &["[3, 128, 128]"]);
    assert!(!new.exists());
}
