//! The simulated microscope: a seeded dish of cells, scanned in three channels, with its truth.
//!
//! [`Dish::from_seed`] draws a dish and its [`Instrument`]; [`render`] scans one field of it and gives
//! the samples and the [`Truth`]; [`SimBoard`] delivers the same rows as a [`Board`](crate::Board). The
//! same seed gives the same bytes on every machine.
//!
//! It is good enough to develop on, and no more: signs of the effects of senescence are from the
//! literature, their magnitudes are design choices.

mod ahead;
mod board;
mod config;
mod detect;
mod dish;
mod faults;
mod instrument;
mod map;
mod oracle;
mod organelles;
mod paint;
mod phenotype;
mod plan;
mod random;
mod render;
mod run;
mod scan;
mod scene;
mod shape;
mod truth;

use ahead::Ahead;
pub use board::SimBoard;
pub use config::{SimConfig, Speed};
pub use dish::{CellLine, Dish};
pub use faults::{Fault, FaultKind};
pub use instrument::{Instrument, SrsDetector, TpefDetector, TransDetector};
pub use oracle::oracle_p_senescent;
pub use phenotype::{CellClass, HardCase, Phenotype};
pub use render::{RenderRequest, RenderedFrame, render};
pub use truth::{Truth, TruthCell, structure};

#[cfg(test)]
mod tests;
