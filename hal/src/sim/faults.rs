//! Faults that can be switched on, each for a stretch of rows.

use serde::{Deserialize, Serialize};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Pump and Stokes pulses no longer overlap: SRS is noise about its offset.
    LostOverlap,
    /// The photomultiplier protected itself: TPEF is its offset.
    PmtTrip,
    /// The photomultiplier is flooded: TPEF is at full scale.
    PmtSaturation,
    /// Something stands in the beam: all channels are dark.
    BlockedBeam,
    /// SRS and TPEF are plugged the wrong way round.
    SwappedChannels,
    /// The focus is this far off, in frames in whose first row the fault is there; the instrument's own error
    /// comes on top.
    Defocus {
        /// How far, in nanometres.
        nm: u32,
    },
    /// The gain of all detectors is this much of what it should be.
    Gain {
        /// In per cent.
        percent: u32,
    },
    /// A bit of the digitiser is stuck at one in all channels.
    StuckBit {
        /// The bit, 0 for the lowest.
        bit: u8,
    },
    /// The board loses rows and says so.
    DroppedLines,
    /// The board says nothing for a time, once, before the first of the rows; the scan goes on.
    Stalled {
        /// For how long.
        ms: u32,
    },
    /// The board is unplugged at the first of the rows.
    Disconnect,
}

/// A fault and when it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What fails.
    pub kind: FaultKind,
    /// Frame at which it begins.
    pub frame: u64,
    /// Row at which it begins.
    pub row: u32,
    /// For how many rows it lasts, over frames if need be; `None` to the end of the run.
    pub rows: Option<u64>,
}

impl Fault {
    /// Whether the fault is there at a row of a frame of `height` rows.
    pub(super) fn covers(&self, frame: u64, row: u32, height: u32) -> bool {
        let at = u128::from(frame) * u128::from(height) + u128::from(row);
        let from = self.first(height);
        at >= from && self.rows.is_none_or(|rows| at - from < u128::from(rows))
    }

    /// Position of its first row in the run.
    pub(super) fn first(&self, height: u32) -> u128 {
        u128::from(self.frame) * u128::from(height) + u128::from(self.row)
    }
}

/// What the detectors of one row suffer from.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowFaults {
    pub(super) lost_overlap: bool,
    pub(super) pmt_trip: bool,
    pub(super) pmt_saturation: bool,
    pub(super) blocked: bool,
    pub(super) swapped: bool,
    pub(super) stuck: u16,
    /// Gain against what it should be.
    pub(super) gain: f64,
    pub(super) defocus_um: f64,
}

impl Default for RowFaults {
    fn default() -> Self {
        Self {
            lost_overlap: false,
            pmt_trip: false,
            pmt_saturation: false,
            blocked: false,
            swapped: false,
            stuck: 0,
            gain: 1.0,
            defocus_um: 0.0,
        }
    }
}

impl RowFaults {
    pub(super) fn of(faults: &[Fault], frame: u64, row: u32, height: u32) -> Self {
        let mut of_row = Self::default();
        for fault in faults {
            if !fault.covers(frame, row, height) {
                continue;
            }
            match fault.kind {
                FaultKind::LostOverlap => of_row.lost_overlap = true,
                FaultKind::PmtTrip => of_row.pmt_trip = true,
                FaultKind::PmtSaturation => of_row.pmt_saturation = true,
                FaultKind::BlockedBeam => of_row.blocked = true,
                FaultKind::SwappedChannels => of_row.swapped = true,
                FaultKind::Defocus { nm } => of_row.defocus_um += f64::from(nm) * 1e-3,
                FaultKind::Gain { percent } => of_row.gain *= f64::from(percent) * 1e-2,
                FaultKind::StuckBit { bit } => {
                    of_row.stuck |= 1_u16.checked_shl(u32::from(bit)).unwrap_or(0);
                }
                FaultKind::DroppedLines | FaultKind::Stalled { .. } | FaultKind::Disconnect => {}
            }
        }
        of_row
    }
}
