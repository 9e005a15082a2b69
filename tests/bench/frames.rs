//! Simulated frames of any size and density, in strips: what the costs of the stages are measured on.

use std::{path::Path, sync::Arc};

use senescope::{
    domain::{Cell, Tile},
    stages::{
        assemble::{Assembler, FrameBuffer},
        correct::Corrector,
        infer::Manifest,
        segment::{SegmentConfig, Segmenter},
        tile::Cutter,
    },
};
use senescope_hal::{
    ChannelInfo, ChannelMask, ChannelName, HostInstant, Pacing, RunId, ScanActual, Strip,
    StripBuffer, StripFlags, StripHeader,
    sim::{Dish, RenderRequest, render},
};

/// Rows of a strip.
const STRIP_ROWS: u32 = 16;

/// A field of view to simulate.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    /// Rows and columns.
    pub(crate) edge: u32,
    pub(crate) pixel_size_um: f64,
    /// Part of the area that cells cover, on average.
    pub(crate) confluence: f64,
}

/// One simulated frame, which comes again and again under new numbers.
pub(crate) struct Frames {
    pub(crate) scan: ScanActual,
    strips: Vec<Strip>,
}

impl Frames {
    pub(crate) fn new(field: Field) -> Self {
        let dish = Dish {
            confluence: field.confluence,
            clustering: 0.5,
            ..Dish::from_seed(7)
        };
        let request = RenderRequest {
            width: field.edge,
            height: field.edge,
            pixel_size_um: field.pixel_size_um,
            ..RenderRequest::of(&dish, 0)
        };
        let planes = render(&dish, &request).channels;
        let channels = [
            ChannelName::srs(),
            ChannelName::tpef(),
            ChannelName::trans(),
        ];
        let scan = ScanActual {
            width: field.edge,
            height: field.edge,
            pixel_size_um: field.pixel_size_um,
            dwell_ns: None,
            line_period_ns: None,
            bidirectional: false,
            strip_rows: STRIP_ROWS,
            channels: channels
                .map(|name| ChannelInfo::counts(name, dish.instrument.bit_depth))
                .to_vec(),
            clock_hz: 1,
            frames: None,
            pacing: Pacing::Pulled,
        };
        let strips = (0..field.edge)
            .step_by(STRIP_ROWS as usize)
            .map(|first| strip(&scan, &planes, first, STRIP_ROWS.min(field.edge - first)))
            .collect();
        Self { scan, strips }
    }

    /// The strips of the next frame.
    pub(crate) fn next(&mut self) -> &[Strip] {
        for strip in &mut self.strips {
            strip.header.frame += 1;
        }
        &self.strips
    }
}

fn strip(scan: &ScanActual, planes: &[Vec<u16>; 3], first_row: u32, rows: u32) -> Strip {
    let width = scan.width as usize;
    let mut samples = StripBuffer::detached(rows as usize * planes.len() * width);
    let target = samples.resize(samples.capacity()).unwrap();
    for (index, line) in target.chunks_exact_mut(width).enumerate() {
        let start = (first_row as usize + index / planes.len()) * width;
        line.copy_from_slice(&planes[index % planes.len()][start..start + width]);
    }
    Strip {
        header: StripHeader {
            run: RunId::from_bits(1),
            boot: 0,
            frame: 0,
            field: 0,
            source: None,
            sequence: 0,
            first_row,
            rows,
            width: scan.width,
            channels: ChannelMask::all(planes.len()),
            bit_depth: 16,
            odd_rows_reversed: false,
            ticks_first_row: 0,
            line_period_ns: None,
            received: HostInstant(0),
            lost_rows: 0,
            flags: StripFlags::default(),
        },
        samples,
    }
}

/// The stages up to the tiles.
pub(crate) struct Stages {
    pub(crate) assembler: Assembler,
    pub(crate) corrector: Corrector,
    pub(crate) segmenter: Segmenter,
    pub(crate) cutter: Cutter,
    found: Vec<Cell>,
}

impl Stages {
    pub(crate) fn new(scan: &ScanActual, manifest: &Manifest) -> Self {
        let names: Vec<_> = scan.channels.iter().map(|info| info.name.clone()).collect();
        let config = SegmentConfig::default();
        let (width, height) = (scan.width, scan.height);
        Self {
            assembler: Assembler::new(scan),
            corrector: Corrector::new(scan),
            segmenter: Segmenter::new(&config, width, height, scan.pixel_size_um, &names).unwrap(),
            cutter: Cutter::new(manifest, scan).unwrap(),
            found: Vec::new(),
        }
    }

    /// Hands every cell of a frame on, when it is decided.
    pub(crate) fn segment(&mut self, strips: &[Strip], mut each: impl FnMut(Cell)) {
        self.walk(strips, |cell, _, _| each(cell));
    }

    /// Hands every tile of a frame on, when its cell is decided.
    pub(crate) fn cut(&mut self, strips: &[Strip], mut each: impl FnMut(Tile)) {
        self.walk(strips, |cell, frame, cutter| {
            let rows = |channel, row| frame.row(channel, row);
            each(cutter.cut(Arc::new(cell), rows));
        });
    }

    fn walk(&mut self, strips: &[Strip], mut each: impl FnMut(Cell, &FrameBuffer, &mut Cutter)) {
        for strip in strips {
            self.assembler.push(strip, |row| {
                let frame = row.frame();
                self.segmenter
                    .push_row(&self.corrector.apply(row), &mut self.found);
                for cell in self.found.drain(..) {
                    each(cell, frame, &mut self.cutter);
                }
            });
        }
    }
}

/// The manifest of an ensemble in a folder of this repository.
pub(crate) fn manifest(folder: &str) -> Manifest {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let path = path.join("manifest.json");
    Manifest::parse(&std::fs::read(&path).unwrap(), &path).unwrap()
}
