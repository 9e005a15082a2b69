//! OME-TIFF as this program writes it, and OME-XML as it reads it.
//!
//! Source: OME-XML schema 2016-06 and the OME-TIFF specification. Images are 16 bits, one channel a page,
//! axes TCZYX, µm, origin top left.
//!
//! Not done: pyramids, regions of interest, plates.

mod read;
mod record;
mod write;
mod xml;

pub use read::{OmeFrame, read_ome_frame, read_u16_plane};
pub use record::FrameRecord;
pub use write::{OmeImage, write_label_tiff, write_ome_tiff};
pub(crate) use xml::{OmeChannel, OmeDocument, OmeImageInfo, OmeTiffData};
