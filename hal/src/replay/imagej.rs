//! The `ImageJ=` description of stacks and hyperstacks.
//!
//! `ImageJ` orders planes channel first, then z, then time. Stacks of more than 4 GiB have one directory
//! and the planes one after the other.

use super::{
    directory::Directories,
    limits::{MAX_PAGES, MAX_SAMPLES},
    stack::{RawStack, SourceFile, Stack, StackChannel, interleaved, plain},
};

/// What the description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageJ {
    images: usize,
    channels: usize,
    unit: Option<String>,
}

impl ImageJ {
    /// Reads a description; `None` when another program wrote it.
    ///
    /// # Errors
    /// What is wrong, as a clause.
    pub(crate) fn parse(description: &str) -> Result<Option<Self>, String> {
        if !description.starts_with("ImageJ=") {
            return Ok(None);
        }
        let text = |key: &str| {
            let mut lines = description.lines().filter_map(|line| line.split_once('='));
            lines
                .find(|(k, _)| k.trim() == key)
                .map(|(_, value)| value.trim())
        };
        let number = |key: &str, most: usize| match text(key).map(str::parse::<usize>) {
            None => Ok(1),
            Some(Ok(n)) if (1..=most).contains(&n) => Ok(n),
            Some(_) => Err(format!(
                "its ImageJ description has {key}={}; 1 to {most} are read",
                text(key).unwrap_or_default()
            )),
        };
        Ok(Some(Self {
            images: number("images", MAX_PAGES)?,
            channels: number("channels", MAX_SAMPLES as usize)?,
            unit: text("unit").map(str::to_owned),
        }))
    }

    /// The pixel's edges in µm; `None` when the file is not calibrated in a length.
    pub(crate) fn pixel_um(&self, resolution: Option<(f64, f64)>) -> Option<(f64, f64)> {
        let unit = match self.unit.as_deref()? {
            "micron" | "microns" | "um" | "µm" | "μm" | "\\u00B5m" | "\\u03BCm" => 1.0,
            "nm" => 1e-3,
            "mm" => 1e3,
            "cm" => 1e4,
            "inch" => 25_400.0,
            _ => return None,
        };
        resolution.map(|(x, y)| (unit / x, unit / y))
    }

    /// Planes without directories, when the description has more of them than the file has pages.
    pub(crate) fn raw(&self, found: &Directories) -> Result<Option<RawStack>, String> {
        let [page] = found.pages.as_slice() else {
            return Ok(None);
        };
        if self.images == 1 {
            return Ok(None);
        }
        if page.compression != 1 || page.samples != 1 {
            return Err(format!(
                "its ImageJ description has images={}, but it has one page",
                self.images
            ));
        }
        let offset = found.first_offset;
        let whole = found.file_bytes.saturating_sub(offset) / page.plane_bytes().max(1);
        let planes = self
            .images
            .min(usize::try_from(whole).unwrap_or(usize::MAX).max(1));
        if planes < self.images {
            tracing::warn!(
                "the ImageJ description has images={}, but only {planes} whole planes are there; the file is \
                 truncated",
                self.images
            );
        }
        Ok(Some(RawStack {
            offset,
            planes,
            missing: self.images - planes,
        }))
    }

    /// Puts the planes of `file` into channels and frames.
    pub(crate) fn arrange(&self, file: &SourceFile, number: u32, stack: &mut Stack) {
        if self.channels == 1 {
            return plain(file, number, stack);
        }
        stack.channels = vec![StackChannel::default(); self.channels];
        stack.frames = interleaved(file.len(), self.channels, number);
    }
}
