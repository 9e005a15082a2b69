//! The board that watches a directory into which the microscope's own software writes TIFF files.
//!
//! Files are those that [`replay`](crate::replay) reads. A *unit* is what is read as one: a file, the files of an
//! OME-TIFF set, or one file for each channel. Every frame of every unit is given; frames are numbered on across
//! units. Among the units that are ready, the one that was changed first is given first, then by name.
//!
//! # When a file is taken
//!
//! When its size and time of change have stayed for [`FolderConfig::settle`], and then every plane that it tells
//! of is in it, its first and last frames can be decoded, and it did not change meanwhile. Rename into place, slow
//! writing and shares that give no events all work. What does not get complete is tried ever more rarely, reported
//! once after [`FolderConfig::give_up`], and tried again when it changes. Files are never changed, moved or
//! deleted; names that begin with `.` or end in `.tmp` or `.part` are never opened, nor are the simulator's masks
//! (`truth-*`).
//!
//! What cannot be seen: a file whose whole size was set at once and whose samples are still zeros, written without
//! compression behind a complete list of pages. Copy such files under a name that ends in `.part` and rename them.
//!
//! # At least once
//!
//! A unit is written down in the journal as done when its last frame was
//! [acknowledged](crate::Board::acknowledge); how far a unit was used is written down at each acknowledgement. What
//! was not acknowledged is given again in the next run, in this process or, after a crash, in the next one. So no
//! frame is ever missed, and those that were on their way may come twice. Each strip tells its
//! [`FrameSource`](crate::FrameSource): file, size, time of change and index are the key by which a consumer knows a
//! frame that it has seen, and `maybe_repeated` says when to look. A file that takes the name of another is a new file, when its
//! size or time of change differ.
//!
//! # Geometry
//!
//! That of the first complete unit at [`configure`](crate::Board::configure); when the request has a width or
//! height, of the first that has them. Units that differ later are refused: logged, counted, and written down, so
//! that the next start leaves them out too; a start with another configuration looks at them again. Samples of
//! floating point or 32 bits become counts by the range of the first unit; brighter ones saturate.
//!
//! Device ticks are nanoseconds of scanning: as the writer noted them, or else a nominal time, without the pauses
//! between files. Pacing is [`Pulled`](crate::Pacing::Pulled).
//!
//! Memory: names and stamps (see `limits`), and one decoded frame. One thread drives the board; another, of the
//! `notify` library, waits for events. Not done: directories inside the directory; the jump of frame numbers from
//! one file to the next.

mod board;
mod config;
mod entry;
mod events;
mod expect;
mod intake;
mod journal;
mod ledger;
mod limits;
mod listing;
mod names;
mod run;
mod shelf;
mod unit;

pub use board::FolderBoard;
pub use config::FolderConfig;
