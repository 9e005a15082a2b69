//! Where results go, and what goes there.

use std::sync::Arc;

use senescope_hal::{FrameSource, ScanActual};

use crate::{
    config::Effective,
    domain::{Cell, Heatmap, Stamps, TileWindow, Verdict},
    recording::Skipped,
    stages::assemble::{FrameBuffer, FrameRow},
};

/// A cell with what was said about it.
#[derive(Clone, Debug)]
pub struct Classified {
    /// Number of its label in the stream; 0 before it was published.
    pub label_seq: u64,
    /// The cell.
    pub cell: Arc<Cell>,
    /// Where its tile was cut.
    pub window: TileWindow,
    /// The ensemble's verdict.
    pub verdict: Verdict,
    /// The maps of the decided class: the ensemble's first, then what was asked for beside it. Empty when the
    /// ensemble cannot explain.
    pub maps: Vec<Heatmap>,
    /// There was no time for its maps.
    pub maps_shed: bool,
    /// What computed the networks.
    pub engine: Arc<str>,
    /// When it happened.
    pub stamps: Stamps,
    /// The settings in force for its frame.
    pub settings: Arc<Effective>,
    /// The file that its frame was read from; `None` when the board does not keep account of files.
    pub source: Option<Arc<FrameSource>>,
}

/// A frame of which nothing more will come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameEnd {
    /// Index in the run.
    pub frame: u64,
    /// Field of view.
    pub field: u32,
    /// Cells that were found.
    pub cells: u32,
    /// Those of them that have no label, and why.
    pub skipped: Vec<Skipped>,
    /// Rows that are missing.
    pub missing_rows: u32,
    /// The settings that were in force for it.
    pub settings: Arc<Effective>,
    /// The file that it was read from; `None` when the board does not keep account of files.
    pub source: Option<Arc<FrameSource>>,
}

/// A sink could not take a result, as a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// Looks on while rows come, on the thread of the analysis.
pub trait Viewer: Sync {
    /// A row of a frame has been analysed. Must return at once: the next rows wait.
    fn row(&self, scan: &ScanActual, row: FrameRow<'_>);
}

/// Takes results in the order in which cells were decided, on the emitter's thread.
pub trait Sink: Send {
    /// One cell.
    ///
    /// # Errors
    /// When the result cannot be handed on; the run is then drained and ends as errored.
    fn cell(&mut self, classified: &Classified) -> Result<(), SinkError>;

    /// All cells of a frame have been given. `image` is there when a sink [wants](Sink::wants_images) it.
    ///
    /// # Errors
    /// As for [`Sink::cell`].
    fn frame(&mut self, end: &FrameEnd, image: Option<&FrameBuffer>) -> Result<(), SinkError> {
        let _ = (end, image);
        Ok(())
    }

    /// Whether [`Sink::frame`] needs the counts of the frame. They cost a copy of each frame.
    fn wants_images(&self) -> bool {
        false
    }
}
