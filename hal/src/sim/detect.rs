//! Three detectors: from what the sample gives to the counts of one row.
//!
//! Each has its own stream of noise for each row, so that a row is the same whichever rows were asked
//! for before it. Rows come and go in image order.

use super::{
    Instrument,
    faults::RowFaults,
    random::{Purpose, Stream},
    scan::RowBeam,
};

/// Pulses a second of the laser: a photomultiplier counts one photon a pulse at most.
const PULSES_PER_S: f64 = 80e6;

/// What the detectors need to know of a frame.
pub(super) struct Detectors<'a> {
    pub(super) instrument: &'a Instrument,
    pub(super) seed: u64,
    pub(super) frame: u64,
    pub(super) dwell_ns: u64,
    /// White noise is scaled by this, so that it has its nominal size behind the lock-in's filter.
    filter_gain: f64,
}

impl<'a> Detectors<'a> {
    pub(super) fn new(instrument: &'a Instrument, seed: u64, frame: u64, dwell_ns: u64) -> Self {
        let mut impulse = vec![0.0; 64];
        if let Some(first) = impulse.first_mut() {
            *first = 1.0;
        }
        low_pass(instrument, &mut impulse, 0.0);
        let power: f64 = impulse.iter().map(|value| value * value).sum();
        Self {
            instrument,
            seed,
            frame,
            dwell_ns,
            filter_gain: power.sqrt().max(0.05),
        }
    }

    fn stream(&self, purpose: Purpose, row: u32) -> Stream {
        Stream::new(self.seed, purpose, self.frame, u64::from(row))
    }

    /// Time a pixel against the instrument's own.
    fn dwell_ratio(&self) -> f64 {
        self.dwell_ns as f64 / self.instrument.dwell_ns as f64
    }

    fn count(&self, value: f64, stuck: u16) -> u16 {
        let full = self.instrument.full_scale();
        let count = value.round().clamp(0.0, f64::from(full)) as u16;
        (count | stuck) & full
    }

    /// Lock-in counts from `signal`, the sample in fractions of a cell body, and `gain`, the light of
    /// each pixel.
    pub(super) fn srs(
        &self,
        row: u32,
        beam: RowBeam,
        faults: RowFaults,
        signal: &[f32],
        gain: &[f32],
        out: &mut [u16],
    ) {
        let detector = &self.instrument.srs;
        let mut random = self.stream(Purpose::Srs, row);
        let noise = detector.shot_noise * detector.excess_noise
            / self.dwell_ratio().sqrt()
            / self.filter_gain;
        let power2 = beam.power * beam.power;
        let dark = faults.lost_overlap || faults.blocked;
        let mut path: Vec<f64> = signal
            .iter()
            .zip(gain)
            .map(|(&signal, &gain)| {
                let light = if dark { 0.0 } else { f64::from(gain) * power2 };
                light * (f64::from(signal) + detector.background)
            })
            .collect();
        if beam.reversed {
            path.reverse();
        }
        let noise = if faults.blocked { 0.3 * noise } else { noise };
        let start = path.first().copied().unwrap_or(0.0);
        for value in &mut path {
            *value += noise * random.normal();
        }
        low_pass(self.instrument, &mut path, start);
        if beam.reversed {
            path.reverse();
        }
        for (sample, value) in out.iter_mut().zip(path) {
            *sample = self.count(
                detector.offset_counts + faults.gain * detector.gain_counts * value,
                faults.stuck,
            );
        }
    }

    /// Photomultiplier counts from `signal`, in fractions of mitochondria-rich cytoplasm and of the SRS
    /// image, of which a part leaks in as CARS.
    pub(super) fn tpef(
        &self,
        row: u32,
        beam: RowBeam,
        faults: RowFaults,
        [signal, srs]: [&[f32]; 2],
        gain: &[f32],
        out: &mut [u16],
    ) {
        let detector = &self.instrument.tpef;
        let mut random = self.stream(Purpose::Tpef, row);
        let dwell = self.dwell_ratio();
        let bleached = 1.0 - detector.bleaching * beam.share;
        let most = PULSES_PER_S * self.dwell_ns as f64 * 1e-9;
        let excess = (detector.excess_noise - 1.0).max(0.0);
        let power2 = beam.power * beam.power;
        for (((sample, &signal), &srs), &gain) in out.iter_mut().zip(signal).zip(srs).zip(gain) {
            let light = f64::from(gain) * power2 * dwell;
            let mean = light
                * (detector.photons
                    * (bleached * f64::from(signal).max(0.0)
                        + detector.cars_bleed * f64::from(srs).max(0.0))
                    + detector.background_photons);
            let photons = random
                .poisson(if faults.blocked { 0.0 } else { mean })
                .min(most);
            let pulses = photons + (photons * excess).sqrt() * random.normal();
            let value = if faults.pmt_saturation {
                f64::from(u16::MAX)
            } else if faults.pmt_trip {
                detector.offset_counts + 0.5 * random.normal()
            } else {
                detector.offset_counts + faults.gain * detector.gain_counts * pulses
            };
            *sample = self.count(value, faults.stuck);
        }
    }

    /// Photodiode counts from `signal`, the transmission against the empty field.
    pub(super) fn trans(
        &self,
        row: u32,
        beam: RowBeam,
        faults: RowFaults,
        signal: &[f32],
        gain: &[f32],
        out: &mut [u16],
    ) {
        let detector = &self.instrument.trans;
        let mut random = self.stream(Purpose::Trans, row);
        let keep = detector.correlation;
        let fresh = (1.0 - keep * keep).sqrt();
        let mut state = random.normal();
        let level = if faults.blocked {
            0.0
        } else {
            faults.gain * detector.level_counts
        };
        for ((sample, &signal), &gain) in out.iter_mut().zip(signal).zip(gain) {
            state = keep * state + fresh * random.normal();
            let light = f64::from(gain) * beam.power * (1.0 + detector.noise * state);
            *sample = self.count(
                detector.offset_counts + level * light * f64::from(signal),
                faults.stuck,
            );
        }
    }
}

/// The lock-in's filter along the path of the beam, from a beam that rested at `start`.
fn low_pass(instrument: &Instrument, path: &mut [f64], start: f64) {
    let take = 1.0 - libm::exp(-1.0 / instrument.srs.filter_dwells.max(0.05));
    for _ in 0..instrument.srs.filter_poles {
        let mut state = start;
        for value in path.iter_mut() {
            state += take * (*value - state);
            *value = state;
        }
    }
}
