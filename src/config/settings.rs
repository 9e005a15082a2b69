//! The settings and their built-in values.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use senescope_hal::{
    folder::FolderConfig,
    serial::{FlowControl, Trigger},
    sim::Fault,
};
use serde::{Deserialize, Serialize};

use super::{Control, Http};
use crate::{
    domain::Precision,
    stages::{
        infer::{EngineKind, EngineOptions, OnnxRuntimeOptions, OpenVinoOptions, TransformChoice},
        quality::QualityConfig,
        record::Record,
        segment::SegmentConfig,
    },
};

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the rows come from.
    pub board: Board,
    /// What is asked of the board.
    pub scan: Scan,
    /// The simulated microscope, for `board.backend = "sim"`.
    pub sim: Sim,
    /// A board on a link, for `board.backend = "serial"`.
    pub serial: Serial,
    /// A watched folder, for `board.backend = "folder"`.
    pub folder: Folder,
    /// Frames that other programs push, for `board.backend = "ingest"`.
    pub ingest: Ingest,
    /// How cells are found.
    pub segment: SegmentConfig,
    /// When an image is warned of.
    pub quality: QualityConfig,
    /// Which ensemble classifies.
    pub ensemble: EnsembleSettings,
    /// How the networks run.
    pub engine: Engine,
    /// Where results are published.
    pub publish: Publish,
    /// When runs begin and the program ends.
    pub control: Control,
    /// The live page and the HTTP interface.
    pub http: Http,
    /// The recording of runs.
    pub record: Record,
    /// Memory that queues may take.
    pub limits: Limits,
}

/// A backend of the board abstraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The simulated microscope.
    #[default]
    Sim,
    /// Recordings and TIFF files.
    Replay,
    /// A board that speaks the strip protocol, on a serial port or TCP.
    Serial,
    /// A directory into which other software writes TIFF files.
    Folder,
    /// Frames that other programs push.
    Ingest,
}

/// Where the rows come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Board {
    /// The backend.
    pub backend: Backend,
    /// File or folder of the `replay` backend.
    pub path: Option<PathBuf>,
    /// Which file or page is which channel, as `--channel` has it: name → `FILE[#PAGE]` or `#PAGE`. For the `folder`
    /// backend a file is a pattern, for example `*_srs.tif`.
    pub channels: BTreeMap<String, String>,
    /// Edge of a pixel in µm, for files that do not say; it outweighs those that do.
    pub pixel_size_um: Option<f64>,
}

/// What is asked of the board. The board says what was achieved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scan {
    /// Samples in a row.
    pub width: u32,
    /// Rows in a frame.
    pub height: u32,
    /// Edge of a pixel in µm.
    pub pixel_size_um: f64,
    /// Time a pixel in ns.
    pub dwell_ns: u64,
    /// Scan in both directions.
    pub bidirectional: bool,
    /// Rows that the board sends at once.
    pub strip_rows: u32,
    /// The run ends by itself after this many frames; without it, it goes on.
    pub frames: Option<u64>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            width: 512,
            height: 512,
            pixel_size_um: 0.2,
            dwell_ns: 20_000,
            bidirectional: true,
            strip_rows: 4,
            frames: None,
        }
    }
}

/// The pace of a source that could go faster than a microscope.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimSpeed {
    /// As fast as the pipeline takes the rows; nothing is ever lost.
    Max,
    /// This many times the real scan; rows that are not taken in time are lost, and told.
    #[serde(untagged)]
    Times(f64),
}

/// The simulated microscope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sim {
    /// The dish: cell line, treatment, instrument and every cell follow from it.
    pub seed: u64,
    /// `"max"`, or a factor of the real scan.
    pub speed: SimSpeed,
    /// What fails, and when: to see what the daemon and its users make of it.
    pub faults: Vec<Fault>,
}

impl Default for Sim {
    fn default() -> Self {
        Self {
            seed: 7,
            speed: SimSpeed::Times(1.0),
            faults: Vec::new(),
        }
    }
}

/// A board on a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Serial {
    /// Serial port, or `tcp://HOST:PORT`.
    pub port: Option<String>,
    /// Bits a second of a UART.
    pub baud: u32,
    /// How a UART keeps its peer from sending too much.
    pub flow: FlowControl,
    /// What begins a scan.
    pub trigger: Trigger,
    /// How long a link that is gone is tried again, in seconds.
    pub reopen_s: f64,
}

impl Default for Serial {
    fn default() -> Self {
        Self {
            port: None,
            baud: 115_200,
            flow: FlowControl::None,
            trigger: Trigger::Immediate,
            reopen_s: 10.0,
        }
    }
}

/// A watched folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Folder {
    /// The directory.
    pub directory: Option<PathBuf>,
    /// Names of the files that are taken, unless every channel has a file of its own.
    pub patterns: Vec<String>,
    /// A file is looked at when it has not changed for this long, in seconds.
    pub settle_s: f64,
    /// Time between two looks at the directory, in seconds, whatever events come.
    pub poll_s: f64,
    /// A file that does not become whole is reported after this long, in seconds.
    pub give_up_s: f64,
    /// How long the first file is waited for, in seconds; for ever when it is not given.
    pub first_file_s: Option<f64>,
    /// Where it is written down which files were used; `.senescope-journal` in the directory when it is not given.
    pub journal: Option<PathBuf>,
}

