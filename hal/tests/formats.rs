//! Every variant of TIFF is read as tifffile reads it.
//!
//! `golden/` was written and read back by tifffile; see `reference/make.py`. The public recordings beside
//! the checkout are compared with what tifffile reads of them, and passed over when they are not there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{fs, path::Path, sync::LazyLock};

use common::{Recording, golden, play, replay, shared};
use senescope_hal::{
    ChannelName, ErrorKind,
    replay::{ChannelMap, ReplayRequest, ReplaySource},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    name: String,
    paths: Vec<String>,
    maps: Vec<String>,
    width: u32,
    height: u32,
    pixel_um: Option<f64>,
    names: Vec<String>,
    bits: u8,
    rules: Vec<(f64, f64)>,
    /// CRC-32 of the counts in little-endian order, by frame and channel.
    frames: Vec<Vec<u32>>,
}

/// CRC-32/ISO-HDLC, as Python's `zlib.crc32`.
fn crc32(counts: &[u16]) -> u32 {
    static TABLE: LazyLock<[u32; 256]> = LazyLock::new(|| {
        std::array::from_fn(|byte| {
            (0..8).fold(byte as u32, |crc, _| {
                if crc & 1 == 1 {
                    crc >> 1 ^ 0xEDB8_8320
                } else {
                    crc >> 1
                }
            })
        })
    });
    let bytes = counts.iter().flat_map(|count| count.to_le_bytes());
    !bytes.fold(u32::MAX, |crc, byte| {
        crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize]
    })
}

fn request(expected: &Expected, root: &Path) -> ReplayRequest {
    let root_text = root.to_str().unwrap();
    let map = |text: &String| {
        text.replace("{shared}", root_text)
            .parse::<ChannelMap>()
            .unwrap()
    };
    ReplayRequest {
        paths: expected
            .paths
            .iter()
            .filter(|path| *path != "-")
            .map(|path| root.join(path))
            .collect(),
        channels: expected.maps.iter().map(map).collect(),
        ..ReplayRequest::default()
    }
}

fn check(expected: &Expected, root: &Path) {
    let name = &expected.name;
    let mut request = request(expected, root);
    if expected.pixel_um.is_none() {
        // What the file does not say is asked for, and not guessed.
        let error = ReplaySource::open(&request).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Request, "{name}: {error}");
        assert!(
            error.to_string().contains("--pixel-size-um"),
            "{name}: {error}"
        );
        request.pixel_size_um = Some(0.5);
    }
    let source = ReplaySource::open(&request).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(
        (source.width(), source.height()),
        (expected.width, expected.height),
        "{name}"
    );
    let um = expected.pixel_um.unwrap_or(0.5);
    assert!(
        (source.pixel_size_um() - um).abs() < 1e-6 * um,
        "{name}: {}",
        source.pixel_size_um()
    );
    let channels = source.channels();
    let names: Vec<_> = channels
        .iter()
        .map(|channel| channel.name.as_str())
        .collect();
    assert_eq!(names, expected.names, "{name}");
    for (channel, (scale, offset)) in channels.iter().zip(&expected.rules) {
        assert_eq!(channel.bit_depth, expected.bits, "{name}");
        assert!(
            (channel.scale - scale).abs() <= 1e-9 * scale.abs(),
            "{name}: {channel:?}"
        );
        assert!(
            (channel.offset - offset).abs() <= 1e-9 * offset.abs(),
            "{name}: {channel:?}"
        );
    }
    let recording = play(source);
    assert!(recording.gaps.is_empty(), "{name}: {:?}", recording.gaps);
    let found: Vec<Vec<u32>> = recording
        .frames
        .iter()
        .map(|frame| frame.iter().map(|plane| crc32(plane)).collect())
        .collect();
    assert_eq!(found, expected.frames, "{name}");
}

fn expected(file: &str) -> Vec<Expected> {
    serde_json::from_str(&fs::read_to_string(golden().join(file)).unwrap()).unwrap()
}

#[test]
fn every_variant_is_read_as_tifffile_reads_it() {
    let entries = expected("expected.json");
    assert!(entries.len() > 50);
    for entry in &entries {
        check(entry, &golden());
    }
}

#[test]
fn public_recordings_are_read_as_tifffile_reads_them() {
    let Some(root) = shared() else { return };
    for entry in &expected("shared.json") {
        check(entry, &root);
    }
}

#[test]
fn a_folder_is_its_files_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for (index, name) in ["b.tif", "a.tif", "truth-a.tif", "notes.txt"]
        .iter()
        .enumerate()
    {
        let from = golden().join(["plain-u2-le.tif", "plain-u2-be.tif"][index % 2]);
        fs::copy(from, folder.path().join(name)).unwrap();
    }
    let of = |paths: &[&Path]| -> Recording {
        let paths = paths.iter().map(|path| path.to_path_buf()).collect();
        let um = Some(0.5);
        play(
            ReplaySource::open(&ReplayRequest {
                paths,
                pixel_size_um: um,
                ..Default::default()
            })
            .unwrap(),
        )
    };
    let (a, b) = (
        golden().join("plain-u2-be.tif"),
        golden().join("plain-u2-le.tif"),
    );
    assert_eq!(of(&[folder.path()]).frames, of(&[&a, &b]).frames);
    assert_ne!(of(&[folder.path()]).frames, of(&[&b, &a]).frames);
}

#[test]
fn a_mapped_channel_takes_the_name_it_is_given() {
    let request = ReplayRequest {
        paths: vec![golden().join("ome-channels.ome.tif")],
        channels: vec!["SRS=#2".parse().unwrap()],
        wanted: vec![ChannelName::srs(), ChannelName::tpef()],
        ..ReplayRequest::default()
    };
    let all = play(replay("ome-channels.ome.tif"));
    let mapped = play(ReplaySource::open(&request).unwrap());
    assert_eq!(
        mapped.frames[0],
        [all.frames[0][2].clone(), all.frames[0][1].clone()]
    );
}
