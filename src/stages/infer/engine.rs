//! The inference libraries, one file each, behind [`Engine`] and [`Plan`](super::Plan).
//!
//! tract is built in: it is the reference, and what is found when nothing else is. ONNX Runtime and OpenVINO are
//! faster; they are shared libraries that are loaded when they are asked for, so that the program needs neither to be
//! built nor to run. Whichever computes a network, its file is screened first by the same rules
//! ([`tract::Network`]), and it has to reproduce the golden vectors.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Engine, NetworkSpec, Transform};
use crate::{
    domain::{EngineId, Precision},
    sentence::printable,
};

mod arrays;
mod onnxruntime;
mod openvino;
pub(crate) mod tract;

pub(super) use onnxruntime::OnnxRuntime;
pub use onnxruntime::Provider;
pub(super) use openvino::OpenVino;

/// Most characters of a sentence: operators and names are repeated in it, and the library's can be of any length.
const REASON: usize = 500;
/// Largest library that is loaded, in bytes.
const LIBRARY_LIMIT: u64 = 2 << 30;

pub(super) const LOGITS: &str = "logits";
pub(super) const FEATURES: &str = "features";
pub(super) const CAM_WEIGHTS: &str = "cam_weights";

/// Which inference library is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// The fastest of those that are present and reproduce the golden vectors, measured at the start.
    Auto,
    /// The one that is built in.
    #[default]
    Tract,
    /// ONNX Runtime, a shared library.
    OnnxRuntime,
    /// OpenVINO, a shared library.
    OpenVino,
}

impl EngineKind {
    /// The name that the configuration has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tract => "tract",
            Self::OnnxRuntime => "onnxruntime",
            Self::OpenVino => "openvino",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives the bytes of a member's file once more, as long as it is the same; else a sentence.
pub(super) type ReadAgain = Box<dyn Fn() -> Result<Vec<u8>, String> + Send + Sync>;

/// A shared library that computes networks, loaded.
pub(super) trait Library {
    /// What it is.
    fn id(&self) -> EngineId;

    /// Builds the network of an ONNX file that was screened as `network`; the file can be read again.
    ///
    /// # Errors
    /// A sentence (without the file's name) when the library cannot.
    fn build(
        &self,
        bytes: &[u8],
        read: ReadAgain,
        network: &tract::Network,
    ) -> Result<Box<dyn Engine>, String>;
}

/// Reads an ONNX file as each member's of an ensemble is read, and builds it in the form `transform` of the library
/// that is built in.
///
/// # Errors
/// A sentence (without the file's name) when it is not ONNX, has operators that are not allowed, takes or gives
/// something else than `spec` says, or cannot be built.
pub fn read_network(
    bytes: &[u8],
    spec: NetworkSpec,
    transform: Transform,
) -> Result<Box<dyn Engine>, String> {
    Ok(Box::new(
        tract::Network::read(bytes, spec)?.build(transform)?,
    ))
}

/// Runs what may panic inside a library, and may say whatever is in the file.
fn told<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    contained(work)
        .flatten()
        .map_err(|reason| printable(&reason, REASON))
}

/// Runs what may panic inside a library.
fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| "made the inference library stop with a defect of its own".to_owned())
}

/// Refuses a file that does not even contain the name of a function that the library must have: what loads libraries
/// says less clearly what is wrong.
fn contains(library: &Path, function: &str) -> Result<(), String> {
    let unreadable =
        |error: std::io::Error| format!("{} cannot be read ({error})", library.display());
    let length = library.metadata().map_err(unreadable)?.len();
    if length > LIBRARY_LIMIT {
        return Err(format!("{} is too large for a library", library.display()));
    }
    let bytes = std::fs::read(library).map_err(unreadable)?;
    let found = bytes
        .windows(function.len())
        .any(|window| window == function.as_bytes());
    match found {
        true => Ok(()),
        false => Err(format!(
            "{} is another file: it has no function {function}",
            library.display()
        )),
    }
}

/// The version in the name of a library's file, for those that do not say it: `libx.so.1.2.3` → `1.2.3`. A name
/// without one may be a link to one that has it.
fn version_of(library: &Path) -> Option<String> {
    let whole: PathBuf = library.canonicalize().ok()?;
    let name = whole.file_name()?.to_str()?;
    let (_, version) = name.split_once(".so.")?;
    Some(version.to_owned())
}
