//! What a simulated microscope is: optics, detectors and scanner, with their ranges.
//!
//! An instrument is drawn from the dish's seed and from nothing else: no property of it depends on the
//! class of any cell. All counts are those of the digitiser.

use serde::{Deserialize, Serialize};

use super::random::{Purpose, Stream};

/// Stimulated Raman scattering by lock-in detection.
///
/// Noise model: Moester et al., J. Eur. Opt. Soc. Rapid Publ. 10:15022 (2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SrsDetector {
    /// Counts of a thick cell body above the medium.
    pub gain_counts: f64,
    /// Counts without light.
    pub offset_counts: f64,
    /// Cross-phase modulation and solvent, as a fraction of a thick cell body.
    pub background: f64,
    /// Shot noise of the detected beam in one pixel, as a fraction of a thick cell body.
    pub shot_noise: f64,
    /// All noise over shot noise in amplitude: the root of 1 to 5 in power.
    pub excess_noise: f64,
    /// Poles of the lock-in's low-pass filter.
    pub filter_poles: u32,
    /// Time constant of one pole in pixels of dwell.
    pub filter_dwells: f64,
}

/// Two-photon excited fluorescence by a photomultiplier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpefDetector {
    /// Photons a pixel of mitochondria-rich cytoplasm at the instrument's own dwell.
    pub photons: f64,
    /// Counts a photon.
    pub gain_counts: f64,
    /// Counts without light.
    pub offset_counts: f64,
    /// Photons a pixel of the medium.
    pub background_photons: f64,
    /// Excess noise factor of the multiplication, 1.2 to 1.5.
    pub excess_noise: f64,
    /// Fraction of the fluorescence lost from the top to the bottom of a frame.
    pub bleaching: f64,
    /// Fraction of the SRS image that leaks in as CARS.
    pub cars_bleed: f64,
    /// Displacement against SRS in pixels, x and y.
    pub chromatic_px: (f64, f64),
}

/// Transmission by a photodiode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransDetector {
    /// Counts of the empty field.
    pub level_counts: f64,
    /// Counts without light.
    pub offset_counts: f64,
    /// Contrast of phase by defocus: weight of ∇²φ in µm².
    pub alpha_um2: f64,
    /// Contrast of phase by an oblique condenser: weight of ∂φ in µm, x and y.
    pub beta_um: (f64, f64),
    /// Laser intensity noise of a pixel, as a fraction of the level.
    pub noise: f64,
    /// Correlation of that noise from pixel to pixel along the line.
    pub correlation: f64,
}

/// A simulated microscope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// Samples in a row by default.
    pub width: u32,
    /// Rows in a frame by default.
    pub height: u32,
    /// Edge of a pixel in µm by default.
    pub pixel_size_um: f64,
    /// Time a pixel in nanoseconds by default.
    pub dwell_ns: u64,
    /// Turning time of a line over its imaging time, 0.1 to 0.2.
    pub flyback: f64,
    /// True bits of the digitiser.
    pub bit_depth: u8,
    /// Lateral full width at half maximum in µm.
    pub psf_lateral_um: f64,
    /// Axial full width at half maximum in µm.
    pub psf_axial_um: f64,
    /// Standard deviation of the focus from field to field in µm.
    pub focus_sigma_um: f64,
    /// Shift of return lines against forward lines in pixels.
    pub phase_offset_px: f64,
    /// Standard deviation of the start of a line in pixels, common to all channels.
    pub jitter_px: f64,
    /// Loss of signal at the corner of the frame, as a fraction.
    pub vignetting: f64,
    /// Standard deviation of the slow change of power over a frame, as a fraction.
    pub power_drift: f64,
    /// Standard deviation from line to line of the power, as a fraction.
    pub stripes: f64,
    /// Speed of the stage in µm a minute, x and y.
    pub drift_um_per_min: (f64, f64),
    /// Stimulated Raman scattering.
    pub srs: SrsDetector,
    /// Two-photon fluorescence.
    pub tpef: TpefDetector,
    /// Transmission.
    pub trans: TransDetector,
}

