//! A recording for other people's software. The recording is made of the recorder's own types and lines; that others can
//! read what is written is shown by `tests/peers/check_export`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use parquet::file::reader::{FileReader, SerializedFileReader};
use senescope::{
    domain::{CellFlags, Label},
    recording::{
        Context, FORMAT, FrameLine, FrameSettings, LabelLine, MissingRows, NotKept, RecordingEnd,
        RecordingState, RunFile, frame_file, line,
    },
    stages::publish::{LabelMessage, RunStart},
};
use senescope_hal::{
    ChannelInfo, ChannelName, FrameSource, Pacing, RunId, ScanActual,
    ome::{FrameRecord, OmeImage, read_ome_frame, write_ome_tiff},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const WIDTH: u32 = 40;
const HEIGHT: u32 = 30;

/// Three frames: two cells; one cell and not kept; one cell, a missing row.
struct Fixture {
    home: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let fixture = Self { home };
        fs::create_dir(fixture.recording()).unwrap();
        let labels = [
            label(1, 0, 0, [2, 3], Label::Senescent),
            label(2, 0, 1, [20, 10], Label::Uncertain),
            label(3, 1, 0, [5, 5], Label::Proliferating),
            label(4, 2, 0, [30, 20], Label::Atypical),
        ];
        fixture.write("labels.ndjson", &labels);
        let frames = [0, 1, 2].map(|frame| fixture.frame(frame));
        fixture.write("frames.ndjson", &frames);
        fixture.write_run(RecordingState::Complete);
        fixture
    }

    fn recording(&self) -> PathBuf {
        self.home.path().join("recording")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, lines: &[impl serde::Serialize]) {
        let lines: Vec<u8> = lines
            .iter()
            .flat_map(|value| line::seal(value).unwrap())
            .collect();
        fs::write(self.recording().join(name), lines).unwrap();
    }

    fn frame(&self, frame: u64) -> FrameLine {
        let missing: Vec<_> = (frame == 2).then_some(7..8).into_iter().collect();
        let file = self.recording().join(frame_file(frame));
        let kept = frame != 1;
        if kept {
            let counts = [0, 1].map(|channel| counts(frame, channel));
            let image = OmeImage {
                width: WIDTH,
                height: HEIGHT,
                pixel_size_um: 0.25,
                channels: channels()
                    .into_iter()
                    .zip(counts.iter().map(Vec::as_slice))
                    .collect(),
                dwell_ns: None,
                line_period_ns: None,
                record: Some(FrameRecord {
                    run: RunId::from_bits(7),
                    frame,
                    field: 0,
                    ticks_first_row: Some(frame * 500),
                    missing: missing.clone(),
                }),
                notes: Vec::new(),
            };
            write_ome_tiff(&file, &image).unwrap();
        }
        let digest = |path: &Path| {
            let digest = Sha256::digest(fs::read(path).unwrap());
            digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let cells = if frame == 0 { 2 } else { 1 };
        FrameLine {
            frame,
            field: 0,
            file: kept.then(|| frame_file(frame)),
            maps: None,
            maps_sha256: None,
            sha256: kept.then(|| digest(&file)),
            not_kept: (!kept).then_some(NotKept::NotAnEvent),
            ticks_first_row: Some(frame * 500),
            cells,
            labels: cells,
            skipped: Vec::new(),
            missing: missing
                .iter()
                .map(|rows| MissingRows {
                    first_row: rows.start,
                    rows: 1,
                    cause: None,
                })
                .collect(),
            source: None,
            settings: (frame > 0).then(|| FrameSettings {
                config: "c1".to_owned(),
                changed: Default::default(),
            }),
        }
    }

    fn write_run(&self, state: RecordingState) {
        let scan = ScanActual {
            width: WIDTH,
            height: HEIGHT,
            pixel_size_um: 0.25,
            dwell_ns: None,
            line_period_ns: None,
            bidirectional: false,
            strip_rows: 4,
            channels: channels().to_vec(),
            clock_hz: 1000,
            frames: Some(3),
            pacing: Pacing::Pulled,
        };
        let run = RunFile {
            format: FORMAT,
            run: RunId::from_bits(7).to_string(),
            state,
            context: Context {
                model: "m".repeat(64),
                config: "c".repeat(64),
                software: "0.1.0".to_owned(),
                ..Context::default()
            },
            settings: json!({}),
            start: RunStart {
                classes: vec!["proliferating".to_owned(), "senescent".to_owned()],
                members: vec!["alpha".to_owned(), "beta".to_owned()],
                channels: channels().to_vec(),
                pixel_size_um: 0.25,
                scan,
                ensemble: json!({}),
                software: "0.1.0".to_owned(),
                started_utc: None,
            },
            end: None,
            recording: Some(RecordingEnd {
                frames: 2,
                labels: 4,
                ..RecordingEnd::default()
            }),
        };
        let text = serde_json::to_vec(&run).unwrap();
        fs::write(self.recording().join("run.json"), text).unwrap();
    }

    fn export(&self, format: &str, out: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_senescope"))
            .arg("export")
            .arg(self.recording())
            .args(["--format", format, "--out"])
            .arg(self.path(out))
            .args(more)
            .output()
            .unwrap()
    }

    /// Exports, which must end with `code`, and gives what was said on standard error.
    #[track_caller]
    fn ends(&self, code: i32, format: &str, out: &str, more: &[&str]) -> String {
        let output = self.export(format, out, more);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{err}");
        assert!(!err.contains("panicked"), "{err}");
        // Nothing half-written stays behind.
        for entry in fs::read_dir(self.home.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with('.'), "{name}");
        }
        err
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(path)).unwrap()).unwrap()
    }

    /// The one chunk of a plane.
    fn chunk(&self, array: &str, t: u32, c: u32) -> Option<Vec<u8>> {
        let stored = fs::read(self.path(array).join(format!("c/{t}/{c}/0/0/0"))).ok()?;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*stored)
            .read_to_end(&mut bytes)
            .unwrap();
        Some(bytes)
    }
}

