//! A stack: what one file, or one set of files that belong together, has in channels and frames.
//!
//! Every position on every other axis (field, time, z, and pages without meaning) is a frame, in the
//! order field, time, z.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    directory::Directories, file, imagej::ImageJ, limits::MAX_SAMPLES, page::Page,
    scan_image::ScanImage,
};
use crate::{HalError, ome::FrameRecord};

/// A file of the source.
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) pages: Vec<Page>,
    /// Planes that follow the first without directories of their own.
    pub(crate) raw: Option<RawStack>,
    /// How its frame was recorded, when a recorder wrote it.
    pub(crate) record: Option<FrameRecord>,
}

/// Uncompressed planes one after the other.
#[derive(Clone, Copy)]
pub(crate) struct RawStack {
    pub(crate) offset: u64,
    pub(crate) planes: usize,
    /// Planes that the description tells of beyond the end of the file.
    pub(crate) missing: usize,
}

impl SourceFile {
    /// Number of pages, with or without directories.
    pub(crate) fn len(&self) -> usize {
        self.raw.map_or(self.pages.len(), |raw| raw.planes)
    }

    /// What page `index` is.
    pub(crate) fn page(&self, index: usize) -> Option<&Page> {
        match self.raw {
            Some(raw) if index < raw.planes => self.pages.first(),
            Some(_) => None,
            None => self.pages.get(index),
        }
    }
}

/// Where one plane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaneRef {
    /// Index into the files of the source.
    pub(crate) file: u32,
    pub(crate) page: u32,
    pub(crate) sample: u16,
}

/// What a stack says of one channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StackChannel {
    pub(crate) name: Option<String>,
    /// True bit depth, where it is not that of the stack.
    pub(crate) bit_depth: Option<u8>,
    pub(crate) wavelength_nm: Option<f64>,
    pub(crate) dark_counts: Option<f64>,
    /// Scale and offset of counts that were mapped before they were written.
    pub(crate) affine: Option<(f64, f64)>,
}

/// Channels × frames of planes. A plane that the stack should have and has not is `None`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
    /// The file by which the stack was found.
    pub(crate) path: PathBuf,
    pub(crate) channels: Vec<StackChannel>,
    pub(crate) frames: Vec<StackFrame>,
    /// Horizontal and vertical edge of a pixel.
    pub(crate) pixel_um: Option<(f64, f64)>,
    pub(crate) bit_depth: Option<u8>,
    pub(crate) dwell_ns: Option<u64>,
    pub(crate) line_period_ns: Option<u64>,
    /// What the writer noted of each frame; `None` when it noted nothing.
    pub(crate) recorded: Option<Recorded>,
}

/// What a writer noted of the frames of a stack while it recorded them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recorded {
    /// One for each frame of the stack.
    pub(crate) frames: Vec<RecordedFrame>,
    /// From the number of a frame to that of the next.
    pub(crate) step: u64,
    /// Time from frame to frame.
    pub(crate) period: Option<Duration>,
    /// The last frame is the last of the recording.
    pub(crate) finished: bool,
}

/// What a writer noted of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordedFrame {
    /// Number of the frame in the recording.
    pub(crate) number: u64,
    /// When it began, in nanoseconds since the recording began.
    pub(crate) started_ns: Option<u64>,
}

/// One frame of a stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct StackFrame {
    pub(crate) field: u32,
    pub(crate) planes: Vec<Option<PlaneRef>>,
}

impl Stack {
    /// The channels as a person reads them: number and name.
    pub(crate) fn list(&self) -> String {
        let name = |channel: &StackChannel| match &channel.name {
            Some(name) => format!(" {name}"),
            None => " without a name".to_owned(),
        };
        let channels: Vec<_> = self
            .channels
            .iter()
            .enumerate()
            .map(|(n, c)| format!("#{n}{}", name(c)))
            .collect();
        channels.join(", ")
    }
}

