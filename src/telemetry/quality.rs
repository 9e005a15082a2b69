//! What was unusual about the cells of a frame, told to people in words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The cells of one frame by what is unusual about them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameQuality {
    /// Index of the frame in the run.
    pub frame: u64,
    /// Cells that were classified.
    pub cells: u32,
    /// Rows that are missing.
    pub missing_rows: u32,
    /// Cells with each flag; flags that no cell has are left out.
    pub flags: BTreeMap<String, u32>,
}

/// The faults of an acquisition, and what they mean to the person at the microscope.
const FAULTS: [(&str, &str); 7] = [
    ("saturated", "are saturated: lower the gain or the power"),
    (
        "srs_lost",
        "have noise for SRS: check the overlap of the pulses in time and space, and the lock-in",
    ),
    (
        "tpef_lost",
        "have noise for TPEF: check the photomultiplier",
    ),
    (
        "trans_lost",
        "have noise for transmission: check the photodiode",
    ),
    (
        "empty",
        "have noise in all channels: check the shutters and whether there is a sample",
    ),
    (
        "channels_exchanged",
        "have transmission where SRS or TPEF should be: check cables and channel names",
    ),
    ("out_of_focus", "are out of focus: focus again"),
];

impl FrameQuality {
    /// One more classified cell with these flags.
    pub fn add(&mut self, flags: &[&str]) {
        self.cells += 1;
        for flag in flags {
            *self.flags.entry((*flag).to_owned()).or_default() += 1;
        }
    }

    /// A sentence for each fault that at least `part` of the cells have, and for an empty frame.
    pub fn warnings(&self, part: f64) -> Vec<String> {
        let frame = self.frame;
        if self.cells == 0 {
            return vec![format!("frame {frame}: no cell was classified")];
        }
        let share = |flag| self.flags.get(flag).copied().unwrap_or(0);
        FAULTS
            .into_iter()
            .filter(|(flag, _)| {
                let cells = share(*flag);
                cells > 0 && f64::from(cells) >= part * f64::from(self.cells)
            })
            .map(|(flag, what)| {
                format!(
                    "frame {frame}: {} of {} cells {what}",
                    share(flag),
                    self.cells
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_half_of_the_cells_is_warned_of() {
        let mut quality = FrameQuality::default();
        assert_eq!(quality.warnings(0.5).len(), 1);
        quality.add(&["saturated", "touches_border"]);
        quality.add(&["touches_border"]);
        assert_eq!(
            quality.warnings(0.5),
            ["frame 0: 1 of 2 cells are saturated: lower the gain or the power"]
        );
        quality.add(&[]);
        assert!(quality.warnings(0.5).is_empty());
        // Even with a part of 0, nothing is warned of that no cell has.
        assert_eq!(quality.warnings(0.0).len(), 1);
    }
}
