//! The frames that were kept, and label images of their cells, as OME-Zarr 0.5.
//!
//! One image with the axes TCZYX: viewers step through the frames by one slider, and every reader takes five axes.
//! Frames are in the order of the run; which field of view each is, when it was scanned and which rows it lacks is in
//! the attribute `senescope` of the image, because OME-Zarr has no place for it. T has no unit: fields are not equally
//! spaced in time.
//!
//! | label image | samples |
//! |---|---|
//! | `cells` | number of the cell in its frame **plus 1**; 0 where no cell is |
//! | `classes` | 1 senescent, 2 proliferating, 3 uncertain, 4 atypical; 0 where no cell is |
//!
//! When maps were recorded there is a second image, `maps`, of the same scale: the ensemble's map of each cell at its place,
//! float32 in [0, 1], of the class that was decided; the larger value where two overlap.
//!
//! Memory: one frame. Not done: pyramids (frames are small), and the maps of single members.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use senescope_hal::ome::{OmeFrame, read_ome_frame};

use super::{
    ExportError, Report, classes,
    maps::MapPlane,
    ome_metadata::{self, Kept},
    outline::Region,
    walk::{Exporter, FrameHead},
    zarr::{Array, write_group},
};
use crate::{
    domain::HeatmapSource,
    recording::{LabelLine, Recording, judge, judge_maps, read_maps},
};

/// An image that is being written.
pub(super) struct OmeZarr {
    recording: Recording,
    out: PathBuf,
    /// Columns, rows.
    size: [u32; 2],
    image: Array,
    cells: Array,
    classes: Array,
    maps: Array,
    /// A frame has maps.
    has_maps: bool,
    kept: Vec<Kept>,
    /// How each channel is shown, by the first frame: least and largest counts.
    ranges: Vec<[u16; 2]>,
    frame: Option<LabelPlanes>,
}

/// The label images of one frame.
struct LabelPlanes {
    cells: Vec<u32>,
    classes: Vec<u8>,
    /// Pixels of each cell.
    areas: HashMap<u32, u64>,
}

impl OmeZarr {
    /// Writes into the folder `out`.
    pub(super) fn create(recording: &Recording, out: &Path) -> Self {
        let scan = &recording.run().start.scan;
        let array =
            |name: &str, channels| Array::new(out.join(name), channels, scan.width, scan.height);
        Self {
            size: [scan.width, scan.height],
            image: array("0", scan.channels.len()),
            cells: array("labels/cells/0", 1),
            classes: array("labels/classes/0", 1),
            maps: array("maps/0", 1),
            has_maps: false,
            recording: recording.clone(),
            out: out.to_owned(),
            kept: Vec::new(),
            ranges: Vec::new(),
            frame: None,
        }
    }

    /// The maps of the frame, when they were recorded.
    fn write_maps(
        &mut self,
        t: usize,
        frame: &FrameHead,
        report: &mut Report,
    ) -> Result<(), ExportError> {
        let Some((line, name)) = frame
            .line
            .as_ref()
            .and_then(|line| Some((line, line.maps.as_ref()?)))
        else {
            return Ok(());
        };
        let number = frame.frame;
        if let Some(problem) = judge_maps(&self.recording, line)? {
            report.left_out(problem);
            return Ok(());
        }
        let maps = match read_maps(&self.recording.folder().join(name)) {
            Ok(maps) => maps,
            Err(error) => {
                report.left_out(format!("frame {number}: {name}: {error}"));
                return Ok(());
            }
        };
        let mut plane = MapPlane::new(self.size);
        for (page, values) in maps
            .iter()
            .filter(|(page, _)| page.member == HeatmapSource::Mean.as_str())
        {
            plane.paint(page, values);
        }
        self.has_maps = true;
        self.maps.write_plane(t, 0, plane.samples())
    }

    /// The frame's counts, or why there are none, as a sentence.
    fn read(&self, frame: &FrameHead) -> Result<Result<OmeFrame, String>, ExportError> {
        let number = frame.frame;
        let (Some(line), Some(name)) = (&frame.line, frame.image()) else {
            return Ok(Err(format!(
                "frame {number} has no line: its image is not known"
            )));
        };
        if let Some(problem) = judge(&self.recording, line, name)? {
            return Ok(Err(problem));
        }
        let read = match read_ome_frame(&self.recording.folder().join(name)) {
            Ok(read) => read,
            Err(error) => return Ok(Err(format!("frame {number}: {error}"))),
        };
        let scan = &self.recording.run().start.scan;
        let channels = scan.channels.iter().map(|info| &info.name);
        let same = [read.width, read.height] == self.size
            && channels.eq(read.channels.iter().map(|(name, _)| name));
        Ok(if same {
            Ok(read)
        } else {
            Err(format!(
                "frame {number}: {name} does not have the size or the channels of the run"
            ))
        })
    }
}

