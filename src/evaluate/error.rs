//! Why an ensemble was not judged, each as a sentence to the person who wants to know.

use std::path::PathBuf;

use thiserror::Error;

use crate::{stages::infer::EnsembleError, tiles_folder::TileFolderError};

/// Why there is no report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The tiles cannot be read.
    #[error(transparent)]
    Tiles(#[from] TileFolderError),
    /// The ensemble fails.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// The labels do not suffice.
    #[error("{}: {reason}", table.display())]
    Labels {
        /// The table with the labels.
        table: PathBuf,
        /// What is missing and what to do.
        reason: String,
    },
    /// No resample has cells of both classes.
    #[error(
        "no interval can be given: {tries} resamples of {dishes} dishes one after the other missed a class; add \
         dishes of the rarer class"
    )]
    Resampling {
        /// Resamples that were drawn.
        tries: u32,
        /// Dishes to draw from.
        dishes: usize,
    },
    /// The ensemble cannot say what is unlike its training set.
    #[error(
        "tiles unlike the training set were given, and the ensemble has no reference of its training set \
         (`ood` of its manifest is null): leave `--unlike` away"
    )]
    NoReference,
    /// A table of accuracies is not understood.
    #[error("{}: {reason}", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// A table of accuracies is not there.
    #[error("{} is missing: give the path of a CSV file", path.display())]
    NoTable {
        /// The path.
        path: PathBuf,
    },
    /// A thread ended without an answer.
    #[error("a defect: a tile has no answer")]
    Defect,
}