fn channels() -> [ChannelInfo; 2] {
    ["SRS", "TPEF"].map(|name| ChannelInfo::counts(ChannelName::from(name), 14))
}

fn counts(frame: u64, channel: u64) -> Vec<u16> {
    let samples = u64::from(WIDTH * HEIGHT);
    (0..samples)
        .map(|index| (100 * frame + 1000 * channel + index) as u16)
        .collect()
}

/// A square of 3 × 3 pixels at `at`.
fn label(seq: u64, frame: u64, cell: u32, at: [u32; 2], label: Label) -> LabelLine {
    let [x, y] = at;
    let around = [
        [0, 0],
        [0, 1],
        [0, 2],
        [1, 2],
        [2, 2],
        [2, 1],
        [2, 0],
        [1, 0],
    ];
    LabelLine {
        seq,
        t_acq_ns: None,
        label: LabelMessage {
            frame,
            field: 0,
            cell,
            source: (frame == 2).then(|| FrameSource {
                file: "a, \"b\".tif".to_owned(),
                size: 1,
                modified_ns: 2,
                index: 3,
                maybe_repeated: false,
            }),
            bbox: [x, y, 3, 3],
            centroid_um: at.map(|at| f64::from(at + 1) * 0.25),
            area_um2: 9.0 * 0.25 * 0.25,
            outline: around.iter().map(|[dx, dy]| [x + dx, y + dy]).collect(),
            p: [0.9, 0.1],
            p_raw: [0.8, 0.2],
            members: vec![[0.7, 0.3], [0.6, 0.4]],
            spread: 0.05,
            entropy: 0.4,
            mutual_information: 0.01,
            ood: (cell == 0).then_some(0.5),
            set: [true, false],
            label,
            abstain: label == Label::Uncertain,
            flags: CellFlags {
                touches_border: cell == 1,
                saturated: cell == 1,
                ..CellFlags::default()
            },
            engine: "tract 1.2.3 f32".to_owned(),
            latency_ns: BTreeMap::from([("total".to_owned(), 12)]),
            t_acq_ns: None,
        },
        maps: Vec::new(),
        maps_shed: false,
    }
}