impl Exporter for OmeZarr {
    fn begin(&mut self, frame: &FrameHead, report: &mut Report) -> Result<(), ExportError> {
        self.frame = None;
        if frame
            .line
            .as_ref()
            .is_some_and(|line| line.not_kept.is_some())
        {
            report.not_kept += 1;
            return Ok(());
        }
        let read = match self.read(frame)? {
            Ok(read) => read,
            Err(sentence) => {
                report.left_out(sentence);
                return Ok(());
            }
        };
        let t = self.kept.len();
        for (c, (_, counts)) in read.channels.iter().enumerate() {
            self.image.write_plane(t, c, counts)?;
        }
        if self.ranges.is_empty() {
            self.ranges = read
                .channels
                .iter()
                .map(|(_, counts)| ome_metadata::shown(counts))
                .collect();
        }
        self.kept
            .push(Kept::of(frame, self.recording.run().start.scan.clock_hz));
        let pixels = read.width as usize * read.height as usize;
        self.frame = Some(LabelPlanes {
            cells: vec![0; pixels],
            classes: vec![0; pixels],
            areas: HashMap::new(),
        });
        Ok(())
    }

    fn cell(
        &mut self,
        frame: &FrameHead,
        label: &LabelLine,
        report: &mut Report,
    ) -> Result<(), ExportError> {
        let ([width, height], Some(planes)) = (self.size, &mut self.frame) else {
            return Ok(());
        };
        match Region::of(&label.label.outline, width, height) {
            Ok(region) => {
                planes.paint(width, label, &region);
                report.cells += 1;
            }
            Err(clause) => report.left_out(format!(
                "frame {}, cell {}: {clause}",
                frame.frame, label.label.cell
            )),
        }
        Ok(())
    }

    fn end(&mut self, frame: &FrameHead, report: &mut Report) -> Result<(), ExportError> {
        let Some(planes) = self.frame.take() else {
            return Ok(());
        };
        let t = self.kept.len().saturating_sub(1);
        self.cells.write_plane(t, 0, &planes.cells)?;
        self.classes.write_plane(t, 0, &planes.classes)?;
        self.write_maps(t, frame, report)?;
        report.frames += 1;
        Ok(())
    }

    fn finish(self: Box<Self>, report: &mut Report) -> Result<(), ExportError> {
        let frames = self.kept.len();
        if frames == 0 && report.problem_count == 0 {
            return Err(ExportError::NoImage(self.recording.folder().to_owned()));
        }
        self.image.close::<u16>(frames)?;
        self.cells.close::<u32>(frames)?;
        self.classes.close::<u8>(frames)?;
        let run = self.recording.run();
        if self.has_maps {
            self.maps.close::<f32>(frames)?;
            write_group(&self.out.join("maps"), &ome_metadata::maps(run))?;
        }
        let labels = self.out.join("labels");
        write_group(
            &self.out,
            &ome_metadata::image(run, &self.ranges, &self.kept),
        )?;
        write_group(&labels, &ome_metadata::labels())?;
        write_group(&labels.join("cells"), &ome_metadata::cells(run))?;
        write_group(&labels.join("classes"), &ome_metadata::classes(run))
    }
}

impl LabelPlanes {
    /// A cell in the hole of another one stays: of two the smaller one is seen.
    fn paint(&mut self, width: u32, label: &LabelLine, region: &Region) {
        let (number, class) = (
            label.label.cell.saturating_add(1),
            classes::number(label.label.label),
        );
        let area = region.area();
        for [x, y] in region.pixels() {
            let at = y as usize * width as usize + x as usize;
            if let (Some(cell), Some(of)) = (self.cells.get_mut(at), self.classes.get_mut(at))
                && self.areas.get(cell).is_none_or(|there| area < *there)
            {
                (*cell, *of) = (number, class);
            }
        }
        self.areas.insert(number, area);
    }
}
