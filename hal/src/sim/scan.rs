//! The scanner: where the beam really is, and how much light it carries, row by row.

use super::{
    Instrument,
    random::{Purpose, Stream},
};

/// State of the scanner in one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowBeam {
    /// Displacement in pixels of image x.
    pub(super) dx: f64,
    /// Displacement in pixels of image y.
    pub(super) dy: f64,
    /// Laser power against its mean.
    pub(super) power: f64,
    /// The beam runs from right to left.
    pub(super) reversed: bool,
    /// Share of the frame that is done, 0 to 1.
    pub(super) share: f64,
}

/// The scanner during one frame.
pub(super) struct FrameScan<'a> {
    instrument: &'a Instrument,
    seed: u64,
    frame: u64,
    rows: f64,
    bidirectional: bool,
    /// Focus error of the field in µm.
    pub(super) defocus_um: f64,
    phase_px: f64,
    phase_drift_px: f64,
    drift_px: (f64, f64),
    wave: (f64, f64),
}

impl<'a> FrameScan<'a> {
    /// `frame_min` is the time of a frame in minutes.
    pub(super) fn new(
        instrument: &'a Instrument,
        seed: u64,
        frame: u64,
        rows: u32,
        pixel_um: f64,
        frame_min: f64,
        bidirectional: bool,
    ) -> Self {
        let mut draw = Stream::new(seed, Purpose::FrameOptics, frame, 0);
        let (drift_x, drift_y) = instrument.drift_um_per_min;
        let defocus_um = (instrument.focus_sigma_um * draw.normal()).clamp(-2.5, 2.5);
        // The mirror's phase wanders over minutes; it stays within its range.
        let phase_px = (instrument.phase_offset_px * (1.0 + 0.1 * libm::sin(0.13 * frame as f64)))
            .clamp(-5.0, 5.0);
        // Beyond the border of the maps nothing is known.
        let most = 2.0;
        Self {
            instrument,
            seed,
            frame,
            rows: f64::from(rows),
            bidirectional,
            defocus_um,
            phase_px,
            phase_drift_px: 0.05 * draw.normal(),
            drift_px: (
                (drift_x * frame_min / pixel_um).clamp(-most, most),
                (drift_y * frame_min / pixel_um).clamp(-most, most),
            ),
            wave: (
                draw.range(0.3, 1.3),
                draw.range(0.0, core::f64::consts::TAU),
            ),
        }
    }

    pub(super) fn row(&self, row: u32) -> RowBeam {
        let mut draw = Stream::new(self.seed, Purpose::RowGeometry, self.frame, u64::from(row));
        let share = f64::from(row) / self.rows;
        let reversed = self.bidirectional && row % 2 == 1;
        let jitter = (self.instrument.jitter_px * draw.normal()).clamp(-2.0, 2.0);
        let phase = if self.bidirectional {
            0.5 * (self.phase_px + self.phase_drift_px * share)
        } else {
            0.0
        };
        let slow = libm::sin(core::f64::consts::TAU * self.wave.0 * share + self.wave.1);
        RowBeam {
            dx: jitter + if reversed { -phase } else { phase } + self.drift_px.0 * share,
            dy: self.drift_px.1 * share,
            power: (1.0
                + self.instrument.power_drift * slow
                + self.instrument.stripes * draw.normal())
            .max(0.1),
            reversed,
            share,
        }
    }
}