#[test]
fn a_frame_is_read_as_it_was_written() {
    let fixture = Fixture::new();
    let read = read_ome_frame(&fixture.recording().join(frame_file(2))).unwrap();
    assert_eq!((read.width, read.height), (WIDTH, HEIGHT));
    let want = [
        (ChannelName::srs(), counts(2, 0)),
        (ChannelName::tpef(), counts(2, 1)),
    ];
    assert_eq!(read.channels, want);
}

#[test]
fn csv_has_a_row_a_cell_and_frame() {
    let fixture = Fixture::new();
    fixture.ends(0, "csv", "cells.csv", &[]);
    let text = fs::read_to_string(fixture.path("cells.csv")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[0],
        "run,frame,field,cell,seq,bbox_x_px,bbox_y_px,bbox_width_px,bbox_height_px,centroid_x_um,centroid_y_um,\
         area_um2,p_senescent,p_raw,p_alpha,p_beta,spread,entropy,mutual_information,ood,label,abstain,flags,model,\
         config,engine,latency_acquire_ns,latency_segment_ns,latency_infer_ns,latency_combine_ns,latency_total_ns,image,\
         source_file,source_index"
    );
    let (run, model, config) = (RunId::from_bits(7), "m".repeat(64), "c".repeat(64));
    assert_eq!(
        lines[2],
        format!(
            "{run},0,0,1,2,20,10,3,3,5.25,2.75,0.5625,0.1,0.2,0.3,0.4,0.05,0.4,0.01,,uncertain,true,\
             touches_border;saturated,{model},{config},tract 1.2.3 f32,,,,,12,frame-00000000.ome.tif,,"
        )
    );
    assert!(
        lines[3].ends_with(",12,,,"),
        "a frame without an image: {}",
        lines[3]
    );
    assert!(
        lines[3].contains(",c1,"),
        "settings were changed: {}",
        lines[3]
    );
    assert!(
        lines[4].ends_with("frame-00000002.ome.tif,\"a, \"\"b\"\".tif\",3"),
        "{}",
        lines[4]
    );
}

#[test]
fn parquet_has_the_same_rows_and_one_frame_can_be_chosen() {
    let fixture = Fixture::new();
    fixture.ends(0, "parquet", "cells.parquet", &[]);
    fixture.ends(0, "parquet", "one.parquet", &["--frame", "2"]);
    for (name, rows) in [("cells.parquet", 4), ("one.parquet", 1)] {
        let file = fs::File::open(fixture.path(name)).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let about = reader.metadata().file_metadata();
        assert_eq!(
            (about.num_rows(), about.schema_descr().num_columns()),
            (rows, 34)
        );
    }
    let said = fixture.ends(66, "parquet", "none.parquet", &["--frame", "3"]);
    assert!(said.contains("no frame 3"), "{said}");
}

