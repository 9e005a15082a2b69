//! A recording that is open: its channels, frames and geometry, all checked.

use std::path::PathBuf;

use super::{
    file::malformed,
    files::Files,
    frame::{Plane, PlaneReader},
    mapping::{self, MappedChannel},
    page::SampleKind,
    plane::Rule,
    request::ReplayRequest,
    stack::{PlaneRef, Recorded, SourceFile, Stack},
};
use crate::{ChannelInfo, ErrorKind, GapCause, HalError};

/// Relative difference beyond which two pixel sizes contradict each other.
const SAME_SIZE: f64 = 1e-3;
/// Relative difference beyond which pixels are not square.
const SQUARE: f64 = 1e-2;

pub(super) struct Channel {
    pub(super) info: ChannelInfo,
    pub(super) rule: Rule,
    /// The rule comes from the range of the samples.
    pub(super) ranged: bool,
    pub(super) planes: Vec<(u32, Option<PlaneRef>)>,
}

/// TIFF files that are replayed as frames. See the module for what is read and how.
pub struct ReplaySource {
    pub(super) files: Files,
    reader: PlaneReader,
    pub(super) channels: Vec<Channel>,
    width: u32,
    height: u32,
    pixel_size_um: f64,
    dwell_ns: Option<u64>,
    line_period_ns: Option<u64>,
    pub(super) frames: usize,
    /// What the writer noted of the frames, when one writer wrote them all.
    pub(super) recorded: Option<Recorded>,
}

/// The decoded channels of one frame.
#[derive(Default)]
pub(crate) struct Frame {
    pub(crate) planes: Vec<Plane>,
    pub(crate) field: u32,
}

