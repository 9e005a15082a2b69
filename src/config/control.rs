//! When runs begin, and when the program ends.

use serde::{Deserialize, Serialize};

/// When runs begin and the program ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// A run begins with the program; without it the first one waits for `start`.
    pub autostart: bool,
    /// The program stays when a run ends by itself or cannot begin, and waits for `start`.
    pub stay: bool,
    /// When a stage has work and makes no progress for this long, in seconds, the program gives up.
    pub watchdog_s: u64,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            autostart: true,
            stay: false,
            watchdog_s: 120,
        }
    }
}
