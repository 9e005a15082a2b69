//! Simulated fields through the stages.

use ndarray::Array2;
use senescope::{
    domain::Cell,
    stages::{
        assemble::Assembler,
        correct::Corrector,
        segment::{SegmentConfig, Segmenter},
    },
};
use senescope_hal::{
    ChannelInfo, ChannelMask, ChannelName, HostInstant, Pacing, RunId, ScanActual, Strip,
    StripBuffer, StripFlags, StripHeader,
    sim::{Dish, RenderRequest, render},
};

/// One rendered field with its truth.
pub(crate) struct Field {
    pub(crate) scan: ScanActual,
    /// Rows × channels × columns, as a board without return lines delivers them.
    pub(crate) samples: Vec<u16>,
    /// Rows × columns: 0 for the medium, else the cell.
    pub(crate) truth: Array2<u32>,
}

impl Field {
    /// Frame 0 of the dish of `seed` as its own instrument scans it.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let dish = Dish::from_seed(seed);
        let request = RenderRequest::of(&dish, 0);
        let frame = render(&dish, &request);
        let (width, height) = (request.width, request.height);
        let columns = width as usize;
        let channels = [
            ChannelName::srs(),
            ChannelName::tpef(),
            ChannelName::trans(),
        ];
        let rows = 0..height as usize;
        let samples = rows
            .flat_map(|row| {
                let range = row * columns..(row + 1) * columns;
                frame
                    .channels
                    .each_ref()
                    .map(|plane| plane[range.clone()].to_vec())
            })
            .flatten()
            .collect();
        let labels = frame.truth.labels.into_iter().map(u32::from).collect();
        Self {
            scan: ScanActual {
                width,
                height,
                pixel_size_um: request.pixel_size_um,
                dwell_ns: Some(request.dwell_ns),
                line_period_ns: None,
                bidirectional: true,
                strip_rows: height,
                channels: channels
                    .map(|name| ChannelInfo::counts(name, dish.instrument.bit_depth))
                    .to_vec(),
                clock_hz: 1,
                frames: Some(1),
                pacing: Pacing::Pulled,
            },
            samples,
            truth: Array2::from_shape_vec((height as usize, columns), labels).unwrap(),
        }
    }

    /// Rows `first_row` and on as a strip.
    pub(crate) fn strip(&self, first_row: u32, rows: u32) -> Strip {
        let row_samples = self.scan.width as usize * self.scan.channels.len();
        let range = first_row as usize * row_samples..(first_row + rows) as usize * row_samples;
        let mut samples = StripBuffer::detached(range.len());
        samples
            .resize(range.len())
            .unwrap()
            .copy_from_slice(&self.samples[range]);
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
                width: self.scan.width,
                channels: ChannelMask::all(self.scan.channels.len()),
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

    /// The cells that the stages find when the frame arrives in strips of these heights, over and over.
    pub(crate) fn segment(&self, config: &SegmentConfig, cut: &[u32]) -> Vec<Cell> {
        let names: Vec<ChannelName> = self
            .scan
            .channels
            .iter()
            .map(|channel| channel.name.clone())
            .collect();
        let (width, height) = (self.scan.width, self.scan.height);
        let mut segmenter =
            Segmenter::new(config, width, height, self.scan.pixel_size_um, &names).unwrap();
        let mut corrector = Corrector::new(&self.scan);
        let mut assembler = Assembler::new(&self.scan);
        let mut found = Vec::new();
        let mut cut = cut.iter().cycle();
        let mut row = 0;
        while row < height {
            let rows = (*cut.next().unwrap()).clamp(1, height - row);
            assembler.push(&self.strip(row, rows), |row| {
                segmenter.push_row(&corrector.apply(row), &mut found);
            });
            row += rows;
        }
        found
    }

    /// Cells as an image of labels, from 1.
    pub(crate) fn paint(&self, cells: &[Cell]) -> Array2<u32> {
        let mut labels = Array2::zeros(self.truth.dim());
        for (label, cell) in (1..).zip(cells) {
            for ((row, column), _) in cell.mask.indexed_iter().filter(|(_, inside)| **inside) {
                labels[[row + cell.bbox.y as usize, column + cell.bbox.x as usize]] = label;
            }
        }
        labels
    }
}
