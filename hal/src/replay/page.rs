//! What one page of a TIFF file is, before any of its samples is read.

use super::{
    codec,
    limits::{
        MAX_CHUNKS, MAX_EDGE, MAX_EXPANSION, MAX_PLANE_BYTES, MAX_PLANE_SAMPLES, MAX_SAMPLES,
    },
};

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SampleKind {
    /// Unsigned counts of 8 or 16 bits.
    Unsigned(u8),
    /// Signed counts of 8 or 16 bits.
    Signed(u8),
    /// Floating point, or integers of 32 bits: mapped to counts by a rule.
    Wide,
}

/// Geometry and storage of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Samples a pixel.
    pub(crate) samples: u16,
    pub(crate) bits: u16,
    /// 1 unsigned, 2 signed, 3 floating point (TIFF 6.0, section 19).
    pub(crate) format: u16,
    pub(crate) compression: u16,
    /// Each sample of the pixels in its own chunks.
    pub(crate) planar: bool,
    /// 1 none, 2 horizontal, 3 floating point.
    pub(crate) predictor: u16,
    /// 0 white is zero, 1 black is zero, 2 colour; zero as white says how samples are shown, not what
    /// they are.
    pub(crate) photometric: u16,
    pub(crate) big_endian: bool,
    /// Width and height of a tile, or width of the image and rows of a strip.
    pub(crate) chunk: (u32, u32),
    /// Where the offsets of its chunks are, and their counts of bytes; `None` when it does not say.
    pub(crate) offsets: Option<List>,
    pub(crate) counts: Option<List>,
}

/// A list of unsigned integers in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    /// The position of the first, or the list itself when it is at most 8 bytes.
    pub(crate) place: Result<u64, [u8; 8]>,
    pub(crate) count: u64,
    /// Bytes of one integer.
    pub(crate) size: u8,
}

impl Page {
    /// The storage of its samples, or what this program cannot read about them.
    pub(crate) fn kind(&self) -> Result<SampleKind, String> {
        match (self.format, self.bits) {
            (1, 8) => Ok(SampleKind::Unsigned(8)),
            (1, 16) => Ok(SampleKind::Unsigned(16)),
            (2, 8) => Ok(SampleKind::Signed(8)),
            (2, 16) => Ok(SampleKind::Signed(16)),
            (1 | 2, 32) | (3, 32 | 64) => Ok(SampleKind::Wide),
            (format, bits) => Err(format!(
                "its samples are {bits}-bit {}; this program reads integers of 8, 16 and 32 bits and floating \
                 point of 32 and 64 bits, so convert the file to 16 bits",
                match format {
                    1 => "unsigned integers",
                    2 => "signed integers",
                    3 => "floating point",
                    _ => "of an unknown format",
                }
            )),
        }
    }

    /// Bytes of one decoded plane of one sample.
    pub(crate) fn plane_bytes(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * u64::from(self.bits / 8)
    }

    /// Chunks across and down a plane.
    pub(crate) fn grid(&self) -> (u32, u32) {
        (
            self.width.div_ceil(self.chunk.0.max(1)),
            self.height.div_ceil(self.chunk.1.max(1)),
        )
    }

    /// Samples of a pixel that are stored side by side.
    pub(crate) fn interleaved(&self) -> usize {
        if self.planar {
            1
        } else {
            usize::from(self.samples)
        }
    }

    /// Refuses what no file of `file_bytes` bytes can hold, and what is beyond the limits.
    pub(crate) fn check(&self, file_bytes: u64) -> Result<(), String> {
        let (width, height) = (self.width, self.height);
        if width == 0 || height == 0 {
            return Err(format!(
                "it says that it is {width} × {height} samples large"
            ));
        }
        if width > MAX_EDGE || height > MAX_EDGE {
            return Err(format!(
                "it says that it is {width} × {height} samples large; at most {MAX_EDGE} an edge are read"
            ));
        }
        if self.samples == 0 || u32::from(self.samples) > MAX_SAMPLES {
            return Err(format!(
                "it says that it has {} samples a pixel; 1 to {MAX_SAMPLES} are read",
                self.samples
            ));
        }
        let samples = u64::from(width) * u64::from(height) * u64::from(self.samples);
        if samples > MAX_PLANE_SAMPLES {
            return Err(format!(
                "it says that it has {samples} samples; at most {MAX_PLANE_SAMPLES} a page are read"
            ));
        }
        let (chunk_width, chunk_height) = self.chunk;
        if chunk_width == 0 || chunk_height == 0 {
            return Err("it says that its strips or tiles have no rows or no columns".to_owned());
        }
        if chunk_width > MAX_EDGE
            || u64::from(chunk_width) * u64::from(chunk_height.min(MAX_EDGE)) > MAX_PLANE_SAMPLES
            || (chunk_height > MAX_EDGE && chunk_width != width)
        {
            return Err(format!(
                "it says that its tiles are {chunk_width} × {chunk_height} samples large"
            ));
        }
        if !codec::is_known(self.compression) {
            return Err(format!(
                "it is compressed by method {}, and this program reads none, PackBits, LZW and deflate; save it \
                 again with one of these",
                self.compression
            ));
        }
        if self.photometric > 2 {
            return Err(format!(
                "it stores colours by scheme {} instead of grey values; save it as grey",
                self.photometric
            ));
        }
        if !matches!((self.predictor, self.format), (1 | 2, _) | (3, 3)) {
            return Err(format!("it has the predictor {}", self.predictor));
        }
        let (across, down) = self.grid();
        let planes = if self.planar {
            u64::from(self.samples)
        } else {
            1
        };
        let chunks = u64::from(across) * u64::from(down) * planes;
        if chunks > MAX_CHUNKS {
            return Err(format!(
                "it says that it has {chunks} strips; at most {MAX_CHUNKS} are read"
            ));
        }
        let Some(offsets) = self.offsets else {
            return Err("it does not say where its samples are".to_owned());
        };
        // One strip that is not compressed needs no count.
        let counts = self
            .counts
            .map_or(u64::from(self.compression == 1 && chunks == 1), |list| {
                list.count
            });
        if offsets.count != chunks || counts != chunks {
            return Err(format!(
                "it has {} offsets and {counts} sizes of strips instead of {chunks}",
                offsets.count
            ));
        }
        self.kind()?;
        let bytes = samples * u64::from(self.bits / 8);
        if bytes > MAX_PLANE_BYTES {
            return Err(format!(
                "it says that it has {bytes} bytes; at most {MAX_PLANE_BYTES} a page are read"
            ));
        }
        let expansion = if self.compression == 1 {
            1
        } else {
            MAX_EXPANSION
        };
        if bytes > file_bytes.saturating_mul(expansion) {
            return Err(format!(
                "it says that it has {width} × {height} × {} samples, which the {file_bytes} bytes of the file \
                 cannot hold",
                self.samples
            ));
        }
        Ok(())
    }
}
