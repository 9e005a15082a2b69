//! What is written is read back as it was, whole or not at all, and says what the field's conventions ask.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{fs, path::Path};

use common::play;
use proptest::prelude::*;
use senescope_hal::{
    ChannelInfo, ChannelName, ErrorKind,
    ome::{OmeImage, read_u16_plane, write_label_tiff, write_ome_tiff},
    replay::{ReplayRequest, ReplaySource},
};

fn source(path: &Path) -> ReplaySource {
    ReplaySource::open(&ReplayRequest {
        paths: vec![path.to_owned()],
        ..Default::default()
    })
    .unwrap()
}

fn channels() -> [ChannelInfo; 3] {
    let mut srs = ChannelInfo::counts(ChannelName::srs(), 14);
    srs.dark_counts = Some(101.25);
    srs.wavelength_nm = Some(797.2);
    let mut tpef = ChannelInfo::counts(ChannelName::tpef(), 14);
    (tpef.scale, tpef.offset) = (0.125, -3.5);
    [srs, tpef, ChannelInfo::counts(ChannelName::trans(), 14)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_frame_comes_back_with_all_that_is_known_of_it(
        (width, height, samples) in (1_u32..40, 1_u32..40).prop_flat_map(|(w, h)| {
            (Just(w), Just(h), prop::collection::vec(0_u16..16_384, (w * h * 3) as usize))
        }),
        pixel_size_um in 0.01_f64..10.0,
        dwell_ns in prop::option::of(1_u64..1_000_000),
        note in "[ -~µ→\n]{0,20}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frame <1> & \"2\".ome.tif");
        let planes: Vec<&[u16]> = samples.chunks((width * height) as usize).collect();
        let image = OmeImage {
            width,
            height,
            pixel_size_um,
            channels: channels().into_iter().zip(planes.iter().copied()).collect(),
            dwell_ns,
            line_period_ns: dwell_ns.map(|ns| ns * u64::from(width) + 7),
            record: None,
            notes: vec![("note".to_owned(), note)],
        };
        write_ome_tiff(&path, &image).unwrap();
        let source = source(&path);
        prop_assert_eq!(source.channels(), channels());
        prop_assert_eq!(source.pixel_size_um(), pixel_size_um);
        prop_assert_eq!(source.dwell_ns(), dwell_ns);
        prop_assert_eq!(source.line_period_ns(), image.line_period_ns);
        let frames = play(source).frames;
        prop_assert_eq!(frames.len(), 1);
        prop_assert_eq!(&frames[0], &planes.iter().map(|plane| plane.to_vec()).collect::<Vec<_>>());
    }
}

#[test]
fn labels_come_back_and_nothing_else_is_left_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth-0.tif");
    let labels: Vec<u16> = (0..35).map(|at| at * 1_871).collect();
    write_label_tiff(&path, 7, 5, &[0; 35]).unwrap();
    write_label_tiff(&path, 7, 5, &labels).unwrap();
    assert_eq!(read_u16_plane(&path).unwrap(), (7, 5, labels));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone").join("frame.tif");
    let error = write_label_tiff(&path, 1, 1, &[1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(
        error
            .to_string()
            .contains("gone/frame.tif cannot be written"),
        "{error}"
    );
    assert_eq!(
        write_label_tiff(&path, 2, 1, &[1]).unwrap_err().kind(),
        ErrorKind::Request
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_what_was_there() {
    // Every write to this device fails for want of space.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frame.tif");
    write_label_tiff(&path, 1, 1, &[7]).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join(".frame.tif.part")).unwrap();
    let error = write_label_tiff(&path, 1, 1, &[8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(
        error.to_string().contains("frame.tif") && error.to_string().contains("space"),
        "{error}"
    );
    assert_eq!(read_u16_plane(&path).unwrap(), (1, 1, vec![7]));
}

#[test]
fn the_conventions_of_the_field_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frame.ome.tif");
    let counts = [1_u16, 2, 3, 4];
    let image = OmeImage {
        width: 2,
        height: 2,
        pixel_size_um: 0.25,
        channels: channels()
            .into_iter()
            .map(|info| (info, &counts[..]))
            .collect(),
        dwell_ns: Some(20_000),
        line_period_ns: None,
        record: None,
        notes: vec![("raman_shift_per_cm".to_owned(), "2850".to_owned())],
    };
    write_ome_tiff(&path, &image).unwrap();
    let bytes = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for part in [
        "Name=\"SRS\" SamplesPerPixel=\"1\" AcquisitionMode=\"Other\" IlluminationType=\"NonLinear\" \
         ExcitationWavelength=\"797.2\" ExcitationWavelengthUnit=\"nm\"",
        "Name=\"TPEF\" SamplesPerPixel=\"1\" AcquisitionMode=\"MultiPhotonMicroscopy\" \
         IlluminationType=\"NonLinear\" ContrastMethod=\"Fluorescence\"",
        "Name=\"TRANS\" SamplesPerPixel=\"1\" AcquisitionMode=\"Other\" IlluminationType=\"Transmitted\" \
         ContrastMethod=\"Brightfield\"",
        "DimensionOrder=\"XYCZT\" Type=\"uint16\" SignificantBits=\"14\"",
        "PhysicalSizeX=\"0.25\"",
        "<M K=\"dwell_ns\">20000</M>",
        "<M K=\"raman_shift_per_cm\">2850</M>",
    ] {
        assert!(text.contains(part), "{part}");
    }
}
