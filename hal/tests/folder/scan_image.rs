//! Files as `ScanImage` writes them.

use std::{fs, path::Path};

use crate::{
    Reader, config,
    tiff::{Page, Tiff},
};

/// Two saved channels of four; `numbers` are those of the frames.
fn scan_image(big: bool, numbers: &[u64], ended: bool) -> Tiff {
    let page = |at: usize, number: u64, channel: i16| {
        let last = ended && at + 1 == numbers.len();
        let seconds = 0.25 * number as f64;
        let value = if channel == 1 {
            number as i16
        } else {
            -(number as i16)
        };
        Page {
            description: Some(format!(
                "frameNumbers = {number}\nacquisitionNumbers = 1\nframeNumberAcquisition = {number}\n\
                 frameTimestamps_sec = {seconds:.9}\nacqTriggerTimestamps_sec = \n\
                 nextFileMarkerTimestamps_sec = -1.000000000\nendOfAcquisition =  {}\nendOfAcquisitionMode = 0\n\
                 dcOverVoltage = 0\nepoch = [2024  5 14 15  3 38.682]\nauxTrigger0 = []\nI2CData = {{}}\n",
                u8::from(last)
            )),
            ..Page::of(&[value as u16])
        }
    };
    let software = "SI.LINE_FORMAT_VERSION = 1\nSI.TIFF_FORMAT_VERSION = 4\nSI.VERSION_MAJOR = 2020\n\
                    SI.hChannels.channelName = {'SRS' 'Channel 2' 'TPEF' 'Channel 4'}\n\
                    SI.hChannels.channelSave = [1;3]\nSI.hRoiManager.imagingFovUm = [-3 -2.25;3 -2.25;3 2.25;-3 2.25]\n\
                    SI.hRoiManager.linePeriod = 0.0005\nSI.hRoiManager.mroiEnable = false\n\
                    SI.hRoiManager.scanFramePeriod = 0.25\nSI.hScan2D.logAverageFactor = 1\n\
                    SI.hScan2D.scanPixelTimeMean = 2e-05\n";
    let frames = numbers.iter().enumerate();
    Tiff {
        pages: frames
            .flat_map(|(at, number)| [page(at, *number, 1), page(at, *number, 3)])
            .collect(),
        big,
        signed: true,
        software: Some(software.to_owned()),
    }
}

#[test]
fn channels_are_taken_apart_and_signed_samples_shifted() {
    for big in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let bytes = scan_image(big, &[1, 2, 3], true).bytes();
        fs::write(folder.path().join("grab_00001.tif"), bytes).unwrap();
        let mut settings = config(folder.path());
        settings.pixel_size_um = None;
        let mut reader = Reader::start(settings);
        let actual = &reader.actual;
        assert!((actual.pixel_size_um - 0.5).abs() < 1e-9);
        assert_eq!(
            (actual.dwell_ns, actual.line_period_ns),
            (Some(20_000), Some(500_000))
        );
        let names: Vec<_> = actual
            .channels
            .iter()
            .map(|info| info.name.to_string())
            .collect();
        assert_eq!(names, ["SRS", "TPEF"]);
        for number in 1..=3_u16 {
            let seen = reader.take();
            assert_eq!(seen.firsts, [32_768 + number, 32_768 - number]);
            assert_eq!(seen.source.index, u64::from(number) - 1);
        }
        assert_eq!(reader.count("frames_skipped"), 0);
    }
}

#[test]
fn frames_that_were_not_saved_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = scan_image(true, &[1, 2, 5, 6, 9], true).bytes();
    fs::write(folder.path().join("a.tif"), bytes).unwrap();
    let mut reader = Reader::start(config(folder.path()));
    let ids: Vec<u16> = [1, 2, 5, 6, 9].map(|number| 32_768 + number).into();
    assert_eq!(reader.take_ids(5), ids);
    assert_eq!(reader.count("frames_skipped"), 4);
}

/// It appends a frame every 250 ms, which is longer than files take to settle here.
#[test]
fn an_acquisition_that_may_go_on_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.tif"), scan_image(true, &[1], true).bytes()).unwrap();
    let mut settings = config(path);
    settings.give_up = crate::PATIENCE;
    let mut reader = Reader::start(settings);
    assert_eq!(reader.take_ids(1), [32_769]);
    let begun = reader.session.now();
    fs::write(path.join("b.tif"), scan_image(true, &[2, 3], false).bytes()).unwrap();
    assert_eq!(reader.take_ids(2), [32_770, 32_771]);
    assert!(reader.session.now().since(begun).as_millis() >= 500);
}

/// An incomplete last frame: one of its channels is not written yet.
#[test]
fn a_frame_that_lacks_a_channel_is_not_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.tif"), scan_image(false, &[1], true).bytes()).unwrap();
    let mut reader = Reader::start(config(path));
    assert_eq!(reader.take_ids(1), [32_769]);
    let mut torn = scan_image(false, &[2, 3], true);
    torn.pages.pop();
    fs::write(path.join("b.tif"), torn.bytes()).unwrap();
    reader.wait_for("files_incomplete", 1);
}

/// Written by tifffile; see `reference/scan_image.py`.
#[test]
fn the_file_of_another_writer_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scanimage.tif");
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden, folder.path().join("a.tif")).unwrap();
    let mut settings = config(folder.path());
    settings.pixel_size_um = None;
    settings.channels = ["SRS=#0", "TPEF=#1", "TRANS=#2"]
        .map(|map| map.parse().unwrap())
        .into();
    let mut reader = Reader::start(settings);
    assert_eq!((reader.actual.width, reader.actual.height), (23, 17));
    assert!((reader.actual.pixel_size_um - 0.25).abs() < 1e-9);
    for frame in 0..4_u16 {
        // 1000 · channel − 100 · frame, as signed samples.
        let channel = |channel: u16| 32_768 + 1_000 * channel - 100 * frame;
        assert_eq!(reader.take().firsts, [channel(1), channel(2), channel(3)]);
    }
    assert_eq!(reader.count("frames_skipped"), 2);
}
