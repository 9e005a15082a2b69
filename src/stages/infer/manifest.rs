//! `manifest.json`: what an ensemble is and how its tiles are made. Its bytes identify the ensemble.
//!
//! Every key is written out; an unknown key is an error, because a key that is silently ignored is a
//! setting that somebody believes in. Lengths are in µm. [`Manifest::parse`] reads and validates.

use std::path::Path;

use senescope_hal::ChannelName;
use serde::{Deserialize, Serialize};

use super::{EnsembleError, file::read_bounded};
use crate::sentence::printable;

/// Largest manifest that is read, in bytes.
pub const MANIFEST_LIMIT: u64 = 1 << 20;
/// Most characters of what the parser says: it repeats what it was given.
const REASON: usize = 300;
/// The class whose probability is reported.
pub const SENESCENT: &str = "senescent";
/// The other class.
pub const PROLIFERATING: &str = "proliferating";

/// An ensemble, as its folder describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form: 1.
    pub format: u32,
    /// Name of the ensemble.
    pub name: String,
    /// Version of the ensemble.
    pub version: String,
    /// Names of the classes in the order of the logits.
    pub classes: Vec<String>,
    /// Channels in the order of a tile's planes.
    pub channels: Vec<ChannelName>,
    /// What a tile is.
    pub tile: TileSpec,
    /// How each channel is normalised, in the order of `channels`.
    pub normalisation: Vec<Normalisation>,
    /// The calibrated log-odds are those of the mean probability divided by this.
    pub temperature: f64,
    /// Which classes are possible at which probability.
    pub conformal: Conformal,
    /// The networks.
    pub members: Vec<MemberEntry>,
    /// Vectors that the networks must reproduce.
    pub golden: FileEntry,
    /// Reference of the training set; `null` when there is none.
    pub ood: Option<OodEntry>,
    /// Where the ensemble comes from.
    pub training: Training,
}

/// The geometry of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TileSpec {
    /// Edge of the square in µm, 5 to 500.
    pub size_um: f64,
    /// Pixels along an edge, 32 to 512.
    pub pixels: usize,
    /// How far beyond the cell's mask the image is kept whole, in µm, 0 to 10.
    pub margin_um: f64,
    /// Over what distance beyond the margin it fades to the background, in µm, 0 to 10.
    pub taper_um: f64,
}

/// How one channel is normalised. Both rules give 0 for the cell's local background and are clipped to
/// [−1, 1] after resampling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// The channel.
    pub channel: ChannelName,
    /// The rule.
    pub rule: Rule,
    /// What becomes 1, in the unit of the rule; above 0.
    pub span: f64,
}

/// A rule of normalisation, for counts x, local background b and dark counts d.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// (x − b) / (span · m), where m is the mean of x − b over the cell's mask, at least half of its
    /// standard deviation there and at least one count. Independent of gain and laser power.
    MeanInCell,
    /// ((x − d) / (b − d) − 1) / span: relative to the transmission beside the cell.
    Relative,
}

/// Class-conditional split conformal prediction (Sadinle et al., J. Am. Stat. Assoc. 114:223 (2019)): a class
/// is possible when its calibrated probability falls short of 1 by at most its limit. Of the cells of each
/// class, this part has the class among the possible ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformal {
    /// The part, above 0.5 and below 1.
    pub coverage: f64,
    /// Limits in [0, 1].
    pub limits: ConformalLimits,
}

/// Largest 1 − p at which a class is possible, where p is its calibrated probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConformalLimits {
    /// Of `proliferating`.
    pub proliferating: f64,
    /// Of `senescent`.
    pub senescent: f64,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberEntry {
    /// Name in messages and reports.
    pub name: String,
    /// The ONNX file in the ensemble's folder.
    pub file: String,
    /// Its digest.
    pub sha256: String,
    /// It has the outputs `features` and `cam_weights`; without them it is used for labels only.
    pub cam: bool,
}

/// A file of the ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Name in the ensemble's folder.
    pub file: String,
    /// Its digest.
    pub sha256: String,
}

/// The reference of the training set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OodEntry {
    /// Name in the ensemble's folder.
    pub file: String,
    /// Its digest.
    pub sha256: String,
    /// The distance above which a tile is unlike the training set; above 0.
    pub limit: f64,
}

/// Where an ensemble comes from. Told to subscribers; nothing is computed from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Version of the recipe.
    pub recipe: String,
    /// Its seed.
    pub seed: u64,
    /// The tiles came from the simulated microscope.
    pub simulated: bool,
    /// Digest of the tiles.
    pub tiles_sha256: String,
    /// Number of tiles.
    pub tiles: u64,
    /// Number of dishes.
    pub dishes: u64,
    /// Smallest and largest pixel in µm.
    pub pixel_size_um: [f64; 2],
}

impl Manifest {
    /// Reads the manifest of the ensemble in `folder`, and nothing else of it.
    ///
    /// # Errors
    /// When it is missing or not valid.
    pub fn read(folder: &Path) -> Result<Self, EnsembleError> {
        let path = folder.join("manifest.json");
        Self::parse(&read_bounded(&path, MANIFEST_LIMIT)?, &path)
    }

    /// Reads a manifest. `path` is for the error's sentence.
    ///
    /// # Errors
    /// When the bytes are too many, are not JSON of this form, or a value is out of its range.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, EnsembleError> {
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(EnsembleError::TooLarge {
                path: path.to_owned(),
                bytes: bytes.len() as u64,
                limit: MANIFEST_LIMIT,
            });
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| EnsembleError::Manifest {
                path: path.to_owned(),
                reason: printable(&error.to_string(), REASON),
            })?;
        super::validate::validate(&manifest).map_err(|(key, problem)| EnsembleError::Value {
            path: path.to_owned(),
            key,
            problem,
        })?;
        Ok(manifest)
    }

    /// Index of `senescent` among the classes.
    pub fn senescent(&self) -> usize {
        usize::from(self.classes.first().is_none_or(|name| name != SENESCENT))
    }
}
