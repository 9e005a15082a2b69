//! What an emulated board is.

use crate::{
    sim::{Dish, Speed},
    wire::{LinkForm, LinkKind},
};

/// An emulated board.
#[derive(Clone, Debug, PartialEq)]
pub struct EmulatorConfig {
    /// The dish on its stage.
    pub dish: Dish,
    /// Number of different fields that are rendered; frame *n* of a run shows field *n* modulo this. At least 1.
    pub fields: u64,
    /// Pace: live at a multiple of the real scan, or as fast as the host fetches.
    pub speed: Speed,
    /// Strips that stay fetchable, at least 1.
    pub ring_strips: u32,
    /// What it says that its link carries.
    pub link: LinkForm,
    /// Error of its clock in parts a million.
    pub clock_error_ppm: f64,
    /// Serial number.
    pub serial: String,
    /// Number of the first boot; each reset adds one.
    pub boot: u64,
    /// Seed of a schedule of faults; without it only those come that are asked for.
    pub fault_seed: Option<u64>,
}

impl EmulatorConfig {
    /// A healthy board on USB in real time, with the dish of `seed`.
    pub fn of_seed(seed: u64) -> Self {
        Self {
            dish: Dish::from_seed(seed),
            fields: 4,
            speed: Speed::Real(1.0),
            ring_strips: 256,
            link: LinkForm {
                kind: LinkKind::Usb,
                bytes_per_s: 400_000_000,
            },
            clock_error_ppm: 0.0,
            serial: format!("emulator-{seed}"),
            boot: 1,
            fault_seed: None,
        }
    }
}
