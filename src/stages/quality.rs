//! What is wrong with the image of a cell, before a network sees it.
//!
//! Judged on the tile's image statistics, which do not depend on gain or laser power. The
//! thresholds lie in the gap between good and spoilt tiles of simulated dishes.
//!
//! Not done here: SRS and TPEF exchanged, and a cell out of focus, look like another cell, not like a fault;
//! only the comparison with the training set notices them.

use senescope_hal::ChannelName;
use serde::{Deserialize, Serialize};

use crate::{domain::CellFlags, stages::infer::Statistics};

/// Thresholds of the image quality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityConfig {
    /// SRS and TPEF of a cell rise and fall together; below this correlation one of them is lost.
    pub least_coupling: f64,
    /// Transmission does not follow SRS or TPEF; above this correlation channels are exchanged.
    pub most_exchange: f64,
    /// A frame is warned of when this part of its cells has the same fault.
    pub warn_part: f64,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self {
            least_coupling: 0.2,
            most_exchange: 0.25,
            warn_part: 0.5,
        }
    }
}

/// Sets the flags of the faults that a tile with these statistics shows; `channels` are its planes. A rule
/// whose channels the tile does not have says nothing.
pub(crate) fn judge(
    config: &QualityConfig,
    statistics: &Statistics,
    channels: &[ChannelName],
    flags: &mut CellFlags,
) {
    let plane = |name: ChannelName| channels.iter().position(|channel| *channel == name);
    let (srs, tpef) = (plane(ChannelName::srs()), plane(ChannelName::tpef()));
    let trans = plane(ChannelName::trans());
    if let Some(trans) = trans {
        flags.channels_exchanged = [srs, tpef]
            .into_iter()
            .flatten()
            .any(|other| statistics.correlation(trans, other) > config.most_exchange);
    }
    if let (Some(srs), Some(tpef), false) = (srs, tpef, flags.channels_exchanged) {
        flags.channel_lost = statistics.correlation(srs, tpef) < config.least_coupling;
    }
}
