//! The fields that an emulated board shows, rendered once for each scan.

use super::{EmulatorConfig, timeline::Rows};
use crate::{
    ChannelMask, StripFlags,
    sim::{RenderRequest, render},
    wire::{ActualForm, MAX_PAYLOAD, RecordHeader},
};

/// What every record of a run says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) boot: u64,
    pub(super) run: u32,
    pub(super) sequence: u64,
    pub(super) lost_rows: u32,
    pub(super) ticks: u64,
}

/// Rendered fields.
#[derive(Debug)]
pub(super) struct Scene {
    actual: ActualForm,
    full: u16,
    bit_depth: u8,
    /// Field × channel × row × column.
    fields: Vec<Vec<Vec<u16>>>,
}

impl Scene {
    /// Renders the fields of a scan; this takes about a second each.
    pub(super) fn render(config: &EmulatorConfig, actual: ActualForm) -> Self {
        let request = |frame| RenderRequest {
            frame,
            width: actual.width,
            height: actual.height,
            pixel_size_um: f64::from(actual.pixel_nm.unwrap_or(200)) / 1000.0,
            dwell_ns: actual.dwell_ns,
            bidirectional: actual.bidirectional,
            faults: Vec::new(),
        };
        let enabled = ChannelMask(actual.channels);
        let fields = (0..config.fields.max(1)).map(|field| {
            let rendered = render(&config.dish, &request(field)).channels;
            let channels = rendered.into_iter().enumerate();
            channels
                .filter(|(index, _)| enabled.has(*index))
                .map(|(_, plane)| plane)
                .collect()
        });
        Self {
            actual,
            full: config.dish.instrument.full_scale(),
            bit_depth: config.dish.instrument.bit_depth,
            fields: fields.collect(),
        }
    }

    /// The same fields for a run of another length.
    pub(super) fn of(self, frames: u64) -> Self {
        Self {
            actual: ActualForm {
                frames,
                ..self.actual
            },
            ..self
        }
    }

    /// The scan that was rendered.
    pub(super) fn actual(&self) -> &ActualForm {
        &self.actual
    }

    /// The record of `rows`; with `stuck`, its first channel is stuck at one value.
    pub(super) fn record(&self, rows: Rows, stamp: Stamp, stuck: bool) -> Vec<u8> {
        let width = self.actual.width as usize;
        let empty = Vec::new();
        let field = (rows.frame % self.fields.len() as u64) as usize;
        let planes = self.fields.get(field).unwrap_or(&empty);
        let mut samples = Vec::with_capacity(MAX_PAYLOAD / 2);
        for row in rows.first..rows.first + rows.rows {
            for plane in planes {
                let start = row as usize * width;
                let line = plane.get(start..start + width).unwrap_or_default();
                if self.actual.bidirectional && row % 2 == 1 {
                    samples.extend(line.iter().rev());
                } else {
                    samples.extend(line);
                }
            }
        }
        if stuck {
            for line in samples.chunks_mut(width).step_by(planes.len().max(1)) {
                line.fill(self.full / 2);
            }
        }
        let header = RecordHeader {
            run: stamp.run,
            boot: stamp.boot,
            sequence: stamp.sequence,
            frame: rows.frame as u32,
            field: rows.frame as u16,
            first_row: rows.first as u16,
            rows: rows.rows as u16,
            width: width as u16,
            channels: ChannelMask(self.actual.channels),
            bit_depth: self.bit_depth,
            odd_rows_reversed: self.actual.bidirectional,
            flags: StripFlags {
                saturated: samples.iter().any(|sample| *sample >= self.full),
                overrun: stamp.lost_rows > 0,
                last_of_frame: rows.first + rows.rows == u64::from(self.actual.height),
            },
            lost_rows: stamp.lost_rows,
            line_period_ns: u32::try_from(self.actual.line_ns).unwrap_or(0),
            ticks_first_row: stamp.ticks,
        };
        let mut record = Vec::new();
        if let Err(error) = header.write(&samples, &mut record) {
            tracing::error!(%error, "a strip of the emulated board cannot be written");
        }
        record
    }
}
