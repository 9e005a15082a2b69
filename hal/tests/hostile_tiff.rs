//! Files that lie: an error with the file's name, or the rows that are there and gaps for the others;
//! never a panic, and never more memory than the file justifies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{Recording, golden, play};
use proptest::prelude::*;
use senescope_hal::{
    ErrorKind, GapCause, HalError,
    replay::{ReplayRequest, ReplaySource},
};

fn open(path: &Path) -> Result<ReplaySource, HalError> {
    ReplaySource::open(&ReplayRequest {
        paths: vec![path.to_owned()],
        pixel_size_um: Some(0.5),
        ..ReplayRequest::default()
    })
}

/// Opens bytes as a file: what it gives, or an error that names it.
fn try_bytes(bytes: &[u8]) -> Result<Recording, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.tif");
    fs::write(&path, bytes).unwrap();
    match open(&path) {
        Ok(source) => {
            let (rows, frames) = (u64::from(source.height()), source.frames() as u64);
            let recording = play(source);
            let summary = recording.summary;
            assert_eq!(summary.rows_delivered + summary.rows_lost, rows * frames);
            assert_eq!(
                summary.rows_lost,
                recording
                    .gaps
                    .iter()
                    .map(|gap| u64::from(gap.rows))
                    .sum::<u64>()
            );
            Ok(recording)
        }
        Err(error) => {
            let message = error.to_string();
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Malformed | ErrorKind::Request | ErrorKind::NotFound
                ),
                "{message}"
            );
            assert!(
                message.contains("hostile.tif") || error.kind() != ErrorKind::Malformed,
                "{message}"
            );
            Err(message)
        }
    }
}

fn golden_files() -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "tif"))
        .collect();
    files.sort();
    files
}

/// The most memory that this process ever had, where the system tells.
fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib << 10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_changed_file_is_read_or_refused(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..8),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let files = golden_files();
        let mut bytes = fs::read(file.get(&files)).unwrap();
        for (at, value, near_start) in changes {
            // Headers and directories are at the start of most files, and are what can lie.
            let length = if near_start { bytes.len().min(400) } else { bytes.len() };
            bytes[at.index(length)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = try_bytes(&bytes);
        if let Some(peak) = peak_bytes() {
            prop_assert!(peak < 512 << 20, "{peak} bytes");
        }
    }
}

#[test]
fn every_truncation_is_read_or_refused() {
    for name in [
        "plain-u2-le.tif",
        "plain-u1-be-big.tif",
        "packed-u2-zlib-tiles-le.tif",
        "micro-manager.tif",
    ] {
        let bytes = fs::read(golden().join(name)).unwrap();
        for length in (0..bytes.len()).step_by(41) {
            let _ = try_bytes(&bytes[..length]);
        }
        assert!(try_bytes(&bytes).is_ok(), "{name}");
    }
}

