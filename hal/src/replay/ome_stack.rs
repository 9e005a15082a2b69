//! The stack of an OME-TIFF set: planes in one file or in several, told by OME-XML in each file or in a
//! companion.
//!
//! Source: OME-TIFF specification, `TiffData`: without `PlaneCount` an element with `IFD` is one plane,
//! and one without is all planes of its file.

use std::path::{Path, PathBuf};

use super::{
    files::Files,
    stack::{PlaneRef, Stack, StackChannel, StackFrame},
};
use crate::{
    HalError,
    ome::{FrameRecord, OmeChannel, OmeDocument, OmeImageInfo, OmeTiffData},
};

/// Arranges the planes that `document` tells of. `home` is the file that it was found in, `own` that
/// file's number when it has pages.
///
/// # Errors
/// When a file of the set cannot be read.
pub(crate) fn arrange(
    document: &OmeDocument,
    home: &Path,
    own: Option<u32>,
    files: &mut Files,
) -> Result<Stack, HalError> {
    let number = |key: &str| {
        document
            .annotated(key)
            .and_then(|text| text.parse::<u64>().ok())
    };
    let mut stack = Stack {
        path: home.to_owned(),
        dwell_ns: number("dwell_ns"),
        line_period_ns: number("line_period_ns"),
        ..Stack::default()
    };
    let record = FrameRecord::of(document);
    for (field, image) in document.images.iter().enumerate() {
        let channels = channels(document, image);
        if field == 0 {
            stack.channels = channels;
            stack.pixel_um = image.pixel_um;
            stack.bit_depth = image.significant_bits;
        } else if stack.channels != channels || stack.pixel_um != image.pixel_um {
            return Err(super::file::malformed(
                home,
                format!("image {field} of its OME-XML has other channels or pixels than the first"),
            ));
        }
        let first = stack.frames.len();
        stack
            .frames
            .extend((0..image.size_t * image.size_z).map(|_| StackFrame {
                field: record.as_ref().map_or(field as u32, |record| record.field),
                planes: vec![None; stack.channels.len()],
            }));
        let everything = OmeTiffData {
            ifd: None,
            first: [0; 3],
            count: None,
            file: None,
            uuid: None,
        };
        let data = if image.data.is_empty() {
            &[everything][..]
        } else {
            &image.data
        };
        for data in data {
            let file = match locate(document, data, home, own) {
                Some(Place::Own(number)) => Some(number),
                Some(Place::File(path)) if path.is_file() => Some(files.load(&path)?),
                Some(Place::File(path)) => {
                    tracing::warn!(
                        "{} belongs to the set of {} and is missing",
                        path.display(),
                        home.display()
                    );
                    None
                }
                None => None,
            };
            if let Some(file) = file {
                let frames = stack.frames.get_mut(first..).unwrap_or_default();
                place(image, data, file, files.pages(file), frames);
            }
        }
    }
    Ok(stack)
}

enum Place {
    Own(u32),
    File(PathBuf),
}

fn locate(
    document: &OmeDocument,
    data: &OmeTiffData,
    home: &Path,
    own: Option<u32>,
) -> Option<Place> {
    let Some(name) = &data.file else {
        return own.map(Place::Own);
    };
    // A file that was renamed is still the one that its identity names.
    match own {
        Some(number) if data.uuid.is_some() && data.uuid == document.uuid => {
            Some(Place::Own(number))
        }
        _ => sibling(home, name).map(Place::File),
    }
}

/// The file `name` beside `home`; `None` for a name that leads elsewhere.
pub(crate) fn sibling(home: &Path, name: &str) -> Option<PathBuf> {
    let plain = Path::new(name).file_name().is_some_and(|last| last == name);
    plain.then(|| home.with_file_name(name))
}

/// Effective channels (planes) of an image with their samples.
fn effective(image: &OmeImageInfo) -> Vec<usize> {
    let told: Vec<usize> = image
        .channels
        .iter()
        .map(|channel| channel.samples)
        .collect();
    if told.iter().sum::<usize>() == image.size_c {
        told
    } else {
        vec![1; image.size_c]
    }
}

fn channels(document: &OmeDocument, image: &OmeImageInfo) -> Vec<StackChannel> {
    let mut channels = Vec::new();
    for (index, samples) in effective(image).into_iter().enumerate() {
        let none = OmeChannel::default();
        let told = image.channels.get(index).unwrap_or(&none);
        let number = |key: &str| -> Option<f64> {
            let value: f64 = document
                .annotated(&format!("channel.{index}.{key}"))?
                .parse()
                .ok()?;
            value.is_finite().then_some(value)
        };
        for sample in 0..samples {
            channels.push(StackChannel {
                name: match (&told.name, samples) {
                    (Some(name), 1) => Some(name.clone()),
                    (Some(name), _) => Some(format!("{name}:{sample}")),
                    (None, _) => None,
                },
                bit_depth: number("bit_depth")
                    .map(|bits| bits as u8)
                    .filter(|bits| (1..=16).contains(bits)),
                wavelength_nm: told.wavelength_nm,
                dark_counts: number("dark_counts"),
                affine: number("scale").zip(number("offset")),
            });
        }
    }
    channels
}

/// Puts the planes of one `TiffData` element into `frames`, which are those of its image.
fn place(
    image: &OmeImageInfo,
    data: &OmeTiffData,
    file: u32,
    pages: usize,
    frames: &mut [StackFrame],
) {
    let samples = effective(image);
    let first_page = data.ifd.unwrap_or(0);
    let count = match (data.count, data.ifd) {
        (Some(count), _) => count,
        (None, Some(_)) => 1,
        (None, None) => pages,
    };
    let count = count.min(pages.saturating_sub(first_page));
    // Sizes and start in the order in which pages follow each other.
    let axes: Vec<(char, usize, usize)> = image
        .order
        .chars()
        .filter_map(|axis| match axis {
            'Z' => Some((axis, image.size_z, data.first[0])),
            'C' => Some((axis, samples.len(), data.first[1])),
            'T' => Some((axis, image.size_t, data.first[2])),
            _ => None,
        })
        .collect();
    let (mut start, mut span) = (0_usize, 1_usize);
    for (_, size, first) in &axes {
        start += first.min(size) * span;
        span *= size;
    }
    for offset in 0..count.min(span.saturating_sub(start)) {
        let (mut rest, mut z, mut c, mut t) = (start + offset, 0, 0, 0);
        for (axis, size, _) in &axes {
            let at = rest % size;
            rest /= size;
            match axis {
                'Z' => z = at,
                'C' => c = at,
                _ => t = at,
            }
        }
        let Some(frame) = frames.get_mut(t * image.size_z + z) else {
            continue;
        };
        let base: usize = samples.iter().take(c).sum();
        for sample in 0..samples.get(c).copied().unwrap_or(1) {
            if let Some(plane) = frame.planes.get_mut(base + sample) {
                let page = (first_page + offset) as u32;
                *plane = Some(PlaneRef {
                    file,
                    page,
                    sample: sample as u16,
                });
            }
        }
    }
}
