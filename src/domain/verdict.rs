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
    /// The probability lies in the abstain band.
    Uncertain,
}

impl Label {
    /// The name that is published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Senescent => "senescent",
            Self::Proliferating => "proliferating",
            Self::Uncertain => "uncertain",
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
    /// Distance from the training set in units of its acceptance limit (above 1 is outside); `None`
    /// when the manifest has no reference to compare with.
    pub ood: Option<f32>,
    /// The label.
    pub label: Label,
    /// The label is `Uncertain` because the probability lies in the abstain band.
    pub abstain: bool,
}
