//! What is said about a cell.

use serde::{Deserialize, Serialize};

/// The label of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Label {
    /// Therapy-induced senescent.
    Senescent,
    /// Proliferating.
    Proliferating,
    /// Both classes are possible at the stated coverage.
    Uncertain,
    /// Neither class is possible, or the tile is unlike the training set.
    Atypical,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 4] = [
        Self::Senescent,
        Self::Proliferating,
        Self::Uncertain,
        Self::Atypical,
    ];

    /// The name that is published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Senescent => "senescent",
            Self::Proliferating => "proliferating",
            Self::Uncertain => "uncertain",
            Self::Atypical => "atypical",
        }
    }
}

/// The probability of one member of the ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberVerdict {
    /// The member's name in the manifest.
    pub name: String,
    /// Its probability of `senescent`, before calibration, in [0, 1].
    pub p_senescent: f32,
}

/// The ensemble's verdict on one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Calibrated probability of `senescent`, in [0, 1].
    pub p_senescent: f32,
    /// Mean of the members' probabilities, before calibration, in [0, 1].
    pub p_raw: f32,
    /// Each member.
    pub members: Vec<MemberVerdict>,
    /// Standard deviation of the members' probabilities; 0 for one member.
    pub spread: f32,
    /// Entropy of the calibrated probability in bits, in [0, 1].
    pub entropy: f32,
    /// What the members' disagreement adds to the entropy of their mean, in bits, in [0, 1]: the mutual
    /// information of class and member (Houlsby et al., arXiv:1112.5745 (2011)), before calibration.
    pub mutual_information: f32,
    /// Distance from the training set in units of its acceptance limit (above 1 is outside); `None`
    /// when the manifest has no reference to compare with.
    pub ood: Option<f32>,
    /// Which classes are possible at the coverage that the manifest states: proliferating, senescent.
    pub set: [bool; 2],
    /// The label.
    pub label: Label,
    /// The label names no class.
    pub abstain: bool,
}