/// A little-endian TIFF of one page: tags as (number, value), all of type LONG.
fn page(tags: &[(u16, u32)], next: u32, samples: &[u8]) -> Vec<u8> {
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(4_u16.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(next.to_le_bytes());
    bytes.resize(512, 0);
    bytes.extend(samples);
    bytes
}

/// 4 × 2 samples of 8 bits, with tags changed.
fn changed(changes: &[(u16, u32)]) -> Vec<u8> {
    let mut tags = vec![
        (256, 4),
        (257, 2),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 512),
        (277, 1),
        (278, 2),
        (279, 8),
    ];
    for (tag, value) in changes {
        tags.retain(|(known, _)| known != tag);
        tags.push((*tag, *value));
    }
    tags.sort();
    page(&tags, 0, &[1; 8])
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    assert!(try_bytes(&changed(&[])).is_ok());
    let cases: &[(&[(u16, u32)], &str)] = &[
        (&[(256, 0)], "0 × 2 samples"),
        (&[(257, 0)], "4 × 0 samples"),
        (&[(256, u32::MAX), (257, u32::MAX)], "at most 32768"),
        (&[(256, 30_000), (257, 30_000)], "at most 268435456"),
        (&[(256, 4_000), (257, 4_000), (278, 4_000)], "cannot hold"),
        (
            &[(256, 9_000), (257, 9_000), (278, 9_000), (259, 8)],
            "cannot hold",
        ),
        (&[(258, 12)], "12-bit"),
        (&[(258, 0)], "0-bit"),
        (&[(259, 7)], "method 7"),
        (&[(262, 3)], "scheme 3"),
        (&[(277, 0)], "0 samples a pixel"),
        (&[(277, 60_000)], "60000 samples a pixel"),
        (&[(278, 0)], "no rows"),
        (&[(278, 1)], "1 offsets and 1 sizes of strips instead of 2"),
        (&[(279, 7)], "7 bytes instead of 8"),
        (&[(273, 4_000_000_000)], "0 bytes instead of 8"),
        (&[(317, 3)], "predictor 3"),
        (&[(322, 0), (323, 16)], "no rows or no columns"),
        (&[(322, u32::MAX), (323, u32::MAX)], "tiles"),
        (&[(322, 1 << 31), (323, 1)], "tiles"),
    ];
    for (changes, reason) in cases {
        let error = try_bytes(&changed(changes)).err().unwrap_or_default();
        assert!(error.contains(reason), "{changes:?}: {error}");
    }
    for (bytes, reason) in [
        (&b""[..], "not a TIFF"),
        (b"II", "truncated"),
        (b"%PDF-1.7", "not a TIFF"),
        (b"II\x2a\0\0\0\0\0", "no pages"),
        (b"II\x2a\0\xff\xff\xff\x7f", "truncated"),
        (b"II\x2a\0\x08\0\0\0\xff\xff", "at most 4096"),
    ] {
        let error = try_bytes(bytes).err().unwrap_or_default();
        assert!(error.contains(reason), "{bytes:?}: {error}");
    }
}

#[test]
fn a_loop_of_pages_is_found() {
    let tags = [(256, 4), (257, 2), (258, 8), (273, 512), (278, 2), (279, 8)];
    let error = try_bytes(&page(&tags, 8, &[0; 8])).err().unwrap();
    assert!(error.contains("loop"), "{error}");
}

#[test]
fn a_tag_that_claims_more_than_the_file_has_takes_no_memory() {
    let mut bytes = changed(&[(270, 0)]);
    // The count of the description: its entry is the sixth.
    let at = 10 + 12 * 5;
    assert_eq!(bytes[at..at + 2], 270_u16.to_le_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = try_bytes(&bytes).err().unwrap();
    assert!(
        error.contains("tag 270") && error.contains("more than the file"),
        "{error}"
    );
}

/// A golden OME-TIFF whose XML is replaced by one of the same length.
fn with_xml(replace: impl Fn(&str) -> String) -> Vec<u8> {
    let mut bytes = fs::read(golden().join("ome-channels.ome.tif")).unwrap();
    let start = bytes.windows(5).position(|w| w == b"<?xml").unwrap();
    let length = bytes[start..].iter().position(|byte| *byte == 0).unwrap();
    let text = std::str::from_utf8(&bytes[start..start + length]).unwrap();
    let text = replace(text);
    assert!(text.len() <= length, "{}", text.len());
    let at = text.rfind("</OME>").unwrap();
    let text = format!(
        "{}{}{}",
        &text[..at],
        " ".repeat(length - text.len()),
        &text[at..]
    );
    bytes[start..start + length].copy_from_slice(text.as_bytes());
    bytes
}

#[test]
fn hostile_xml_is_refused() {
    assert!(try_bytes(&with_xml(str::to_owned)).is_ok());
    let ome = |body: &str| {
        format!("<OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\">{body}</OME>")
    };
    let cases = [
        (
            format!(
                "<!DOCTYPE OME [<!ENTITY a \"aaaaaaaaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>{}",
                ome("&b;")
            ),
            "DTD",
        ),
        (
            ome("<Image><Pixels SizeC=\"4000000000\"/></Image>"),
            "SizeC",
        ),
        (
            ome("<Image><Pixels SizeZ=\"1000000\" SizeT=\"1000000\"/></Image>"),
            "planes",
        ),
        (
            ome("<Image><Pixels DimensionOrder=\"ZZZZZ\"/></Image>"),
            "DimensionOrder",
        ),
        (ome("<Image>"), "malformed"),
        (ome(""), "no image"),
        (
            ome("<BinaryOnly MetadataFile=\"../../etc/passwd\"/>"),
            "plain name",
        ),
        (
            ome("<Image><Pixels SizeC=\"2\"><TiffData IFD=\"9\" FirstC=\"7\"/></Pixels></Image>"),
            "none of the planes",
        ),
    ];
    for (xml, reason) in cases {
        let error = try_bytes(&with_xml(|_| xml.clone()))
            .err()
            .unwrap_or_default();
        assert!(error.contains(reason), "{xml}: {error}");
    }
}

#[test]
fn a_sample_that_is_not_a_number_is_named() {
    for (value, name) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let mut samples = [1.5_f32; 12];
        samples[2 * 4 + 3] = value;
        let samples: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let tags = [
            (256, 4),
            (257, 3),
            (258, 32),
            (262, 1),
            (273, 512),
            (278, 3),
            (279, 48),
            (339, 3),
        ];
        let error = try_bytes(&page(&tags, 0, &samples)).err().unwrap();
        assert!(
            error.contains(&format!("page 0, row 2, column 3 is {name}")),
            "{error}"
        );
    }
}

