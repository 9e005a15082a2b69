use std::fs;

use proptest::prelude::*;

use super::*;

const SHAPE: [usize; 3] = [1, 2, 2];
const HEADER: &str = "index,source,dish,frame,cell,class,severity,p_oracle,instrument,x_um,y_um,area_um2,iou,flags\n";

fn npy(descr: &str, shape: &str, values: &[f32]) -> Vec<u8> {
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend_from_slice(format!("{dict:<117}\n").as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn good() -> (Vec<u8>, String) {
    let values: Vec<f32> = (0..8).map(|value| value as f32 / 8.0).collect();
    let rows = "1,b,8,0,4,senescent,,0.75,x,1,2,30.5,1,saturated touches_border\n\
                0,\"a,\"\"1\"\"\",7,0,3,,,,,,,,,\n";
    (
        npy("<f4", "(2, 1, 2, 2)", &values),
        format!("{HEADER}{rows}"),
    )
}

fn open(npy: &[u8], csv: &str) -> Result<(TileFolder, tempfile::TempDir), TileFolderError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiles.npy"), npy).unwrap();
    fs::write(folder.path().join("tiles.csv"), csv).unwrap();
    Ok((TileFolder::open(folder.path(), SHAPE)?, folder))
}

fn sentence(npy: &[u8], csv: &str) -> String {
    open(npy, csv).unwrap_err().to_string()
}

#[test]
fn a_row_belongs_to_its_tile_whatever_the_order_of_the_table() {
    let (npy, csv) = good();
    for csv in [
        csv.clone(),
        csv.replace('\n', "\r\n"),
        format!("\u{feff}{csv}\n"),
    ] {
        let (mut tiles, _folder) = open(&npy, &csv).unwrap();
        let [first, second] = tiles.rows() else {
            panic!("two rows");
        };
        assert_eq!((first.source.as_str(), first.class), ("a,\"1\"", None));
        assert_eq!((second.dish.as_str(), second.class), ("8", Some(true)));
        assert_eq!(second.p_oracle, Some(0.75));
        assert_eq!(second.flags, ["saturated", "touches_border"]);
        let tile = tiles.read(1).unwrap();
        assert_eq!(tile.as_slice().unwrap(), [0.5, 0.625, 0.75, 0.875]);
        assert!(tiles.read(2).is_err());
    }
}

#[test]
fn the_digest_is_that_of_the_recipe() {
    let (npy, csv) = good();
    let (tiles, _folder) = open(&npy, &csv).unwrap();
    let both: Vec<u8> = [Sha256::digest(&npy), Sha256::digest(csv.as_bytes())].concat();
    let expected = crate::stages::infer::sha256_hex(&both);
    assert_eq!(tiles.sha256().unwrap(), expected);
}

#[test]
fn each_defect_is_told_with_the_file() {
    let (npy_bytes, csv) = good();
    let values = [0.0; 8];
    for (npy, csv, words) in [
        (
            &npy_bytes[..npy_bytes.len() - 1],
            csv.clone(),
            ["tiles.npy", "cut off"],
        ),
        (&npy_bytes[..20], csv.clone(), ["tiles.npy", "not a whole"]),
        (
            &npy("<f8", "(2, 1, 2, 2)", &values),
            csv.clone(),
            ["tiles.npy", "<f8"],
        ),
        (
            &npy("<f4", "(2, 1, 2, 3)", &values),
            csv.clone(),
            ["tiles.npy", "N×1×2×2"],
        ),
        (
            &npy("<f4", "(9999999999999999999, 1, 2, 2)", &values),
            csv.clone(),
            ["tiles.npy", "cut off"],
        ),
        (
            &npy("<f4", "(4611686018427387904, 1, 2, 2)", &values),
            csv.clone(),
            ["tiles.npy", "cut off"],
        ),
        (&npy_bytes, HEADER.to_owned(), ["tiles.csv", "0 rows"]),
        (
            &npy_bytes,
            csv.replace(",class", ",klass"),
            ["tiles.csv", "lacks the columns class"],
        ),
        (
            &npy_bytes,
            csv.replace("senescent", "dead"),
            ["tiles.csv", "\"dead\""],
        ),
        (
            &npy_bytes,
            csv.replace("0.75", "NaN"),
            ["tiles.csv", "p_oracle"],
        ),
        (
            &npy_bytes,
            csv.replace("\n1,", "\n0,"),
            ["tiles.csv", "another row"],
        ),
        (
            &npy_bytes,
            csv.replace("\n1,", "\n2,"),
            ["tiles.csv", "no tile 2"],
        ),
        (
            &npy_bytes,
            csv.replace("\n1,", "\none,"),
            ["tiles.csv", "index"],
        ),
        (
            &npy_bytes,
            csv.replace(",8,0,", ",8,"),
            ["tiles.csv", "fields"],
        ),
        (&npy_bytes, format!("{csv}\""), ["tiles.csv", "not closed"]),
    ] {
        let found = sentence(npy, &csv);
        for word in words {
            assert!(found.contains(word), "{word:?} is not in: {found}");
        }
    }
    let missing = TileFolder::open(Path::new("nowhere"), SHAPE).unwrap_err();
    assert!(matches!(missing, TileFolderError::Missing { .. }));
}

#[test]
fn a_value_that_is_not_finite_is_refused_when_it_is_read() {
    let mut values = [0.0; 8];
    values[5] = f32::NAN;
    let (mut tiles, _folder) = open(&npy("<f4", "(2, 1, 2, 2)", &values), &good().1).unwrap();
    assert!(tiles.read(0).is_ok());
    assert!(
        tiles
            .read(1)
            .unwrap_err()
            .to_string()
            .contains("not finite")
    );
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0_usize..400, to in any::<u8>(), cut in 0_usize..400) {
        let (mut npy, csv) = good();
        let mut csv = csv.into_bytes();
        for bytes in [&mut npy, &mut csv] {
            let length = bytes.len();
            bytes[at % length] = to;
            bytes.truncate(length - cut % length);
        }
        if let Ok((mut tiles, _folder)) = open(&npy, &String::from_utf8_lossy(&csv)) {
            let _ = tiles.read(0);
        }
    }
}