impl Instrument {
    /// The instrument of a seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut draw = Stream::new(seed, Purpose::Instrument, 0, 0);
        let bit_depth = 12 + draw.index(3) as u8;
        let full = f64::from((1_u32 << bit_depth) - 1);
        let pixel_size_um = (draw.log_range(0.1, 0.4) * 1000.0).round() / 1000.0;
        let field_um = draw.range(95.0, 170.0);
        let samples = (field_um / pixel_size_um / 32.0).round() * 32.0;
        let samples = samples.clamp(256.0, 1024.0) as u32;
        let dwell_ns = (draw.log_range(1.0, 50.0) * 10.0).round() as u64 * 100;
        let body = full * draw.log_range(0.03, 0.09);
        let gain_counts = full * draw.log_range(0.004, 0.012);
        let direction = draw.range(0.0, core::f64::consts::TAU);
        let beta = draw.range(0.0, 0.25);
        let drift = draw.log_range(0.05, 0.5);
        let drift_direction = draw.range(0.0, core::f64::consts::TAU);
        let polarity = if draw.chance(0.5) { 1.0 } else { -1.0 };
        Self {
            width: samples,
            height: samples,
            pixel_size_um,
            dwell_ns,
            flyback: draw.range(0.10, 0.20),
            bit_depth,
            psf_lateral_um: draw.range(0.30, 0.45),
            psf_axial_um: draw.range(1.0, 1.8),
            focus_sigma_um: 1.0,
            phase_offset_px: polarity * draw.log_normal(0.8, 0.6).min(5.0),
            jitter_px: draw.log_range(0.1, 0.4),
            vignetting: draw.log_range(0.05, 0.40),
            power_drift: draw.range(0.01, 0.05),
            stripes: draw.log_range(0.002, 0.01),
            drift_um_per_min: (
                drift * libm::cos(drift_direction),
                drift * libm::sin(drift_direction),
            ),
            srs: SrsDetector {
                gain_counts: body,
                offset_counts: full * draw.range(0.03, 0.10),
                background: draw.range(0.05, 0.40),
                shot_noise: draw.log_range(0.03, 0.08),
                excess_noise: draw.log_range(1.0, 5.0).sqrt(),
                filter_poles: 1 + draw.index(4) as u32,
                filter_dwells: draw.range(0.15, 0.45),
            },
            tpef: TpefDetector {
                photons: draw.log_range(2.0, 20.0),
                gain_counts,
                offset_counts: full * draw.range(0.005, 0.05),
                background_photons: draw.log_range(0.05, 0.4),
                excess_noise: draw.range(1.2, 1.5),
                bleaching: draw.range(0.002, 0.01),
                cars_bleed: draw.range(0.0, 0.03),
                chromatic_px: (draw.range(-1.4, 1.4), draw.range(-1.4, 1.4)),
            },
            trans: TransDetector {
                level_counts: full * draw.range(0.35, 0.70),
                offset_counts: full * draw.range(0.005, 0.03),
                alpha_um2: draw.range(0.10, 0.35),
                beta_um: (beta * libm::cos(direction), beta * libm::sin(direction)),
                noise: draw.log_range(0.002, 0.01),
                correlation: draw.range(0.2, 0.9),
            },
        }
    }

    /// Time from row to row in nanoseconds for rows of `width` samples.
    pub fn line_period_ns(&self, width: u32, dwell_ns: u64) -> u64 {
        let imaging = u64::from(width) * dwell_ns;
        imaging + (imaging as f64 * self.flyback) as u64
    }

    /// The largest sample of the digitiser.
    pub fn full_scale(&self) -> u16 {
        u16::try_from((1_u32 << self.bit_depth.min(16)) - 1).unwrap_or(u16::MAX)
    }
}
