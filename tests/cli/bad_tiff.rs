//! Files that are damaged or lie are refused with 65 and a sentence, and never take memory for what they
//! claim.

use std::{fs, path::Path};

use tiff::encoder::{TiffEncoder, colortype::Gray32Float};

use crate::support::{
    Ended, SIZE, end, folder, frame, page, program, recording, run, shell, text, write_frame,
};

/// Maps all channels to `path`, so that nothing but the file can be wrong.
const REPLAY: &str =
    "--channel SRS=FILE --channel TPEF=FILE --channel TRANS=FILE --pixel-size-um 0.25";

fn replay(path: &Path) -> Ended {
    let mut command = program();
    command.arg("replay");
    command.args(
        REPLAY
            .split(' ')
            .map(|word| word.replace("FILE", text(path))),
    );
    end(command)
}

/// A valid OME-TIFF of three pages, as bytes.
fn valid(home: &Path) -> Vec<u8> {
    let path = home.join("valid.ome.tif");
    write_frame(&path, &frame(0));
    fs::read(path).unwrap()
}

fn long(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Where the directories of a little-endian TIFF are.
fn directories(bytes: &[u8]) -> Vec<usize> {
    assert_eq!(bytes[..4], *b"II\x2a\0");
    let mut found = vec![long(bytes, 4)];
    loop {
        let next = long(bytes, next_at(bytes, *found.last().unwrap()));
        if next == 0 {
            return found;
        }
        found.push(next);
    }
}

/// Where a directory says where the next one is.
fn next_at(bytes: &[u8], directory: usize) -> usize {
    let entries = u16::from_le_bytes(bytes[directory..directory + 2].try_into().unwrap());
    directory + 2 + 12 * usize::from(entries)
}

/// Where the entry of `tag` is in a directory.
fn entry(bytes: &[u8], directory: usize, tag: u16) -> usize {
    (directory + 2..next_at(bytes, directory))
        .step_by(12)
        .find(|at| bytes[*at..at + 2] == tag.to_le_bytes())
        .unwrap()
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const DESCRIPTION: u16 = 270;
const STRIP_OFFSETS: u16 = 273;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTE_COUNTS: u16 = 279;

/// `bytes` with the value of `tag` changed in every page.
fn with(mut bytes: Vec<u8>, tag: u16, value: u32) -> Vec<u8> {
    for directory in directories(&bytes) {
        let at = entry(&bytes, directory, tag);
        // Of type LONG, whatever it was.
        bytes[at + 2..at + 4].copy_from_slice(&4_u16.to_le_bytes());
        put(&mut bytes, at + 8, value);
    }
    bytes
}

#[test]
fn damaged_and_lying_files_are_refused_with_their_reason() {
    let home = folder();
    let good = valid(home.path());
    let first = long(&good, 4);
    let mut looped = good.clone();
    let last = *directories(&good).last().unwrap();
    let at = next_at(&good, last);
    put(&mut looped, at, first as u32);
    let mut endless = good.clone();
    let at = entry(&good, first, DESCRIPTION);
    put(&mut endless, at + 4, u32::MAX);
    for (name, bytes, words) in [
        (
            "text",
            b"hello, this is no image".to_vec(),
            &["not a TIFF"][..],
        ),
        ("empty", Vec::new(), &["not a TIFF"]),
        ("header", b"II\x2a\0\x08\0\0\0".to_vec(), &["truncated"]),
        ("half", good[..good.len() / 2].to_vec(), &["truncated"]),
        (
            "wide",
            with(good.clone(), WIDTH, u32::MAX),
            &["4294967295", "at most 32768"],
        ),
        (
            "large",
            with(with(good.clone(), WIDTH, 30_000), HEIGHT, 30_000),
            &["at most"],
        ),
        ("flat", with(good.clone(), HEIGHT, 0), &["0 samples"]),
        ("loop", looped, &["loop"]),
        (
            "fewer",
            with(good.clone(), ROWS_PER_STRIP, 1),
            &["1 offsets and 1 sizes of strips instead of 320"],
        ),
        ("endless", endless, &["tag 270", "4294967295"]),
    ] {
        let path = home.path().join(format!("{name}.tif"));
        fs::write(&path, bytes).unwrap();
        let name = format!("{name}.tif");
        let words: Vec<_> = words.iter().copied().chain([name.as_str()]).collect();
        replay(&path).refused(65, &words);
        run(["replay", text(&path)]).refused(65, &words);
    }
}

/// Under a limit of address space that the claim would burst, the claim is refused and nothing aborts.
#[test]
fn a_claim_of_huge_dimensions_takes_no_memory() {
    let home = folder();
    let path = home.path().join("huge.tif");
    let claim = |width, height, rows| {
        let tags = [
            (256, width),
            (257, height),
            (258, 16),
            (259, 1),
            (262, 1),
            (273, 512),
            (277, 1),
            (278, rows),
            (279, 8),
        ];
        page(&tags, 0, &[1; 8])
    };
    let script = format!(
        "ulimit -v 2097152; exec \"$0\" replay {}",
        REPLAY.replace("FILE", "\"$1\"")
    );
    for (bytes, word) in [
        (claim(u32::MAX, u32::MAX, u32::MAX), "at most"),
        (claim(32_768, 32_768, 32_768), "at most"),
        (claim(16_384, 16_384, 16_384), "cannot hold"),
        (with(valid(home.path()), WIDTH, u32::MAX), "at most"),
    ] {
        fs::write(&path, bytes).unwrap();
        end(shell(&script, &[&path])).refused(65, &["huge.tif", word]);
    }
}

#[test]
fn a_sample_that_is_no_number_is_named_with_its_place() {
    let home = folder();
    let path = home.path().join("float.tif");
    let mut samples = vec![1.5_f32; 32 * 32];
    samples[2 * 32 + 3] = f32::NAN;
    let file = fs::File::create(&path).unwrap();
    TiffEncoder::new(file)
        .unwrap()
        .write_image::<Gray32Float>(32, 32, &samples)
        .unwrap();
    replay(&path).refused(65, &["float.tif", "row 2, column 3 is NaN"]);
}

#[test]
fn frames_of_different_sizes_are_named() {
    let home = folder();
    let recording = recording(home.path());
    let tags = [
        (256, 4),
        (257, 2),
        (258, 8),
        (262, 1),
        (273, 512),
        (278, 2),
        (279, 8),
    ];
    let odd = home.path().join("odd.tif");
    fs::write(&odd, page(&tags, 0, &[1; 8])).unwrap();
    let mut command = program();
    command.args([
        "replay",
        text(&recording),
        "--channel",
        &format!("TPEF={}", text(&odd)),
    ]);
    command.args([
        "--channel",
        &format!("SRS={}", text(&odd)),
        "--pixel-size-um",
        "0.25",
    ]);
    command.args([
        "--channel",
        &format!("TRANS={}", text(&recording.join("frame-0.ome.tif"))),
    ]);
    let ended = end(command);
    assert!(matches!(ended.code, Some(64 | 65)), "{ended:?}");
    crate::support::assert_no_panic(&ended.err);
}

/// Damage in a later frame loses the rows that it hits, and they are counted; the frame before is whole.
#[test]
fn damage_in_a_later_frame_loses_its_rows_alone() {
    let home = folder();
    let recording = recording(home.path());
    let whole = run(["replay", text(&recording), "--json"]).done().out;
    let path = recording.join("frame-1.ome.tif");
    let mut bytes = fs::read(&path).unwrap();
    let first = long(&bytes, 4);
    // A page is one strip; half of it is destroyed.
    let value = |tag| long(&bytes, entry(&bytes, first, tag) + 8);
    let (strip, size) = (value(STRIP_OFFSETS), value(STRIP_BYTE_COUNTS));
    bytes[strip + size / 2..strip + size].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let ended = run(["replay", text(&recording), "--json"]).done();
    let of_first = |out: &[u8]| {
        let lines = out.split_inclusive(|byte| *byte == b'\n');
        lines
            .filter(|line| line.starts_with(b"{\"frame\":0,"))
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    assert!(!of_first(&whole).is_empty());
    assert_eq!(of_first(&ended.out), of_first(&whole));
    let summary = ended.err;
    assert!(
        summary.contains(&format!("{} row(s)", 2 * SIZE)),
        "{summary}"
    );
    assert!(
        summary.contains(" lost") && !summary.contains(" 0 lost"),
        "{summary}"
    );
}
