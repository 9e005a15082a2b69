//! Folders of tiles, whole and damaged: what `senescope tiles` writes is read, and everything else is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use std::fs;

use ndarray::Array4;
use ndarray_npy::WriteNpyExt;
use senescope::tiles_folder::{TileFolder, TileFolderError};
use tempfile::TempDir;

const SHAPE: [usize; 3] = [3, 4, 4];
const HEADER: &str = "index,source,dish,frame,cell,class,severity,p_oracle,instrument,x_um,y_um,area_um2,iou,seen,flags";
const ROWS: [&str; 3] = [
    "0,\"a, b\",7,0,0,senescent,0.5,0.75,7,1,2,300.5,0.9,0.6,touches_border saturated",
    "1,c,,0,1,,,,,1,2,,,,",
    "2,c,8,0,2,proliferating,,0,8,1,2,100,,,",
];

fn tiles() -> Array4<f32> {
    Array4::from_shape_fn((3, 3, 4, 4), |(tile, channel, row, column)| {
        (tile as f32 - channel as f32 / 4.0 + row as f32 / 16.0 - column as f32 / 64.0) / 4.0
    })
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let mut array = Vec::new();
        tiles().write_npy(&mut array).unwrap();
        folder.array(&array);
        folder.table(&format!("{HEADER}\n{}\n", ROWS.join("\n")));
        folder
    }

    fn array(&self, bytes: &[u8]) {
        fs::write(self.0.path().join("tiles.npy"), bytes).unwrap();
    }

    fn table(&self, text: &str) {
        fs::write(self.0.path().join("tiles.csv"), text).unwrap();
    }

    fn open(&self) -> Result<TileFolder, TileFolderError> {
        TileFolder::open(self.0.path(), SHAPE)
    }

    #[track_caller]
    fn refused(&self, words: &[&str]) {
        let sentence = self.open().unwrap_err().to_string();
        for word in words {
            assert!(sentence.contains(word), "{word:?} is not in: {sentence}");
        }
    }
}

#[test]
fn what_was_written_is_read() {
    let mut folder = Folder::new().open().unwrap();
    for (index, tile) in tiles().outer_iter().enumerate() {
        assert_eq!(folder.read(index).unwrap(), tile);
    }
    assert!(folder.read(3).is_err());
    let [first, second, third] = folder.rows() else {
        panic!("three rows");
    };
    assert_eq!((first.source.as_str(), first.dish.as_str()), ("a, b", "7"));
    assert_eq!(
        (first.class, second.class, third.class),
        (Some(true), None, Some(false))
    );
    assert_eq!(
        (first.p_oracle, second.p_oracle, third.p_oracle),
        (Some(0.75), None, Some(0.0))
    );
    assert_eq!((first.area_um2, second.area_um2), (Some(300.5), None));
    assert_eq!(first.flags, ["touches_border", "saturated"]);
    assert!(second.flags.is_empty());
}

#[test]
fn a_cell_that_is_hardly_seen_has_no_class() {
    let folder = Folder::new();
    for (seen, class) in [("0.5", Some(true)), ("0.49", None)] {
        let rows = ROWS
            .join("\n")
            .replacen("0.9,0.6,", &format!("0.9,{seen},"), 1);
        folder.table(&format!("{HEADER}\n{rows}\n"));
        assert_eq!(folder.open().unwrap().rows()[0].class, class, "{seen}");
    }
}

#[test]
fn a_row_means_the_tile_that_its_index_says() {
    let folder = Folder::new();
    let turned: Vec<_> = ROWS.into_iter().rev().collect();
    folder.table(&format!("{HEADER}\n{}\n", turned.join("\n")));
    let mut opened = folder.open().unwrap();
    assert_eq!(
        opened.read(0).unwrap(),
        tiles().index_axis(ndarray::Axis(0), 0)
    );
    let indices: Vec<_> = opened.rows().iter().map(|row| row.index).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert_eq!(opened.rows()[2].dish, "8");
}

#[test]
fn an_array_that_is_cut_off_or_of_another_form_is_told() {
    let folder = Folder::new();
    let path = folder.0.path().join("tiles.npy");
    let good = fs::read(&path).unwrap();
    let cases: [(Vec<u8>, &str); 6] = [
        (good[..good.len() - 1].to_vec(), "cut off"),
        ([good.as_slice(), &[0]].concat(), "cut off or damaged"),
        (good[..60].to_vec(), "header is cut off"),
        (Vec::new(), "not an .npy file"),
        (b"PK\x03\x04 an archive".to_vec(), "not an .npy file"),
        (
            String::from_utf8_lossy(&good[10..128])
                .replace("<f4", "<f8")
                .into_bytes(),
            "float32",
        ),
    ];
    for (mut bytes, word) in cases {
        if word == "float32" {
            bytes = [&good[..10], &bytes, &good[128..]].concat();
        }
        folder.array(&bytes);
        folder.refused(&["tiles.npy", word, "senescope tiles"]);
    }
    folder.array(&good);
    let other = TileFolder::open(folder.0.path(), [3, 8, 8]).unwrap_err();
    assert!(other.to_string().contains("[3, 8, 8]"), "{other}");
    fs::remove_file(path).unwrap();
    assert!(matches!(
        folder.open(),
        Err(TileFolderError::Missing { .. })
    ));
}

#[test]
fn a_value_that_is_no_number_is_told_when_it_is_read() {
    let folder = Folder::new();
    let mut array = tiles();
    array[[1, 0, 2, 2]] = f32::NAN;
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).unwrap();
    folder.array(&bytes);
    let mut opened = folder.open().unwrap();
    assert!(opened.read(0).is_ok() && opened.read(2).is_ok());
    let sentence = opened.read(1).unwrap_err().to_string();
    assert!(
        sentence.contains("tile 1") && sentence.contains("not finite"),
        "{sentence}"
    );
}

#[test]
fn a_table_that_contradicts_is_told_with_its_row() {
    let folder = Folder::new();
    let [first, second, third] = ROWS;
    for (text, words) in [
        (format!("{HEADER}\n{first}\n"), ["1 row(s)", "3 tile(s)"]),
        (String::new(), ["empty", "header"]),
        (
            format!(
                "{}\n{first}\n{second}\n{third}\n",
                HEADER.replace("class", "klass")
            ),
            ["`class`", "lacks"],
        ),
        (
            format!(
                "{HEADER}\n{first}\n{second}\n{}\n",
                third.replace("proliferating", "quiescent")
            ),
            ["row 3", "\"quiescent\""],
        ),
        (
            format!("{HEADER}\n{first}\n{first}\n{third}\n"),
            ["row 2", "once"],
        ),
        (
            format!(
                "{HEADER}\n{}\n{second}\n{third}\n",
                first.replace("0.75", "1.75")
            ),
            ["row 1", "`p_oracle`"],
        ),
        (
            format!("{HEADER}\n{first}\n{second}\n3{}\n", &third[1..]),
            ["row 3", "below 3"],
        ),
    ] {
        folder.table(&text);
        folder.refused(&["tiles.csv", words[0], words[1]]);
    }
}

#[test]
fn the_digest_is_over_the_digests_of_both_files() {
    use sha2::{Digest, Sha256};
    let folder = Folder::new();
    let digest = |name: &str| Sha256::digest(fs::read(folder.0.path().join(name)).unwrap());
    let both = [digest("tiles.npy"), digest("tiles.csv")].concat();
    let expected: String = Sha256::digest(both)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(folder.open().unwrap().sha256().unwrap(), expected);
}
