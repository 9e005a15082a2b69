//! `senescope evaluate` on small folders of tiles for the tiny ensemble.

use std::{fmt::Write as _, fs, path::Path};

use ndarray::{Array3, Array4, Axis};
use ndarray_npy::WriteNpyExt;
use serde_json::Value;

use crate::support::{Ended, folder, run, text};

/// Edge of a tile of the tiny ensemble.
const PIXELS: usize = 32;

/// A tile: dish, class, what the oracle says, and whether the border cuts it.
#[derive(Clone)]
struct Tile {
    dish: &'static str,
    class: &'static str,
    oracle: &'static str,
    flags: &'static str,
    values: Array3<f32>,
}

/// Tiles of four dishes; what is drawn in each follows from its number.
fn tiles() -> Vec<Tile> {
    (0..48)
        .map(|number: usize| {
            let senescent = number.is_multiple_of(3);
            Tile {
                dish: ["a", "b", "c", "d"][number / 12],
                class: match number {
                    47 => "",
                    _ if senescent => "senescent",
                    _ => "proliferating",
                },
                oracle: match (number, senescent) {
                    (1, _) => "",
                    (_, true) => "0.9",
                    _ => "0.2",
                },
                flags: if number.is_multiple_of(2) {
                    "touches_border"
                } else {
                    ""
                },
                values: Array3::from_shape_fn((3, PIXELS, PIXELS), |(channel, row, column)| {
                    let mixed = (number * 7919 + channel * 104_729 + row * 31 + column * 17) % 997;
                    (mixed as f32 / 498.5 - 1.0) * if senescent { 0.9 } else { 0.4 }
                }),
            }
        })
        .collect()
}

fn write(home: &Path, tiles: &[Tile]) {
    fs::create_dir_all(home).unwrap();
    let mut array = Array4::<f32>::zeros((tiles.len(), 3, PIXELS, PIXELS));
    let mut table = "index,source,dish,frame,cell,class,severity,p_oracle,instrument,x_um,y_um,\
                     area_um2,iou,seen,flags\n"
        .to_owned();
    for (index, tile) in tiles.iter().enumerate() {
        array.index_axis_mut(Axis(0), index).assign(&tile.values);
        let Tile {
            dish,
            class,
            oracle,
            flags,
            ..
        } = tile;
        writeln!(
            table,
            "{index},x,{dish},0,{index},{class},,{oracle},{dish},1,1,100,,,{flags}"
        )
        .unwrap();
    }
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).unwrap();
    fs::write(home.join("tiles.npy"), bytes).unwrap();
    fs::write(home.join("tiles.csv"), table).unwrap();
}

fn evaluate(tiles: &Path, out: &Path, more: &[&str]) -> Ended {
    let mut arguments = vec![
        "evaluate",
        "--ensemble=tests/golden/tiny",
        "--resamples=200",
        "--tiles",
        text(tiles),
        "--out",
        text(out),
    ];
    arguments.extend(more);
    run(arguments)
}

fn report(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap()
}

#[test]
fn the_report_is_the_same_for_any_number_of_threads() {
    let home = folder();
    let (given, one, two) = (
        home.path().join("tiles"),
        home.path().join("one"),
        home.path().join("two"),
    );
    write(&given, &tiles());
    let unlike = format!("noise={}", text(&given));
    let said = evaluate(&given, &one, &["--threads=1", "--unlike", &unlike]).done();
    evaluate(&given, &two, &["--threads=2", "--unlike", &unlike]).done();
    for name in ["report.json", "report.html"] {
        let bytes = fs::read(one.join(name)).unwrap();
        assert!(!bytes.is_empty());
        assert_eq!(bytes, fs::read(two.join(name)).unwrap(), "{name}");
    }
    // Another seed gives other intervals: the comparison can fail.
    evaluate(&given, &two, &["--seed=2", "--unlike", &unlike]).done();
    assert_ne!(
        fs::read(one.join("report.json")).unwrap(),
        fs::read(two.join("report.json")).unwrap()
    );
    // Nothing but the report is left behind.
    assert_eq!(fs::read_dir(&one).unwrap().count(), 2);
    let table = String::from_utf8(said.out).unwrap();
    for word in [
        "ensemble",
        "tiny",
        "oracle",
        "coverage",
        "false alarms",
        "noise",
    ] {
        assert!(table.contains(word), "{word} is not in: {table}");
    }
}