/// Opens a file that stands for itself: `ImageJ`, `ScanImage`, Micro-Manager, or plain.
///
/// # Errors
/// `Malformed` naming the file.
pub(crate) fn single(
    path: &Path,
    directories: Directories,
    number: u32,
) -> Result<(SourceFile, Stack), HalError> {
    let description = directories.description.as_deref().unwrap_or_default();
    let imagej = ImageJ::parse(description).map_err(|reason| file::malformed(path, reason))?;
    let mut file = SourceFile {
        path: path.to_owned(),
        pages: Vec::new(),
        raw: None,
        record: None,
    };
    let mut stack = Stack {
        path: path.to_owned(),
        ..Stack::default()
    };
    if let Some(imagej) = imagej {
        file.raw = imagej
            .raw(&directories)
            .map_err(|reason| file::malformed(path, reason))?;
        stack.pixel_um = imagej.pixel_um(directories.resolution);
        file.pages = directories.pages;
        imagej.arrange(&file, number, &mut stack);
    } else if let Some(scan_image) =
        scan_image(&directories).map_err(|reason| file::malformed(path, reason))?
    {
        file.pages = directories.pages;
        scan_image.arrange(&file, &directories.scan_image, number, &mut stack);
    } else if directories.micro_manager.is_empty() {
        file.pages = directories.pages;
        plain(&file, number, &mut stack);
    } else {
        micro_manager(&directories, number, &mut stack)
            .map_err(|reason| file::malformed(path, reason))?;
        file.pages = directories.pages;
    }
    Ok((file, stack))
}

/// Pages as frames, the samples of a pixel as channels.
pub(crate) fn plain(file: &SourceFile, number: u32, stack: &mut Stack) {
    let samples = file.pages.first().map_or(1, |page| page.samples);
    stack.channels = vec![StackChannel::default(); usize::from(samples)];
    stack.frames = (0..file.len())
        .map(|page| StackFrame {
            field: 0,
            planes: (0..samples)
                .map(|sample| {
                    Some(PlaneRef {
                        file: number,
                        page: page as u32,
                        sample,
                    })
                })
                .collect(),
        })
        .collect();
}

/// Frames of `channels` pages each, one after the other. The last frame may lack some.
pub(crate) fn interleaved(pages: usize, channels: usize, number: u32) -> Vec<StackFrame> {
    let plane = |page: usize| {
        (page < pages).then_some(PlaneRef {
            file: number,
            page: page as u32,
            sample: 0,
        })
    };
    (0..pages.div_ceil(channels))
        .map(|frame| StackFrame {
            field: 0,
            planes: (frame * channels..(frame + 1) * channels)
                .map(plane)
                .collect(),
        })
        .collect()
}

fn scan_image(directories: &Directories) -> Result<Option<ScanImage>, String> {
    if directories.scan_image.is_empty() {
        return Ok(None);
    }
    let software = directories.software.as_deref().unwrap_or_default();
    let description = directories.description.as_deref().unwrap_or_default();
    ScanImage::parse(software, description)
}

fn micro_manager(directories: &Directories, number: u32, stack: &mut Stack) -> Result<(), String> {
    let mut names: Vec<Option<&str>> = Vec::new();
    let mut places = Vec::new();
    for (page, told) in &directories.micro_manager {
        let name = told.channel.as_deref();
        let channel = names
            .iter()
            .position(|known| *known == name)
            .unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
        places.push((&told.place, channel, *page, told.position()));
    }
    if names.len() > MAX_SAMPLES as usize {
        return Err(format!(
            "it has {} channels; at most {MAX_SAMPLES} are read",
            names.len()
        ));
    }
    // Frames in the order of their axes; a page that is written twice counts once, the last time.
    places.sort();
    let mut last = None;
    for (place, channel, page, field) in places {
        if last != Some(place) {
            let planes = vec![None; names.len()];
            stack.frames.push(StackFrame { field, planes });
            last = Some(place);
        }
        let plane = stack
            .frames
            .last_mut()
            .and_then(|frame| frame.planes.get_mut(channel));
        if let Some(plane) = plane {
            *plane = Some(PlaneRef {
                file: number,
                page: page as u32,
                sample: 0,
            });
        }
    }
    stack.channels = names
        .iter()
        .map(|name| StackChannel {
            name: name.map(str::to_owned),
            ..StackChannel::default()
        })
        .collect();
    let first = directories.micro_manager.first().map(|(_, told)| told);
    stack.bit_depth = first.and_then(|told| told.bit_depth);
    stack.pixel_um = first
        .and_then(|told| told.pixel_size_um)
        .filter(|um| um.is_finite() && *um > 0.0)
        .map(|um| (um, um));
    Ok(())
}
