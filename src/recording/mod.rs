//! A recording: the folder that an acquisition leaves, and everything that reads it.
//!
//! | file | what is in it |
//! |---|---|
//! | `run.json` | [`RunFile`]: the run's start and end message, the effective settings, how the recording ended |
//! | `frame-00000000.ome.tif` | one OME-TIFF a frame: counts as acquired, before every correction; odd rows turned round |
//! | `maps-00000000.tif` | when asked for: the maps of its cells, a page a map: float32, told by a [`MapPage`] |
//! | `frames.ndjson` | [`FrameLine`]: one line a frame, in order, also of frames without a file |
//! | `marks.ndjson` | [`MarkLine`]: what somebody says of labels that are wrong; of several lines on a cell the last counts |
//! | `labels.ndjson` | [`LabelLine`]: one line a label, in the order in which they were published |
//!
//! Each line ends with the CRC-32 of what is before it (see [`mod@line`]); it is JSON all the same. A frame's line is
//! written when its file and its labels are on the disk, so that whatever a line tells of is there.
//!
//! Files that begin with a dot belong to the recorder.

mod compare;
mod format;
mod inspect;
pub mod line;
mod maps;
mod marks;
mod name;
mod reader;
mod recover;
mod since;
mod verify;
mod write;

pub use compare::{differences, setting_differences};
pub use format::{
    Context, FORMAT, FrameLine, FrameSettings, LabelLine, MapDigest, MapPage, MissingRows, NotKept,
    RecordingEnd, RecordingFailure, RecordingState, RunFile, Skipped,
};
pub use inspect::{Inspection, inspect};
pub(crate) use inspect::{judge, judge_maps};
pub(crate) use maps::write_maps;
pub use maps::{MapsError, read_maps};
pub use marks::{MARKS_FILE, MarkLine, Marked, MarkedClass, mark, read_marks};
pub(crate) use name::LOCK_FILE;
pub use name::{FRAMES_FILE, LABELS_FILE, RUN_FILE, frame_file, maps_file, run_folder};
pub use reader::{Damage, Lines, Recording, RecordingError};
pub use recover::{Recovered, recover};
pub use since::labels_since;
pub use verify::{Verdict, Verifier};
pub(crate) use write::{sync_folder, write_run};
