//! Every backend runs the conformance suite.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on must say where"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use senescope_hal::{
    Board, Capabilities, HalError, HostInstant, Identity, Interrupter, ReadEvent, RunId,
    RunSummary, ScanActual, ScanRequest, StripBuffer,
    conformance::{Backend, Outcome, Unplug, run},
    folder::{FolderBoard, FolderConfig},
    sim::{Fault, FaultKind, SimBoard, SimConfig, Speed},
};

/// The simulated microscope at a pace.
struct Sim(Speed);

impl Sim {
    fn config(&self, faults: Vec<Fault>) -> SimConfig {
        SimConfig {
            speed: self.0,
            faults,
            ..SimConfig::default()
        }
    }
}

fn small() -> ScanRequest {
    ScanRequest {
        width: Some(32),
        height: Some(24),
        dwell_ns: Some(1_000),
        strip_rows: Some(5),
        frames: Some(3),
        ..ScanRequest::default()
    }
}

fn at(kind: FaultKind, row: u32, rows: u64) -> Fault {
    Fault {
        kind,
        frame: 0,
        row,
        rows: Some(rows),
    }
}

impl Backend for Sim {
    fn open(&self) -> Result<Box<dyn Board>, HalError> {
        let faults = vec![at(FaultKind::DroppedLines, 12, 7)];
        Ok(Box::new(SimBoard::new(self.config(faults))))
    }

    fn request(&self) -> ScanRequest {
        small()
    }

    fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str> {
        let stalled = at(FaultKind::Stalled { ms: 60_000 }, 0, 1);
        let board = SimBoard::new(self.config(vec![stalled]));
        Ok((Box::new(board), small()))
    }

    fn unplug(&self) -> Result<Unplug, &'static str> {
        let gone = at(FaultKind::Disconnect, 20, 1);
        Ok(Unplug {
            board: Box::new(SimBoard::new(self.config(vec![gone]))),
            request: small(),
            // The fault is a part of the scan.
            pull: Box::new(|| {}),
        })
    }
}

fn check(backend: &dyn Backend) {
    let report = run(backend);
    println!("{report}");
    assert!(report.failures().is_empty(), "{:#?}", report.failures());
    let passed = |(_, outcome): &&(&str, Outcome)| *outcome == Outcome::Passed;
    assert!(report.cases.iter().filter(passed).count() >= 6);
}

#[test]
fn sim_at_real_speed() {
    check(&Sim(Speed::Real(1.0)));
}

#[test]
fn sim_as_fast_as_possible() {
    check(&Sim(Speed::AsFastAsPossible));
}

/// A folder of one file of four frames, watched.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(recording(), folder.path().join("cells.ome.tif")).unwrap();
        Self(folder)
    }

    fn board(folder: &Path) -> Result<FolderBoard, HalError> {
        FolderBoard::new(FolderConfig {
            wanted: ["SRS", "TPEF", "TRANS"].map(Into::into).into(),
            settle: Duration::from_millis(20),
            poll: Duration::from_millis(20),
            ..FolderConfig::new(folder)
        })
    }
}

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ome-tczyx.ome.tif")
}

impl Backend for Folder {
    fn open(&self) -> Result<Box<dyn Board>, HalError> {
        Ok(Box::new(Self::board(self.0.path())?))
    }

    fn request(&self) -> ScanRequest {
        ScanRequest {
            strip_rows: Some(5),
            frames: Some(3),
            ..ScanRequest::default()
        }
    }

    fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str> {
        let folder = Self::new();
        let Ok(board) = Self::board(folder.0.path()) else {
            return Err("the folder is not watched");
        };
        Ok((Box::new(Emptied(board, folder)), self.request()))
    }

    fn unplug(&self) -> Result<Unplug, &'static str> {
        let folder = Self::new();
        let Ok(board) = Self::board(folder.0.path()) else {
            return Err("the folder is not watched");
        };
        let request = ScanRequest {
            frames: None,
            ..self.request()
        };
        Ok(Unplug {
            board: Box::new(board),
            request,
            pull: Box::new(move || folder.0.close().unwrap()),
        })
    }
}

/// A watched folder whose only file goes away as soon as the scan is set up.
struct Emptied(FolderBoard, Folder);

impl Board for Emptied {
    fn identity(&self) -> Identity {
        self.0.identity()
    }
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    fn configure(&mut self, want: &ScanRequest) -> Result<ScanActual, HalError> {
        let actual = self.0.configure(want);
        fs::remove_file(self.1.0.path().join("cells.ome.tif")).unwrap();
        actual
    }
    fn arm(&mut self) -> Result<RunId, HalError> {
        self.0.arm()
    }
    fn start(&mut self) -> Result<(), HalError> {
        self.0.start()
    }
    fn stop(&mut self) -> Result<(), HalError> {
        self.0.stop()
    }
    fn disarm(&mut self) -> Result<RunSummary, HalError> {
        self.0.disarm()
    }
    fn read(&mut self, buffer: StripBuffer, deadline: HostInstant) -> Result<ReadEvent, HalError> {
        self.0.read(buffer, deadline)
    }
    fn interrupter(&self) -> Box<dyn Interrupter> {
        self.0.interrupter()
    }
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.0.counters()
    }
}

#[test]
fn watched_folder() {
    let report = run(&Folder::new());
    println!("{report}");
    assert!(report.failures().is_empty(), "{:#?}", report.failures());
    let passed = |(_, outcome): &&(&str, Outcome)| *outcome == Outcome::Passed;
    assert_eq!(
        report.cases.iter().filter(passed).count(),
        report.cases.len()
    );
}

/// A board that is unplugged in the middle of every run must be caught.
#[test]
fn the_suite_can_fail() {
    struct Liar;
    impl Backend for Liar {
        fn open(&self) -> Result<Box<dyn Board>, HalError> {
            let gone = at(FaultKind::Disconnect, 20, 1);
            let config = Sim(Speed::AsFastAsPossible).config(vec![gone]);
            Ok(Box::new(SimBoard::new(config)))
        }
        fn request(&self) -> ScanRequest {
            small()
        }
        fn slow(&self) -> Result<(Box<dyn Board>, ScanRequest), &'static str> {
            Err("it only lies")
        }
        fn unplug(&self) -> Result<Unplug, &'static str> {
            Err("it only lies")
        }
    }
    let report = run(&Liar);
    assert!(report.failures().len() >= 4, "{report}");
    assert!(
        report
            .cases
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Skipped(_)))
    );
}
