//! Channels have names, never positions.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of a channel, for example `SRS`, `TPEF` or `TRANS`. Compared exactly, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Stimulated Raman scattering, 2850 cm⁻¹: the CH₂ stretch of lipids.
    pub fn srs() -> Self {
        Self::from("SRS")
    }

    /// Two-photon excited fluorescence of NADH and FAD.
    pub fn tpef() -> Self {
        Self::from("TPEF")
    }

    /// Optical transmission.
    pub fn trans() -> Self {
        Self::from("TRANS")
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChannelName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of one channel of a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// The name by which models and subscribers refer to it.
    pub name: ChannelName,
    /// True bit depth of the samples, 1 to 16. A sample of `2^bit_depth - 1` counts as saturated.
    pub bit_depth: u8,
    /// Counts that the detector gives without light; `None` when it was not measured.
    pub dark_counts: Option<f64>,
    /// Emission, or pump wavelength for SRS, in nanometres; `None` when unknown.
    pub wavelength_nm: Option<f64>,
    /// What one count stands for when the source was not an integer image:
    /// `value = scale * counts + offset`. `(1, 0)` for counts as acquired.
    pub scale: f64,
    /// See [`ChannelInfo::scale`].
    pub offset: f64,
}

impl ChannelInfo {
    /// A channel of plain counts about which nothing else is known.
    pub fn counts(name: ChannelName, bit_depth: u8) -> Self {
        Self {
            name,
            bit_depth,
            dark_counts: None,
            wavelength_nm: None,
            scale: 1.0,
            offset: 0.0,
        }
    }

    /// The sample value at which the digitiser saturates.
    pub fn saturation(&self) -> u16 {
        u16::try_from((1_u32 << self.bit_depth.min(16)) - 1).unwrap_or(u16::MAX)
    }
}