#[test]
fn geojson_goes_along_the_edges_of_the_pixels() {
    let fixture = Fixture::new();
    fixture.ends(0, "geojson", "cells", &[]);
    fixture.ends(0, "geojson", "one.geojson", &["--frame", "0"]);
    assert_eq!(fs::read_dir(fixture.path("cells")).unwrap().count(), 3);
    let frame = fixture.json("cells/frame-00000000.geojson");
    assert_eq!(frame, fixture.json("one.geojson"));
    assert_eq!(frame["senescope"]["image"], "frame-00000000.ome.tif");
    let cell = &frame["features"][0];
    let square = json!([[[2, 3], [5, 3], [5, 6], [2, 6], [2, 3]]]);
    assert_eq!(
        cell["geometry"],
        json!({"type": "Polygon", "coordinates": square})
    );
    let properties = &cell["properties"];
    assert_eq!(properties["objectType"], "cell");
    let class = json!({"name": "Senescent", "color": [255, 140, 0]});
    assert_eq!(properties["classification"], class);
    assert_eq!(properties["measurements"]["p_senescent"], 0.1);
    assert!(
        frame["features"][1]["properties"]["measurements"]
            .get("ood")
            .is_none()
    );
    // A frame that was not kept has its cells all the same.
    let frame = fixture.json("cells/frame-00000001.geojson");
    assert_eq!(frame["senescope"]["image"], Value::Null);
    assert_eq!(frame["features"].as_array().unwrap().len(), 1);
}

#[test]
fn ome_zarr_has_the_frames_that_were_kept() {
    let fixture = Fixture::new();
    let said = fixture.export("ome-zarr", "run.ome.zarr", &[]);
    assert_eq!(said.status.code(), Some(0));
    assert!(
        String::from_utf8(said.stdout)
            .unwrap()
            .contains("1 frame(s) have no image")
    );
    let image = fixture.json("run.ome.zarr/zarr.json");
    let frames = image["attributes"]["senescope"]["frames"]
        .as_array()
        .unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(
        (&frames[1]["frame"], &frames[1]["device_time_s"]),
        (&json!(2), &json!(1.0))
    );
    assert_eq!(frames[1]["missing"][0]["first_row"], 7);
    assert_eq!(
        fixture.json("run.ome.zarr/0/zarr.json")["shape"],
        json!([2, 2, 1, HEIGHT, WIDTH])
    );
    for (t, frame) in [(0, 0), (1, 2)] {
        for c in [0, 1] {
            let want: Vec<u8> = counts(frame, c)
                .into_iter()
                .flat_map(u16::to_le_bytes)
                .collect();
            assert_eq!(fixture.chunk("run.ome.zarr/0", t, c as u32).unwrap(), want);
        }
    }
    let classes = fixture
        .chunk("run.ome.zarr/labels/classes/0", 0, 0)
        .unwrap();
    let cells = fixture.chunk("run.ome.zarr/labels/cells/0", 0, 0).unwrap();
    for (at, number) in [([2, 3], 1), ([4, 5], 1), ([21, 11], 2), ([5, 5], 0)] {
        let at = (at[1] * WIDTH + at[0]) as usize;
        assert_eq!(cells[4 * at..4 * at + 4], u32::to_le_bytes(number));
        assert_eq!(classes[at], [0, 1, 3][number as usize]);
    }
}

#[test]
fn what_is_there_is_replaced_only_when_asked_and_only_when_an_export_wrote_it() {
    let fixture = Fixture::new();
    for (format, out) in [
        ("csv", "cells.csv"),
        ("geojson", "cells"),
        ("ome-zarr", "run.zarr"),
    ] {
        fixture.ends(0, format, out, &[]);
        assert!(fixture.ends(64, format, out, &[]).contains("--force"));
        fixture.ends(0, format, out, &["--force"]);
    }
    fs::create_dir(fixture.path("mine")).unwrap();
    fixture.ends(0, "ome-zarr", "mine", &[]);
    fs::create_dir(fixture.path("thesis")).unwrap();
    fs::write(fixture.path("thesis/chapter.txt"), "").unwrap();
    for format in ["csv", "geojson", "ome-zarr"] {
        fixture.ends(64, format, "thesis", &["--force"]);
        fixture.ends(64, format, "recording", &["--force"]);
        fixture.ends(64, format, "recording/run.json", &["--force"]);
        fixture.ends(64, format, "recording/new/out", &["--force"]);
    }
    assert!(
        fixture.path("thesis/chapter.txt").is_file() && !fixture.path("recording/new").exists()
    );
}