impl Default for Folder {
    fn default() -> Self {
        let of_the_board = FolderConfig::new("");
        Self {
            directory: None,
            patterns: of_the_board.patterns,
            settle_s: of_the_board.settle.as_secs_f64(),
            poll_s: of_the_board.poll.as_secs_f64(),
            give_up_s: of_the_board.give_up.as_secs_f64(),
            first_file_s: of_the_board.first_file.map(|span| span.as_secs_f64()),
            journal: None,
        }
    }
}

/// Frames that other programs push. Their size is that of the table `scan`, their channels those of the ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ingest {
    /// TCP address at which records are taken.
    pub tcp: SocketAddr,
    /// ZeroMQ ROUTER socket at which they are taken too; without it there is none.
    pub zeromq: Option<String>,
    /// True bit depth of the samples.
    pub bit_depth: u8,
    /// A frame of which nothing came for this long is given up, in seconds.
    pub frame_timeout_s: f64,
    /// Frames that may be open at once.
    pub frames_ahead: u32,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            tcp: SocketAddr::from((Ipv4Addr::LOCALHOST, 5559)),
            zeromq: None,
            bit_depth: 16,
            frame_timeout_s: 10.0,
            frames_ahead: 4,
        }
    }
}

/// Which ensemble classifies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnsembleSettings {
    /// Folder with `manifest.json` and the networks.
    pub dir: PathBuf,
}

impl Default for EnsembleSettings {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("models/ensemble"),
        }
    }
}

/// How the networks run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Worker threads; 0 takes one a core.
    pub threads: u32,
    /// The library that computes the networks.
    pub kind: EngineKind,
    /// Its arithmetic; only OpenVINO has a choice.
    pub precision: Precision,
    /// The form in which the embedded library computes networks.
    pub transform: TransformChoice,
    /// ONNX Runtime.
    pub onnxruntime: OnnxRuntimeOptions,
    /// OpenVINO.
    pub openvino: OpenVinoOptions,
    /// Of a live board: how long a cell may wait for the networks while cells of a later frame wait too, in seconds.
    /// From half of it on no maps are made; after it the waiting cells of its frame have no label.
    pub patience_s: f64,
    /// Each so many-th cell of a frame cannot be classified, to see what is made of it; 0 for none.
    pub fail_every: u32,
}

impl Default for Engine {
    fn default() -> Self {
        let EngineOptions {
            kind,
            precision,
            transform,
            onnxruntime,
            openvino,
            threads: _,
        } = EngineOptions::default();
        Self {
            threads: 0,
            kind,
            precision,
            transform,
            onnxruntime,
            openvino,
            patience_s: 5.0,
            fail_every: 0,
        }
    }
}

impl Engine {
    /// Worker threads.
    pub fn workers(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads as usize,
        }
    }

    /// How the networks of an ensemble are built.
    pub fn options(&self) -> EngineOptions {
        EngineOptions {
            kind: self.kind,
            precision: self.precision,
            transform: self.transform,
            onnxruntime: self.onnxruntime.clone(),
            openvino: self.openvino.clone(),
            threads: self.workers(),
        }
    }
}

/// Where results are published. Endpoints are ZeroMQ's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// PUB socket of runs, labels, statistics and heartbeats.
    pub labels: String,
    /// PUB socket of maps.
    pub maps: String,
    /// ROUTER socket of commands.
    pub control: String,
    /// With each cell's map also that of every member, and where they disagree.
    pub member_maps: bool,
    /// Backlog of labels that one slow subscriber may take, in MiB.
    pub labels_backlog_mib: u32,
    /// Backlog of maps that one slow subscriber may take, in MiB.
    pub maps_backlog_mib: u32,
    /// Who may connect; also to `ingest.zeromq`.
    pub security: Security,
}

/// Who may connect. Neither is given, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// The daemon's secret certificate.
    pub server_key: Option<PathBuf>,
    /// Folder of the clients' public certificates.
    pub clients: Option<PathBuf>,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            labels: "tcp://127.0.0.1:5556".to_owned(),
            maps: "tcp://127.0.0.1:5557".to_owned(),
            control: "tcp://127.0.0.1:5558".to_owned(),
            member_maps: false,
            labels_backlog_mib: 16,
            maps_backlog_mib: 64,
            security: Security::default(),
        }
    }
}

/// Memory that queues may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Strip buffers between the board and the pipeline, in MiB.
    pub strips_mib: u32,
    /// Tiles between the segmentation and their verdict, in MiB.
    pub tiles_mib: u32,
    /// Frames on their way to the disk, in MiB.
    pub record_mib: u32,
    /// Messages waiting for the sockets, in MiB.
    pub outbox_mib: u32,
    /// A frame of at most this size is kept until the next is there, in MiB: `ctl reprocess` says what is said of it
    /// with other settings.
    pub last_frame_mib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            strips_mib: 64,
            tiles_mib: 64,
            record_mib: 256,
            outbox_mib: 32,
            last_frame_mib: 64,
        }
    }
}
