//! What can be wrong with an ensemble folder, each as a sentence to the person who installed it.

use std::path::PathBuf;

use thiserror::Error;

use super::EngineKind;

/// Why an ensemble was not loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnsembleError {
    /// The folder or a file of it is not there.
    #[error(
        "{} is missing: point `ensemble.dir` at a folder with a manifest.json and the files that it names",
        path.display()
    )]
    Missing {
        /// The missing file.
        path: PathBuf,
    },
    /// `engine.fail_every` asked for it.
    #[error("this cell fails because `engine.fail_every` asks for it")]
    Asked,
    /// The operating system could not read a file.
    #[error("{} cannot be read ({source}): check its permissions and the disk", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is larger than is ever needed.
    #[error(
        "{} has {bytes} bytes and the limit is {limit}: it is not a file of an ensemble",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// The manifest is not JSON of the documented form.
    #[error("{} is not a manifest of format 1: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A value of the manifest is out of its range.
    #[error("{}: `{key}` {problem}", path.display())]
    Value {
        /// The manifest.
        path: PathBuf,
        /// The offending key.
        key: String,
        /// What is wrong with it and what is allowed.
        problem: String,
    },
    /// A file is not the one that the manifest means.
    #[error(
        "{} has the sha256 {found}, the manifest says {expected}: the file was changed or the copy is \
         incomplete; copy the ensemble again",
        path.display()
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// What the manifest says, in hexadecimal.
        expected: String,
        /// What the file has, in hexadecimal.
        found: String,
    },
    /// A member's network cannot be used.
    #[error("{}: {reason}", path.display())]
    Member {
        /// The ONNX file.
        path: PathBuf,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// An array that belongs to the ensemble is missing or has another form.
    #[error("{}: {reason}; make the ensemble again with its recipe", path.display())]
    Array {
        /// The `.npz` file.
        path: PathBuf,
        /// Which array and what is wrong with it.
        reason: String,
    },
    /// A member does not compute what it computed when the ensemble was made.
    #[error(
        "member {member} does not reproduce its golden vectors: {quantity} of tile {tile} differs by \
         {deviation:.2e} and {tolerance:.0e} is allowed; do not use it on this machine, run \
         `senescope ensemble check` and report its output"
    )]
    Golden {
        /// The member.
        member: String,
        /// Index of the golden tile.
        tile: usize,
        /// What differs.
        quantity: &'static str,
        /// By how much.
        deviation: f64,
        /// What is allowed.
        tolerance: f64,
    },
    /// The inference library that is configured cannot be used.
    #[error(
        "the engine {engine} cannot be used: {reason}. `engine.kind = \"auto\"` takes what there is, and \"tract\" \
         is built in"
    )]
    Engine {
        /// The library.
        engine: EngineKind,
        /// What is wrong with it.
        reason: String,
    },
    /// A member was asked for that the ensemble does not have.
    #[error("the ensemble has no member at index {member}")]
    NoMember {
        /// The index that was asked for.
        member: usize,
    },
    /// A member gave no result for a tile.
    #[error("member {member} gave no result for a tile: {source}")]
    Run {
        /// The member.
        member: String,
        /// What it said.
        source: EngineError,
    },
}

/// Why a network gave no result for a tile.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The tile has another shape than the network was loaded for.
    #[error("the tile has shape {found:?}, the network takes {expected:?}")]
    Shape {
        /// Channels, rows and columns of the tile.
        found: [usize; 3],
        /// What the network takes.
        expected: [usize; 3],
    },
    /// The tile or the network's answer is not finite.
    #[error("{what} has a value that is not finite")]
    NotFinite {
        /// Which array.
        what: &'static str,
    },
    /// The inference library failed.
    #[error("the inference library failed: {0}")]
    Library(String),
}
