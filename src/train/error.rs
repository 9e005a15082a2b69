//! Why no ensemble was trained, each as a sentence to the person who labelled the cells.

use std::path::PathBuf;

use thiserror::Error;

use crate::{stages::infer::EnsembleError, tiles_folder::TileFolderError};

/// Why no ensemble was trained.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The ensemble whose backbones are used, or the one that was made of it.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// The tiles cannot be read.
    #[error(transparent)]
    Tiles(#[from] TileFolderError),
    /// The tiles cannot be learned from honestly: too few, or on both sides of every split.
    #[error("{}: {reason}", folder.display())]
    Unfit {
        /// The folder of tiles.
        folder: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// What was asked for is not allowed or too large.
    #[error("{0}")]
    Setting(String),
    /// The folder for the result cannot be written.
    #[error("{} cannot be written: {reason}", path.display())]
    Output {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The arithmetic broke down.
    #[error("training broke down: {0}; report this with the tiles' training.json")]
    Arithmetic(String),
}
