//! What an inference library must do for us, and in which form of the graph.
//!
//! An [`Engine`] is one loaded network, shared by all threads; a [`Plan`] is its state in one thread. A
//! plan runs single-threaded. The embedded library's runs one tile at a time, at a fixed shape: its results cannot
//! depend on what else is in flight. Of others they may, within the tolerance of the golden vectors.

use std::fmt;

use ndarray::{Array2, Array3, ArrayView3};
use serde::{Deserialize, Serialize};

use super::EngineError;

/// The answer of one network to one tile.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberOutput {
    /// One for each class, in the manifest's order.
    pub logits: [f32; 2],
    /// The last map of the backbone, shape features × rows × columns; `None` when the network does not
    /// give it.
    pub features: Option<Array3<f32>>,
    /// Derivative of each logit by each feature's mean, divided by rows × columns; shape classes ×
    /// features. `None` when the network does not give it.
    pub cam_weights: Option<Array2<f32>>,
}

/// A loaded network. Shared by threads; cheap to make plans from.
pub trait Engine: Send + Sync {
    /// A state for one thread.
    ///
    /// # Errors
    /// When the library cannot make one.
    fn plan(&self) -> Result<Box<dyn Plan>, EngineError>;

    /// Features, rows and columns of the last map; `None` when the network does not give it.
    fn features(&self) -> Option<[usize; 3]>;

    /// So many tiles it computes in less time together than one by one; 1 when that makes no difference.
    fn batch(&self) -> usize {
        1
    }
}

/// A network's state in one thread.
pub trait Plan: Send {
    /// Classifies one tile of channels × rows × columns.
    ///
    /// # Errors
    /// When the tile has another shape or a value that is not finite, or the library fails. The plan can
    /// be used again.
    fn run(&mut self, tile: ArrayView3<'_, f32>) -> Result<MemberOutput, EngineError>;

    /// Classifies several tiles, in their order.
    ///
    /// # Errors
    /// When [`run`](Self::run) would give one for any of them.
    fn run_all(&mut self, tiles: &[ArrayView3<'_, f32>]) -> Result<Vec<MemberOutput>, EngineError> {
        tiles.iter().map(|tile| self.run(*tile)).collect()
    }
}

/// The form in which the library computes a network. The forms differ in speed and may differ in the last
/// bits of their results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// As the file says.
    Plain,
    /// Convolutions with the channels last.
    Nhwc,
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Nhwc => "nhwc",
        })
    }
}

/// What a network is expected to take and to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Channels of a tile.
    pub channels: usize,
    /// Rows and columns of a tile.
    pub pixels: usize,
    /// `features` and `cam_weights` are expected.
    pub cam: bool,
}

impl NetworkSpec {
    /// Shape of a tile.
    pub fn tile(&self) -> [usize; 3] {
        [self.channels, self.pixels, self.pixels]
    }
}