#[test]
fn damage_is_told_and_the_rest_is_exported() {
    let fixture = Fixture::new();
    let labels = fixture.recording().join("labels.ndjson");
    let whole = fs::read_to_string(&labels).unwrap();
    // One line is changed, and the last one is cut.
    let damaged = whole.replacen("\"cell\":1", "\"cell\":9", 1);
    fs::write(&labels, &damaged[..damaged.len() - 40]).unwrap();
    for (format, out) in [
        ("csv", "cells.csv"),
        ("geojson", "cells"),
        ("ome-zarr", "run.zarr"),
    ] {
        let said = fixture.ends(0, format, out, &[]);
        assert!(
            said.contains("line 2 of labels.ndjson") && said.contains("line 4"),
            "{said}"
        );
    }
    assert_eq!(
        fs::read_to_string(fixture.path("cells.csv"))
            .unwrap()
            .lines()
            .count(),
        3
    );
    let said = fixture.ends(65, "csv", "strict.csv", &["--strict"]);
    assert!(
        said.contains("2 line(s)") && !fixture.path("strict.csv").exists(),
        "{said}"
    );

    // Whole lines that are gone are told by their number.
    let cut = whole.split_inclusive('\n').take(3).collect::<String>();
    fs::write(&labels, cut).unwrap();
    let said = fixture.ends(0, "csv", "fewer.csv", &[]);
    assert!(said.contains("tells of 4 label(s)"), "{said}");

    fs::write(&labels, "nothing\n").unwrap();
    let said = fixture.ends(65, "csv", "none.csv", &[]);
    assert!(
        said.contains("nothing was written") && !fixture.path("none.csv").exists(),
        "{said}"
    );
    // The images are there all the same.
    fixture.ends(0, "ome-zarr", "images.zarr", &[]);

    fs::remove_file(&labels).unwrap();
    fixture.ends(66, "csv", "none.csv", &[]);
}

#[test]
fn frames_that_are_not_as_they_were_recorded_are_left_out() {
    let fixture = Fixture::new();
    let file = fixture.recording().join(frame_file(0));
    let mut bytes = fs::read(&file).unwrap();
    bytes[200] ^= 1;
    fs::write(&file, bytes).unwrap();
    let said = fixture.ends(0, "ome-zarr", "one.zarr", &[]);
    assert!(said.contains("its digest differs"), "{said}");
    assert_eq!(fixture.json("one.zarr/0/zarr.json")["shape"][0], 1);
    fs::remove_file(fixture.recording().join(frame_file(2))).unwrap();
    fixture.ends(65, "ome-zarr", "none.zarr", &[]);
    // Tables do not need them.
    fixture.ends(0, "csv", "cells.csv", &[]);
}

#[test]
fn a_recording_that_was_not_closed_is_told() {
    let fixture = Fixture::new();
    fixture.write_run(RecordingState::Incomplete);
    assert!(
        fixture
            .ends(0, "csv", "cells.csv", &[])
            .contains("was killed")
    );
    fs::remove_file(fixture.recording().join("run.json")).unwrap();
    assert!(
        fixture
            .ends(66, "csv", "other.csv", &[])
            .contains("run.json")
    );
    fs::write(fixture.recording().join("run.json"), "{}").unwrap();
    fixture.ends(65, "csv", "other.csv", &[]);
}

#[test]
fn outlines_that_leave_the_frame_are_left_out() {
    let fixture = Fixture::new();
    let labels = [
        label(1, 0, 0, [WIDTH - 1, 3], Label::Senescent),
        label(2, 0, 1, [2, 2], Label::Senescent),
    ];
    fixture.write("labels.ndjson", &labels);
    let said = fixture.ends(0, "geojson", "cells", &[]);
    assert!(
        said.contains("frame 0, cell 0: its outline leaves the frame"),
        "{said}"
    );
    assert_eq!(
        fixture.json("cells/frame-00000000.geojson")["features"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
