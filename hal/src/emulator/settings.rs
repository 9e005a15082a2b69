//! The settings of a scan, and what is achieved with them.

use super::EmulatorConfig;
use crate::Pacing;
use crate::{
    sim::{Speed, TransDetector},
    wire::{ActualForm, CapabilityForm, ChannelForm, MAX_PAYLOAD, Unit},
};

/// Ticks a second of the emulated clock: not that of the host's nanoseconds, so that nobody mixes them.
pub(super) const CLOCK_HZ: u64 = 10_000_000;
/// Largest edge of a frame in pixels: rendering takes about 80 bytes a pixel.
const MAX_EDGE: u32 = 2048;
const MAX_STRIP_ROWS: u32 = 64;
const CHANNELS: usize = 3;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    width: u32,
    height: u32,
    dwell_ns: u64,
    bidirectional: bool,
    strip_rows: u32,
    frames: u64,
    pixel_nm: u32,
    channels: u32,
    pub(super) external: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            width: 512,
            height: 512,
            dwell_ns: 20_000,
            bidirectional: true,
            strip_rows: 4,
            frames: 0,
            pixel_nm: 200,
            channels: (1 << CHANNELS) - 1,
            external: false,
        }
    }
}

/// What became of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Done,
    /// It is none.
    Unknown,
    /// Its value cannot be.
    Range,
    /// Its value is of another kind.
    Parameter,
}

pub(super) fn capability(config: &EmulatorConfig) -> CapabilityForm {
    let instrument = &config.dish.instrument;
    let channel = |name: &str, dark: f64, wavelength_nm| ChannelForm {
        name: name.to_owned(),
        bit_depth: instrument.bit_depth,
        dark_counts: Some(dark),
        wavelength_nm,
    };
    let TransDetector { offset_counts, .. } = instrument.trans;
    CapabilityForm {
        channels: vec![
            channel("SRS", instrument.srs.offset_counts, Some(797.0)),
            channel("TPEF", instrument.tpef.offset_counts, Some(460.0)),
            channel("TRANS", offset_counts, None),
        ],
        width: [16, MAX_EDGE],
        height: [16, MAX_EDGE],
        dwell_ns: [200, 1_000_000],
        strip_rows: [1, MAX_STRIP_ROWS],
        pixel_nm: Some([50, 1000]),
        bidirectional: true,
        clock_hz: CLOCK_HZ,
        ring_strips: config.ring_strips,
        pacing: match config.speed {
            Speed::Real(_) => Pacing::Live,
            Speed::AsFastAsPossible => Pacing::Pulled,
        },
        link: config.link,
    }
}

impl Settings {
    /// Does what `unit` asks for, when it is a setting.
    pub(super) fn set(&mut self, unit: &Unit<'_>, can: &CapabilityForm) -> Set {
        fn within<T: PartialOrd + std::str::FromStr>(
            unit: &Unit<'_>,
            place: &mut T,
            [least, most]: [T; 2],
        ) -> Set {
            match unit.number::<T>() {
                None => Set::Parameter,
                Some(value) if value < least || value > most => Set::Range,
                Some(value) => {
                    *place = value;
                    Set::Done
                }
            }
        }
        if unit.is("SCAN:WIDTh") {
            within(unit, &mut self.width, can.width)
        } else if unit.is("SCAN:HEIGht") {
            within(unit, &mut self.height, can.height)
        } else if unit.is("SCAN:DWELl") {
            within(unit, &mut self.dwell_ns, can.dwell_ns)
        } else if unit.is("SCAN:LINes:STRip") {
            within(unit, &mut self.strip_rows, can.strip_rows)
        } else if unit.is("SCAN:FRAMes") {
            within(unit, &mut self.frames, [0, u64::from(u32::MAX)])
        } else if unit.is("SCAN:PIXel") {
            within(unit, &mut self.pixel_nm, can.pixel_nm.unwrap_or([1, 0]))
        } else if unit.is("SENSe:CHANnel:ENABle") {
            within(unit, &mut self.channels, [1, (1 << CHANNELS) - 1])
        } else if unit.is("SCAN:BIDirectional") {
            word(
                unit,
                &mut self.bidirectional,
                &[("ON", true), ("1", true), ("OFF", false), ("0", false)],
            )
        } else if unit.is("TRIGger:SOURce") {
            let words = [
                ("IMM", false),
                ("IMMEDIATE", false),
                ("EXT", true),
                ("EXTERNAL", true),
            ];
            word(unit, &mut self.external, &words)
        } else {
            Set::Unknown
        }
    }

    /// What these settings come to.
    pub(super) fn actual(&self, config: &EmulatorConfig) -> ActualForm {
        let line_ns = config
            .dish
            .instrument
            .line_period_ns(self.width, self.dwell_ns);
        let row_bytes = self.width * self.channels.count_ones() * 2;
        ActualForm {
            width: self.width,
            height: self.height,
            dwell_ns: self.dwell_ns,
            line_ns: match config.speed {
                Speed::Real(times) => (line_ns as f64 / times.max(1e-3)) as u64,
                Speed::AsFastAsPossible => line_ns,
            }
            .max(1),
            strip_rows: self
                .strip_rows
                .min(self.height)
                .min(MAX_PAYLOAD as u32 / row_bytes),
            bidirectional: self.bidirectional,
            channels: self.channels,
            frames: self.frames,
            pixel_nm: Some(self.pixel_nm),
        }
    }
}

fn word(unit: &Unit<'_>, place: &mut bool, words: &[(&str, bool)]) -> Set {
    let [given] = unit.parameters.as_slice() else {
        return Set::Parameter;
    };
    match words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(given))
    {
        Some((_, value)) => {
            *place = *value;
            Set::Done
        }
        None => Set::Parameter,
    }
}
