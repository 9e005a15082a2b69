//! The watched folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use senescope_hal::{
    Board, Capabilities, HalError, HostInstant, Identity, Interrupter, ReadEvent, RunId,
    RunSummary, ScanActual, ScanRequest, StripBuffer,
    conformance::{Backend, Unplug},
    folder::{FolderBoard, FolderConfig},
};

use crate::check;

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
fn folder() {
    check(&Folder::new());
}
