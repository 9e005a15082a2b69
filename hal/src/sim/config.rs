//! What a simulated board is asked to be.

use serde::{Deserialize, Serialize};

use super::{Dish, Fault};

/// How fast the rows come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// This many times the real line rate, at least 0.001; what is not taken in time is lost, as at a microscope.
    Real(f64),
    /// As fast as the reader takes them; nothing is ever lost.
    AsFastAsPossible,
}

/// A simulated board.
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// The dish on its stage.
    pub dish: Dish,
    /// Samples in a row unless the request says otherwise.
    pub width: u32,
    /// Rows in a frame unless the request says otherwise.
    pub height: u32,
    /// Edge of a pixel in µm unless the request says otherwise.
    pub pixel_size_um: f64,
    /// Time a pixel in nanoseconds unless the request says otherwise.
    pub dwell_ns: u64,
    /// Rows in a strip unless the request says otherwise.
    pub strip_rows: u32,
    /// Pace.
    pub speed: Speed,
    /// Faults that will occur.
    pub faults: Vec<Fault>,
}

/// A treated dish of middling density under a middling instrument.
const DEMONSTRATION: u64 = 7;

impl Default for SimConfig {
    /// 512 × 512 pixels of 0.2 µm at 20 µs: 5.2 s a frame and the turning of the lines.
    fn default() -> Self {
        Self::of_seed(DEMONSTRATION)
    }
}

impl SimConfig {
    /// The default scan of the dish of a seed.
    pub fn of_seed(seed: u64) -> Self {
        Self::of_dish(Dish::from_seed(seed))
    }

    /// The default scan of a dish.
    pub fn of_dish(dish: Dish) -> Self {
        Self {
            dish,
            width: 512,
            height: 512,
            pixel_size_um: 0.2,
            dwell_ns: 20_000,
            strip_rows: 8,
            speed: Speed::Real(1.0),
            faults: Vec::new(),
        }
    }
}