const WIDTH: usize = 4;
const HEIGHT: usize = 6;

/// Pages of 4 × 6 samples of 8 bits in strips of two rows; the offsets of the strips of page `damaged`
/// lie beyond the file where `lost` says so.
fn pages(count: usize, damaged: usize, lost: [bool; 3]) -> Vec<u8> {
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    for number in 0..count {
        let directory = bytes.len();
        let after = directory + 2 + 7 * 12 + 4;
        let (offsets, sizes) = (after, after + 12);
        let samples = after + 24;
        let next = samples + WIDTH * HEIGHT;
        let tags = [
            (256, 1, WIDTH),
            (257, 1, HEIGHT),
            (258, 1, 8),
            (262, 1, 1),
            (273, 3, offsets),
            (278, 1, 2),
            (279, 3, sizes),
        ];
        bytes.extend(7_u16.to_le_bytes());
        for (tag, many, value) in tags {
            bytes.extend((tag as u16).to_le_bytes());
            bytes.extend(4_u16.to_le_bytes());
            bytes.extend((many as u32).to_le_bytes());
            bytes.extend((value as u32).to_le_bytes());
        }
        bytes.extend(if number + 1 < count { next as u32 } else { 0 }.to_le_bytes());
        for (strip, lost) in lost.iter().enumerate() {
            let offset = if number == damaged && *lost {
                1 << 30
            } else {
                samples + strip * 2 * WIDTH
            };
            bytes.extend((offset as u32).to_le_bytes());
        }
        bytes.extend([8_u32; 3].iter().flat_map(|size| size.to_le_bytes()));
        bytes.extend((0..WIDTH * HEIGHT).map(|at| (number * 50 + at) as u8));
    }
    bytes
}

#[test]
fn damage_in_a_later_frame_is_a_gap_and_the_rest_is_whole() {
    let whole = try_bytes(&pages(3, 9, [false; 3])).unwrap();
    assert!(whole.gaps.is_empty());
    for lost in [
        [true, false, false],
        [false, true, true],
        [true, true, true],
    ] {
        let damaged = try_bytes(&pages(3, 1, lost)).unwrap();
        let missing: u32 = damaged.gaps.iter().map(|gap| gap.rows).sum();
        assert_eq!(
            missing,
            2 * lost.iter().filter(|lost| **lost).count() as u32
        );
        for gap in &damaged.gaps {
            assert_eq!((gap.frame, gap.cause), (1, GapCause::SourceIncomplete));
        }
        for (frame, planes) in whole.frames.iter().enumerate() {
            for (at, count) in planes[0].iter().enumerate() {
                let is_lost = frame == 1 && lost[at / WIDTH / 2];
                assert_eq!(
                    damaged.frames[frame][0][at],
                    if is_lost { 0 } else { *count }
                );
            }
        }
    }
    // In the first frame it is an error: there is nothing to lose yet.
    let error = try_bytes(&pages(3, 0, [false, true, false])).err().unwrap();
    assert!(
        error.contains("page 0, the strip at row 2: it has 0 bytes instead of 8"),
        "{error}"
    );
}

#[test]
fn files_of_another_size_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.tif"), pages(1, 9, [false; 3])).unwrap();
    fs::write(folder.path().join("b.tif"), changed(&[])).unwrap();
    let error = open(folder.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let message = error.to_string();
    assert!(
        message.contains("b.tif") && message.contains("4 × 2") && message.contains("4 × 6"),
        "{message}"
    );
}
