//! The board that replays recordings: TIFF files of this program and of others.
//!
//! | written by | channels | frames | pixel size |
//! |---|---|---|---|
//! | OME-TIFF, in one file or several, with or without a companion | `Channel/@Name` | field, time, z | `PhysicalSizeX` and `Y` |
//! | `ImageJ`, `Fiji` | by number | time, z | unit and resolution |
//! | `ScanImage`, TIFF and BigTIFF | `channelSave`, `channelName` | frames, slices | `imagingFovUm` |
//! | Micro-Manager (NDTiff, image file stacks) | `Axes.channel` or `Channel` | position, time, z | `PixelSizeUm` |
//! | anything else | the samples of a pixel, by number | pages | not known |
//!
//! Every position on every axis but the channel is a frame: a z-stack is replayed plane by plane. TIFF and
//! BigTIFF, strips and tiles, both byte orders, chunky and planar; uncompressed, `PackBits`, LZW and
//! deflate, with predictors. Samples become counts by the rules of `plane`, recorded in
//! [`ChannelInfo::scale`](crate::ChannelInfo::scale) and `offset`.
//!
//! Nothing is guessed: a channel that no file names, and a pixel size that no file tells, are asked for.
//!
//! Memory: the directories of all files, and one frame and one chunk decoded. Limits are in `limits`.
//!
//! Rows whose samples cannot be decoded become a [`Gap`](crate::Gap) with cause
//! [`SourceIncomplete`](crate::GapCause::SourceIncomplete), except in the first frame, where they are an
//! error. Not done: JPEG, zstd and WebP compression, palettes, pyramids.

mod board;
mod codec;
pub(crate) mod cut;
mod directory;
pub(crate) mod file;
mod files;
mod frame;
mod imagej;
pub(crate) mod limits;
mod mapping;
mod micro_manager;
mod ome_stack;
pub(crate) mod page;
pub(crate) mod plane;
mod request;
mod scan_image;
pub(crate) mod set;
pub(crate) mod setup;
pub(crate) mod source;
mod stack;
mod whole;

pub use board::{ReplayBoard, ReplaySpeed};
pub use request::{ChannelMap, ReplayRequest};
pub use source::ReplaySource;
