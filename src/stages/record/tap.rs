//! Where the frames are taken: at the analysis, as they were acquired.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crossbeam_channel::{RecvTimeoutError, Sender, TrySendError};
use ndarray::Array2;
use senescope_hal::Pacing;

use super::{
    rooms::{Room, Taking},
    state::State,
};
use crate::{
    recording::{FrameLine, LabelLine, MapPage, MissingRows, RecordingFailure},
    stages::assemble::FrameBuffer,
    telemetry::Discard,
};

/// How often somebody who waits for the disk looks whether the recording has failed.
const LOOK_SPAN: Duration = Duration::from_millis(100);

/// A map of a cell: what it is, and its samples, rows × columns.
pub(super) type CellMap = (MapPage, Array2<f32>);

/// A frame on its way to the disk.
#[derive(Debug)]
pub(super) struct RawFrame {
    pub(super) image: FrameBuffer,
    pub(super) missing: Vec<MissingRows>,
}

/// What is told to the writer.
#[derive(Debug)]
pub(super) enum Entry {
    /// All rows of a frame have come or are missing.
    Frame(RawFrame),
    /// A cell has its label, and its maps when they are wanted.
    Label(Box<LabelLine>, Vec<CellMap>),
    /// All cells of a frame are decided: its line, but for what the writer knows.
    End(Box<FrameLine>),
}

/// The way to the writer: what a live board gives must find room at once, or the recording has failed.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) state: Arc<State>,
    pub(super) entries: Sender<Entry>,
    pub(super) pacing: Pacing,
}

impl Way {
    /// Says whether the entry is on its way; if not, the recording has failed.
    pub(super) fn give(&self, entry: Entry) -> bool {
        if self.state.failure().is_some() {
            return false;
        }
        let gone = match self.pacing {
            Pacing::Pulled => self.entries.send(entry).is_err(),
            Pacing::Live => match self.entries.try_send(entry) {
                Ok(()) => false,
                Err(TrySendError::Disconnected(_)) => true,
                Err(TrySendError::Full(_)) => {
                    self.too_slow();
                    return false;
                }
            },
        };
        if gone {
            self.gone();
        } else {
            self.state.given.fetch_add(1, Ordering::Relaxed);
        }
        !gone
    }

    fn too_slow(&self) {
        let detail = "the disk takes less than the microscope gives; record to a faster disk, or scan more slowly";
        self.state
            .fail(RecordingFailure::DiskTooSlow, detail.to_owned());
    }

    fn gone(&self) {
        let detail = "the part of this program that writes has failed; the log says where";
        self.state.fail(RecordingFailure::Defect, detail.to_owned());
    }
}

/// Takes frames. Each is copied once, into memory that is used again.
#[derive(Debug)]
pub struct FrameTap {
    pub(super) way: Way,
    pub(super) rooms: Taking,
}

impl FrameTap {
    /// Takes `frame`, of which nothing more will come. `missing` tells of its missing rows, in order. A source that
    /// is pulled waits here for the disk.
    pub fn frame(&self, frame: &FrameBuffer, missing: Vec<MissingRows>) {
        let state = &self.way.state;
        state.frames.enter(1);
        let given = self.room().is_some_and(|room| {
            let image = match room {
                Some(mut image) => {
                    image.copy_from(frame);
                    image
                }
                None => frame.clone(),
            };
            self.way.give(Entry::Frame(RawFrame { image, missing }))
        });
        if !given {
            state.discard_frame(Discard::RecordingEnded);
        }
    }

    fn room(&self) -> Option<Room> {
        loop {
            if self.way.state.failure().is_some() {
                return None;
            }
            let waited = match self.way.pacing {
                Pacing::Live => self.rooms.now().map_err(|error| error.is_empty()),
                Pacing::Pulled => self
                    .rooms
                    .within(LOOK_SPAN)
                    .map_err(|error| error == RecvTimeoutError::Timeout),
            };
            match (waited, self.way.pacing) {
                (Ok(room), _) => return Some(room),
                (Err(true), Pacing::Pulled) => {}
                (Err(true), Pacing::Live) => self.way.too_slow(),
                (Err(false), _) => self.way.gone(),
            }
        }
    }
}
