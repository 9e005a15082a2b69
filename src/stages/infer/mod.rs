//! The ensemble: its folder, its networks and what they say of a tile.
//!
//! [`Ensemble::load`] reads a folder once; its manifest names every file with its digest. [`Ensemble::worker`]
//! gives each thread its own state of every network. What is said of a cell from the members' outputs is
//! the business of [`combine`](super::combine) and [`explain`](super::explain).
//!
//! Not done here: threads, queues, which tiles are computed together (that is the pipeline's, see [`Ensemble::batch`]),
//! training (but [`Member::with_head`] puts a trained head onto a member's file).

mod check;
mod engine;
mod ensemble;
mod error;
mod file;
mod golden;
mod head;
mod manifest;
mod npz;
mod ood;
mod plan;
mod select;
pub(crate) mod statistics;
#[cfg(test)]
pub(crate) mod testing;
mod validate;

pub use check::{CheckReport, MemberReport, check};
pub(crate) use engine::tract::graft::stored;
pub use engine::{
    EngineKind, Provider, read_network,
    tract::choose::{Timing, TransformChoice},
};
pub use ensemble::{Ensemble, Member, Worker};
pub use error::{EngineError, EnsembleError};
pub use golden::{
    Deviation, GoldenDeviation, Reproduction, TOLERANCE, TOLERANCE_BF16, check_golden,
};
pub use head::{DenseHead, pool};
pub use manifest::{
    Conformal, ConformalLimits, FileEntry, MANIFEST_LIMIT, Manifest, MemberEntry, Normalisation,
    OodEntry, PROLIFERATING, Rule, SENESCENT, TileSpec, Training,
};
pub use plan::{Engine, MemberOutput, NetworkSpec, Plan, Transform};
pub use select::{EngineOptions, OnnxRuntimeOptions, OpenVinoOptions, Outcome, Trial};
pub use statistics::{Statistics, describe};