impl ReplaySource {
    /// Opens what `request` names, reads everything but samples, decodes the first frame, and measures
    /// the range of channels that are not integers of 16 bits or fewer.
    ///
    /// # Errors
    /// `NotFound` or `Io` for a file that cannot be read; `Malformed` for one that is broken or beyond the
    /// limits; `Request` for what the files do not say (pixel size, channels). The message says what to
    /// type.
    pub fn open(request: &ReplayRequest) -> Result<Self, HalError> {
        let mut files = Files::default();
        let mut mapped = mapping::channels(request, &mut files)?;
        one_recording(&files)?;
        let (width, height) = geometry(&mut mapped, &files)?;
        first_frame(&mapped, &files)?;
        let used: Vec<&Stack> = mapped
            .iter()
            .flat_map(|channel| &channel.stacks)
            .filter_map(|number| files.stack(*number))
            .collect();
        let pixel_size_um = pixel_size(request.pixel_size_um, &used)?;
        let dwell_ns = same(used.iter().map(|stack| stack.dwell_ns));
        let line_period_ns = same(used.iter().map(|stack| stack.line_period_ns));
        let mut reader = PlaneReader::default();
        let frames = mapped.first().map_or(0, |channel| channel.planes.len());
        let recorded = match used.as_slice() {
            [first, rest @ ..] if rest.iter().all(|stack| stack.path == first.path) => {
                first.recorded.clone()
            }
            _ => None,
        };
        let recorded = recorded.filter(|recorded| recorded.frames.len() == frames);
        let channels = mapped
            .into_iter()
            .map(|channel| rule(channel, &files, &mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        let mut source = Self {
            files,
            reader,
            channels,
            width,
            height,
            pixel_size_um,
            dwell_ns,
            line_period_ns,
            frames,
            recorded,
        };
        source.prove_first_frame()?;
        Ok(source)
    }

    /// Samples in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows in a frame.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Edge of a pixel in µm.
    pub fn pixel_size_um(&self) -> f64 {
        self.pixel_size_um
    }

    /// Time a pixel in nanoseconds; `None` when the files do not say.
    pub fn dwell_ns(&self) -> Option<u64> {
        self.dwell_ns
    }

    /// Time from row to row in nanoseconds; `None` when the files do not say.
    pub fn line_period_ns(&self) -> Option<u64> {
        self.line_period_ns
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The channels in the order of the samples.
    pub fn channels(&self) -> Vec<ChannelInfo> {
        self.channels
            .iter()
            .map(|channel| channel.info.clone())
            .collect()
    }

    /// The files in the order in which they were opened.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.paths().map(PathBuf::from).collect()
    }

    /// Decodes the channels `selected` of frame `index` into `frame`. Rows that cannot be decoded are
    /// told in it.
    ///
    /// # Errors
    /// When a file is gone.
    pub(crate) fn decode(
        &mut self,
        index: usize,
        selected: &[usize],
        frame: &mut Frame,
    ) -> Result<(), HalError> {
        frame.planes.resize_with(selected.len(), Plane::default);
        for (number, out) in selected.iter().zip(&mut frame.planes) {
            let Some(channel) = self.channels.get(*number) else {
                continue;
            };
            let Some((field, plane)) = channel.planes.get(index) else {
                continue;
            };
            frame.field = *field;
            let size = (self.width, self.height);
            let read = match plane {
                Some(plane) => self
                    .reader
                    .decode(&self.files, *plane, &channel.rule, size, out),
                None => Err(HalError::new(
                    ErrorKind::Malformed,
                    "its plane is not in the files",
                )),
            };
            match read {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Malformed => {
                    out.counts.clear();
                    out.counts.resize(size.0 as usize * size.1 as usize, 0);
                    out.whole.clear();
                    out.whole.resize(size.1 as usize, false);
                    out.failure = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            if let Some(reason) = &out.failure {
                let cause = GapCause::SourceIncomplete.as_str();
                tracing::warn!(
                    "frame {index} lacks rows of {} ({cause}): {reason}",
                    channel.info.name
                );
            }
        }
        Ok(())
    }

    fn prove_first_frame(&mut self) -> Result<(), HalError> {
        let selected: Vec<usize> = (0..self.channels.len()).collect();
        let mut frame = Frame::default();
        self.decode(0, &selected, &mut frame)?;
        for (plane, channel) in frame.planes.iter().zip(&self.channels) {
            if let (Some(reason), Some((_, Some(place)))) = (&plane.failure, channel.planes.first())
            {
                let path = self
                    .files
                    .get(place.file)
                    .map(|file| file.path.clone())
                    .unwrap_or_default();
                return Err(malformed(&path, format!("page {}, {reason}", place.page)));
            }
        }
        Ok(())
    }
}

/// Two recordings are never joined: their frames would be taken for one run.
fn one_recording(files: &Files) -> Result<(), HalError> {
    let run = |file: &SourceFile| file.record.as_ref().map(|record| record.run);
    let recorded = files.all().find(|file| run(file).is_some());
    let other = files.all().find(|file| run(file) != recorded.and_then(run));
    let (Some(recorded), Some(other)) = (recorded, other) else {
        return Ok(());
    };
    let message = format!(
        "{} and {} are not of one recording; replay one recording at a time",
        recorded.path.display(),
        other.path.display()
    );
    Err(HalError::new(ErrorKind::Request, message))
}

/// The one value that all have, if there is one.
fn same<T: PartialEq>(mut values: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = values.next().flatten()?;
    values
        .all(|value| value.as_ref() == Some(&first))
        .then_some(first)
}

/// Width and height of all planes. Planes whose page is not there are taken out.
fn geometry(mapped: &mut [MappedChannel], files: &Files) -> Result<(u32, u32), HalError> {
    let mut first: Option<(PathBuf, u32, u32)> = None;
    let mut stacks = mapped.iter().flat_map(|channel| &channel.stacks);
    let home = stacks.next().and_then(|number| files.stack(*number));
    let home = home.map(|stack| stack.path.clone()).unwrap_or_default();
    for channel in mapped {
        for (_, place) in &mut channel.planes {
            let Some(plane) = *place else { continue };
            let Some(file) = files.get(plane.file) else {
                continue;
            };
            let Some(page) = file.page(plane.page as usize) else {
                *place = None;
                continue;
            };
            let (width, height) = (page.width, page.height);
            match &first {
                None => first = Some((file.path.clone(), width, height)),
                Some((path, w, h)) if (*w, *h) != (width, height) => {
                    return Err(malformed(
                        &file.path,
                        format!(
                            "page {} has {width} × {height} samples, but {} has {w} × {h}; replay files of one size",
                            plane.page,
                            path.display()
                        ),
                    ));
                }
                Some(_) => {}
            }
        }
    }
    first
        .map(|(_, width, height)| (width, height))
        .ok_or_else(|| {
            let reason =
                "none of the planes that it tells of is there; put the files of its set beside it";
            malformed(&home, reason)
        })
}

/// Every channel must be in the first frame, or the mapping is wrong.
fn first_frame(mapped: &[MappedChannel], files: &Files) -> Result<(), HalError> {
    for channel in mapped {
        if let Some((_, None)) | None = channel.planes.first() {
            let stack = channel
                .stacks
                .first()
                .and_then(|number| files.stack(*number));
            let path = stack.map(|stack| stack.path.clone()).unwrap_or_default();
            return Err(malformed(
                &path,
                format!(
                    "its first frame has no plane of the channel {}; add the file that has it, or map the channel to \
                     another one with --channel {}=FILE",
                    channel.name, channel.name
                ),
            ));
        }
    }
    Ok(())
}

fn pixel_size(given: Option<f64>, stacks: &[&Stack]) -> Result<f64, HalError> {
    let request = |message: String| Err(HalError::new(ErrorKind::Request, message));
    if let Some(um) = given {
        return match um.is_finite() && um > 0.0 {
            true => Ok(um),
            false => request(format!(
                "a pixel of {um} µm cannot be; give --pixel-size-um a positive number"
            )),
        };
    }
    let mut known: Option<(f64, &Stack)> = None;
    for stack in stacks {
        let path = stack.path.display();
        let Some((x, y)) = stack.pixel_um else {
            return request(format!(
                "{path} does not say how large a pixel is, and cells cannot be measured without; give \
                 --pixel-size-um, for example --pixel-size-um 0.25"
            ));
        };
        if (x - y).abs() > SQUARE * x {
            return request(format!(
                "{path} says that its pixels are {x} × {y} µm, but only square pixels are read; resample it, or give \
                 --pixel-size-um if that is wrong"
            ));
        }
        match known {
            Some((um, other)) if (um - x).abs() > SAME_SIZE * um => {
                return request(format!(
                    "{path} says that a pixel is {x} µm, and {} says {um} µm; give --pixel-size-um",
                    other.path.display()
                ));
            }
            Some(_) => {}
            None => known = Some((x, stack)),
        }
    }
    match known {
        Some((um, _)) => Ok(um),
        None => request("no file says how large a pixel is; give --pixel-size-um".to_owned()),
    }
}

fn rule(
    channel: MappedChannel,
    files: &Files,
    reader: &mut PlaneReader,
) -> Result<Channel, HalError> {
    let mut kind = None;
    for plane in channel.planes.iter().filter_map(|(_, plane)| *plane) {
        let Some(file) = files.get(plane.file) else {
            continue;
        };
        let Some(page) = file.page(plane.page as usize) else {
            continue;
        };
        let this = page
            .kind()
            .map_err(|reason| malformed(&file.path, reason))?;
        if kind.is_some_and(|kind| kind != this) {
            return Err(malformed(
                &file.path,
                format!(
                    "page {} stores its samples otherwise than the pages before it",
                    plane.page
                ),
            ));
        }
        kind = Some(this);
    }
    let mut ranged = false;
    let mut rule = match Rule::of(kind.unwrap_or(SampleKind::Wide)) {
        Some(rule) => rule,
        None => {
            ranged = true;
            let mut range = (f64::INFINITY, f64::NEG_INFINITY);
            for plane in channel.planes.iter().filter_map(|(_, plane)| *plane) {
                reader.widen(files, plane, &mut range)?;
            }
            if range.0 > range.1 {
                range = (0.0, 0.0);
            }
            Rule::over(range.0, range.1)
        }
    };
    if matches!(kind, Some(SampleKind::Unsigned(_))) {
        let told = channel.told.bit_depth.or(channel.bit_depth);
        rule.bits = told.map_or(rule.bits, |bits| bits.min(rule.bits));
    }
    let (scale, offset) = channel.told.affine.unwrap_or((rule.scale, rule.offset));
    let info = ChannelInfo {
        name: channel.name,
        bit_depth: rule.bits,
        dark_counts: channel.told.dark_counts,
        wavelength_nm: channel.told.wavelength_nm,
        scale,
        offset,
    };
    Ok(Channel {
        info,
        rule,
        ranged,
        planes: channel.planes,
    })
}
