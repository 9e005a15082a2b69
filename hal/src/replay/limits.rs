//! What a file may claim before memory is taken for it.

/// Longest edge of an image in samples: twice what galvanometer and resonant scanners write.
pub(crate) const MAX_EDGE: u32 = 32_768;
/// Most samples of one page: a mosaic of 16 384 × 16 384.
pub(crate) const MAX_PLANE_SAMPLES: u64 = 1 << 28;
/// Most bytes of one page when it is decompressed: that many samples of 32 bits, which a workstation holds.
pub(crate) const MAX_PLANE_BYTES: u64 = 1 << 30;
/// Most strips or tiles of a page: strips of one row of the tallest page with the most samples.
pub(crate) const MAX_CHUNKS: u64 = 1 << 20;
/// Most samples a pixel, and most channels: as many as a strip's channel mask has bits.
pub(crate) const MAX_SAMPLES: u32 = 32;
/// Most pages of a file: a week of frames at one and a half a second.
pub(crate) const MAX_PAGES: usize = 1_000_000;
/// Most tags of a page: real files have fewer than a hundred.
pub(crate) const MAX_TAGS: u64 = 4_096;
/// Longest text tag (OME-XML, ImageJ description, JSON of a page) in bytes.
pub(crate) const MAX_TEXT_BYTES: u64 = 16 << 20;
/// Most nodes of an OME-XML document. A node takes about 64 bytes, and a plane needs two or three.
pub(crate) const MAX_XML_NODES: u32 = 3_000_000;
/// Most files of one source.
pub(crate) const MAX_FILES: usize = 100_000;
/// Largest count of bytes that one byte of a compressed chunk can become: deflate reaches 1032,
/// LZW with 12-bit codes 2731, and `PackBits` 64.
pub(crate) const MAX_EXPANSION: u64 = 2_731;