#[test]
fn the_report_counts_every_tile() {
    let home = folder();
    let out = home.path().join("out");
    write(home.path(), &tiles());
    evaluate(home.path(), &out, &[]).done();
    let report = report(&out);
    let judged = &report["judged"];
    assert_eq!(judged["tiles"], 47);
    assert_eq!(judged["tiles_left_out"], 1);
    assert_eq!(judged["dishes"], 4);
    assert_eq!(judged["simulated"], true);
    assert_eq!(judged["trained_on_these_tiles"], false);
    let sum = |counts: &Value| -> u64 {
        let rows = counts.as_object().unwrap().values();
        rows.flat_map(|row| row.as_object().unwrap().values())
            .map(|count| count.as_u64().unwrap())
            .sum()
    };
    assert_eq!(sum(&report["confusion"]["decided"]), 47);
    assert_eq!(sum(&report["confusion"]["published"]), 47);
    let right = &report["confusion"]["decided"];
    let right = right["proliferating"]["proliferating"].as_f64().unwrap()
        + right["senescent"]["senescent"].as_f64().unwrap();
    assert_eq!(report["ensemble"]["accuracy"]["value"], right / 47.0);
    // The oracle is always right here, and unknown of one tile.
    assert_eq!(report["oracle"]["tiles"], 46);
    assert_eq!(report["oracle"]["accuracy"]["value"], 1.0);
    let parts = &report["by_border"];
    assert_eq!(parts["whole"]["tiles"], 23);
    assert_eq!(parts["cut_by_the_border"]["tiles"], 24);
    // One member at the ensemble's temperature is the ensemble.
    assert_eq!(report["members"]["tiny"], report["ensemble"]);
    assert_eq!(
        report["ensemble_minus_best_member"]["accuracy"],
        serde_json::json!({"value": 0.0, "low": 0.0, "high": 0.0})
    );
    let bins = report["reliability"].as_array().unwrap().iter();
    assert_eq!(
        bins.map(|bin| bin["tiles"].as_u64().unwrap()).sum::<u64>(),
        47
    );
    let abstention = &report["abstention"];
    assert_eq!(abstention["curve"].as_array().unwrap().len(), 51);
    assert_eq!(
        abstention["curve"][0]["accuracy"]["value"],
        report["ensemble"]["accuracy"]["value"]
    );
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("simulated") && page.contains("<svg"));
    // Self-contained: nothing is fetched.
    for word in ["http", "src=", "<script", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn the_order_of_the_tiles_changes_no_figure() {
    let home = folder();
    let (one, two) = (home.path().join("1"), home.path().join("2"));
    let mut tiles = tiles();
    write(&one, &tiles);
    tiles.reverse();
    tiles.swap(3, 40);
    write(&two, &tiles);
    let figures = |tiles: &Path| {
        let out = tiles.join("out");
        evaluate(tiles, &out, &[]).done();
        let mut report = report(&out);
        let digest = report["judged"]["tiles_sha256"].take();
        (report, digest)
    };
    let ((one, digest), (two, other)) = (figures(&one), figures(&two));
    assert_ne!(digest, other);
    assert_eq!(one, two);
}

#[test]
fn tiles_that_are_the_same_are_not_told_apart() {
    let home = folder();
    let (out, tiles) = (home.path().join("out"), &tiles()[..47]);
    write(home.path(), tiles);
    let white = home.path().join("white");
    let mut spoilt = tiles.to_vec();
    for tile in &mut spoilt {
        // Without classes and dishes: they are not needed.
        (tile.class, tile.dish) = ("", "");
        tile.values.fill(1.0);
    }
    write(&white, &spoilt);
    let [same, white] = [("same", home.path()), ("white", &white)]
        .map(|(name, folder)| format!("{name}={}", text(folder)));
    evaluate(home.path(), &out, &["--unlike", &same, "--unlike", &white]).done();
    let unlike = &report(&out)["unlike"];
    let [same, white] = [&unlike["sets"][0], &unlike["sets"][1]];
    assert_eq!(
        (&same["name"], &same["resampled"]),
        (&"same".into(), &"dishes".into())
    );
    assert_eq!(same["auc"]["value"], 0.5);
    assert_eq!(same["flagged"]["value"], unlike["held_out"]["value"]);
    assert_eq!(
        (&white["tiles"], &white["resampled"]),
        (&47.into(), &"tiles".into())
    );
    // They are all alike: each is as far away as every other.
    assert!([0.0, 1.0].contains(&white["flagged"]["value"].as_f64().unwrap()));
    assert_eq!(white["flagged"]["low"], white["flagged"]["high"]);
}

#[test]
fn a_learning_curve_is_drawn_and_its_names_are_text() {
    let home = folder();
    write(home.path(), &tiles());
    let (out, table) = (home.path().join("out"), home.path().join("curve.csv"));
    fs::write(
        &table,
        "row,tiles,accuracy,low,high\n<i>fine,50,0.7,0.6,0.8\n<i>fine,100,0.8,,\n",
    )
    .unwrap();
    evaluate(home.path(), &out, &["--table", text(&table)]).done();
    assert_eq!(report(&out)["learning_curve"][1]["tiles"], 100);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("&lt;i&gt;fine") && !page.contains("<i>"));
    fs::write(&table, "row,tiles,accuracy,low,high\na,50,70,,\n").unwrap();
    evaluate(home.path(), &out, &["--table", text(&table)])
        .refused(65, &["curve.csv", "row 1", "`accuracy`"]);
    let none = home.path().join("none.csv");
    evaluate(home.path(), &out, &["--table", text(&none)]).refused(66, &["none.csv", "missing"]);
}

