//! The verdict on one cell.

use std::collections::BTreeMap;

use senescope_hal::{FrameSource, HostInstant};
use serde::{Deserialize, Serialize};

use crate::domain::{Cell, CellFlags, Label, Verdict};

/// Names of the classes in the order of `p`, `p_raw` and the rows of `members`.
pub const CLASSES: [&str; 2] = ["proliferating", "senescent"];

/// The verdict on one cell. Positions are full-resolution pixels, origin top left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelMessage {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Number of the cell in its frame.
    pub cell: u32,
    /// The file that the frame was read from: the key by which a repeated frame is known. Null when the board does
    /// not keep account of files.
    pub source: Option<FrameSource>,
    /// x, y, width, height in pixels.
    pub bbox: [u32; 4],
    /// Centre of mass, x and y, in µm from the centre of the frame's top left pixel.
    pub centroid_um: [f64; 2],
    /// Area in µm².
    pub area_um2: f64,
    /// Boundary pixels, x and y, closed implicitly.
    pub outline: Vec<[u32; 2]>,
    /// Calibrated probability of each class.
    pub p: [f32; 2],
    /// Mean of the members' probabilities of each class, before calibration.
    pub p_raw: [f32; 2],
    /// Probability of each class by each member: one row a member.
    pub members: Vec<[f32; 2]>,
    /// Standard deviation of the members' probabilities.
    pub spread: f32,
    /// Entropy of the calibrated probability in bits.
    pub entropy: f32,
    /// Mutual information of class and member in bits: what their disagreement adds to the entropy.
    pub mutual_information: f32,
    /// Distance from the training set in units of its limit (above 1 is outside); null when there is no
    /// reference.
    pub ood: Option<f32>,
    /// Which classes are possible at the coverage that the ensemble states, in the order of [`CLASSES`].
    pub set: [bool; 2],
    /// The label.
    pub label: Label,
    /// The label names no class.
    pub abstain: bool,
    /// What is unusual.
    pub flags: CellFlags,
    /// What computed the networks: library, version and arithmetic, for example `onnxruntime 1.31.0 f32`.
    #[serde(default)]
    pub engine: String,
    /// Nanoseconds spent in each stage.
    pub latency_ns: BTreeMap<String, u64>,
    /// Becomes the header's `t_acq_ns`.
    #[serde(skip)]
    pub t_acq_ns: Option<HostInstant>,
}

impl LabelMessage {
    /// The message about `cell` of a frame that came from no file, by an engine without a name. `acquired` is when the row that decided it reached this host.
    pub fn new(
        cell: &Cell,
        verdict: &Verdict,
        pixel_size_um: f64,
        acquired: Option<HostInstant>,
        latency_ns: BTreeMap<String, u64>,
    ) -> Self {
        Self {
            frame: cell.frame,
            field: cell.field,
            cell: cell.id,
            source: None,
            bbox: [cell.bbox.x, cell.bbox.y, cell.bbox.width, cell.bbox.height],
            centroid_um: cell.centroid_px.map(|pixels| pixels * pixel_size_um),
            area_um2: f64::from(cell.area_px) * pixel_size_um * pixel_size_um,
            outline: cell.outline.to_vec(),
            p: both(verdict.p_senescent),
            p_raw: both(verdict.p_raw),
            members: verdict
                .members
                .iter()
                .map(|member| both(member.p_senescent))
                .collect(),
            spread: verdict.spread,
            entropy: verdict.entropy,
            mutual_information: verdict.mutual_information,
            ood: verdict.ood,
            set: verdict.set,
            label: verdict.label,
            abstain: verdict.abstain,
            flags: cell.flags,
            engine: String::new(),
            latency_ns,
            t_acq_ns: acquired,
        }
    }

    /// Calibrated probability of `senescent`.
    pub fn p_senescent(&self) -> f32 {
        self.p[1]
    }
}

/// Probabilities in the order of [`CLASSES`].
fn both(p_senescent: f32) -> [f32; 2] {
    [1.0 - p_senescent, p_senescent]
}