#[test]
fn labels_that_do_not_suffice_are_refused() {
    let home = folder();
    let out = home.path().join("out");
    let changed = |change: &dyn Fn(&mut Tile), words: &[&str]| {
        let mut tiles = tiles();
        tiles.iter_mut().for_each(change);
        write(home.path(), &tiles);
        evaluate(home.path(), &out, &[]).refused(65, words);
    };
    changed(
        &|tile| tile.class = "",
        &["tiles.csv", "none of its 48 tile(s) has a class", "fill in"],
    );
    changed(
        &|tile| tile.class = "senescent",
        &["all 48 tiles", "senescent", "both classes"],
    );
    changed(&|tile| tile.dish = "a", &["one dish", "other dishes"]);
    changed(&|tile| tile.dish = "", &["row 1", "column `dish`"]);
    changed(
        &|tile| tile.class = "quiescent",
        &["row 1", "\"quiescent\"", "proliferating"],
    );
    write(home.path(), &[]);
    evaluate(home.path(), &out, &[]).refused(65, &["none of its 0"]);
    assert!(!out.exists(), "nothing is written without a report");
}

#[test]
fn damaged_tiles_are_refused() {
    let home = folder();
    let out = home.path().join("out");
    let mut tiles = tiles();
    tiles[5].values[[1, 2, 3]] = f32::NAN;
    write(home.path(), &tiles);
    for threads in ["--threads=1", "--threads=3"] {
        evaluate(home.path(), &out, &[threads]).refused(65, &["tile 5", "not finite"]);
    }
    assert!(!out.join("report.json").exists());
    let path = home.path().join("tiles.npy");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
    evaluate(home.path(), &out, &[]).refused(65, &["tiles.npy", "cut off"]);
    // Tiles of 32 pixels for an ensemble that takes 128.
    fs::write(&path, &bytes).unwrap();
    run([
        "evaluate",
        "--tiles",
        text(home.path()),
        "--out",
        text(&out),
    ])
    .refused(65, &["tiles.npy", "[48, 3, 32, 32]", "[3, 128, 128]"]);
    fs::remove_file(&path).unwrap();
    evaluate(home.path(), &out, &[]).refused(66, &["tiles.npy", "missing"]);
}

#[test]
fn what_cannot_be_written_or_understood_is_told() {
    let home = folder();
    write(home.path(), &tiles());
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("below");
    evaluate(home.path(), &below, &[]).refused(74, &[text(&below), "cannot be written"]);
    // A folder stands where the report should be.
    let out = home.path().join("out");
    fs::create_dir_all(out.join("report.json")).unwrap();
    evaluate(home.path(), &out, &[]).refused(74, &["report.json", "cannot be written"]);
    assert!(!out.join("report.json.part").exists());
    evaluate(home.path(), &out, &["--unlike", "nameless"]).refused(64, &["NAME=DIR"]);
    let few = ["evaluate", "--tiles=x", "--out=y", "--resamples=3"];
    run(few).refused(64, &["--resamples", "100"]);
    let none = home.path().join("none");
    let unlike = format!("blurred={}", text(&none));
    evaluate(home.path(), &out, &["--unlike", &unlike]).refused(66, &["none", "missing"]);
}
