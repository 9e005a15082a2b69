//! A dish: cell line × treatment × time × instrument, all drawn from one seed.

use serde::{Deserialize, Serialize};

use super::{
    Instrument,
    random::{Purpose, Stream},
};

/// Cell lines differ in size, shape and how they cluster, never in what senescence does to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellLine {
    /// Epithelial: roundish cells in islands.
    Epithelial,
    /// Mesenchymal: elongated cells, loosely spread.
    Mesenchymal,
    /// Hepatic: compact, rich in droplets.
    Hepatic,
}

impl CellLine {
    /// All lines.
    pub const ALL: [Self; 3] = [Self::Epithelial, Self::Mesenchymal, Self::Hepatic];

    /// Median footprint against the mean of the lines.
    pub(super) fn footprint(self) -> f64 {
        match self {
            Self::Epithelial => 1.0,
            Self::Mesenchymal => 1.10,
            Self::Hepatic => 0.92,
        }
    }

    /// Median number of lipid droplets against the mean of the lines.
    pub(super) fn droplets(self) -> f64 {
        match self {
            Self::Epithelial | Self::Mesenchymal => 0.95,
            Self::Hepatic => 1.25,
        }
    }

    /// Median ratio of the long to the short axis.
    pub(super) fn elongation(self) -> f64 {
        match self {
            Self::Epithelial => 1.25,
            Self::Mesenchymal => 1.9,
            Self::Hepatic => 1.2,
        }
    }
}

/// Times after treatment in hours, with their weights. 24 h is rare: most effects have not begun.
const HOURS: [(f64, f64); 6] = [
    (24.0, 0.05),
    (48.0, 0.15),
    (72.0, 0.25),
    (96.0, 0.25),
    (120.0, 0.15),
    (168.0, 0.15),
];

/// A dish and the microscope it is seen with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dish {
    /// The seed that everything is drawn from.
    pub seed: u64,
    /// Cell line.
    pub line: CellLine,
    /// Whether a therapy was given that induces senescence.
    pub treated: bool,
    /// Hours in culture since the (sham) treatment.
    pub hours: f64,
    /// Fraction of the cells that are senescent.
    pub senescent_fraction: f64,
    /// Fraction of the area that cells cover on average, 0 to 0.9.
    pub confluence: f64,
    /// Probability that a cell settles beside another one, 0 to 1.
    pub clustering: f64,
    /// The microscope.
    pub instrument: Instrument,
}

impl Dish {
    /// The dish of a seed.
    ///
    /// Control dishes have 2–10 % senescent cells and treated dishes 55–85 %; treated dishes are
    /// somewhat more frequent, so that a set of many dishes has about as many cells of either class.
    pub fn from_seed(seed: u64) -> Self {
        let mut draw = Stream::new(seed, Purpose::Dish, 0, 0);
        let line = CellLine::ALL[draw.index(CellLine::ALL.len())];
        let treated = draw.chance(0.72);
        let senescent_fraction = if treated {
            draw.range(0.55, 0.85)
        } else {
            draw.range(0.02, 0.10)
        };
        let mut left = draw.unit();
        let mut hours = HOURS[0].0;
        for (time, weight) in HOURS {
            hours = time;
            if left < weight {
                break;
            }
            left -= weight;
        }
        Self {
            seed,
            line,
            treated,
            hours,
            senescent_fraction,
            confluence: draw.range(0.08, 0.70),
            clustering: draw.range(0.1, 0.9),
            instrument: Instrument::from_seed(seed),
        }
    }

    /// The times after treatment that occur.
    pub(super) fn all_hours() -> impl Iterator<Item = (f64, f64)> {
        HOURS.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_survives_json() {
        let dish = Dish::from_seed(3);
        let text = serde_json::to_string(&dish).unwrap();
        let read: Dish = serde_json::from_str(&text).unwrap();
        // JSON may lose the last bit of a number; the seed gives it back.
        assert_eq!(Dish::from_seed(read.seed), dish);
        assert_eq!((read.line, read.treated), (dish.line, dish.treated));
    }

    #[test]
    fn ranges_hold_and_the_instrument_does_not_know_the_treatment() {
        let dishes: Vec<Dish> = (0..4000).map(Dish::from_seed).collect();
        let mean = |treated: bool, of: fn(&Instrument) -> f64| {
            let values: Vec<f64> = dishes
                .iter()
                .filter(|dish| dish.treated == treated)
                .map(|dish| of(&dish.instrument))
                .collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            (mean, variance / n)
        };
        let properties: [fn(&Instrument) -> f64; 8] = [
            |i| i.pixel_size_um,
            |i| f64::from(i.width),
            |i| i.srs.gain_counts / f64::from(i.full_scale()),
            |i| i.tpef.photons,
            |i| i.tpef.gain_counts / f64::from(i.full_scale()),
            |i| i.trans.level_counts / f64::from(i.full_scale()),
            |i| i.srs.shot_noise,
            |i| i.vignetting,
        ];
        for (index, property) in properties.into_iter().enumerate() {
            let (a, va) = mean(true, property);
            let (b, vb) = mean(false, property);
            let z = (a - b) / (va + vb).sqrt();
            assert!(z.abs() < 4.0, "property {index} differs by {z} deviations");
        }
        for dish in &dishes {
            let i = &dish.instrument;
            assert!((0.1..=0.4).contains(&i.pixel_size_um));
            assert!((256..=1024).contains(&i.width));
            assert!((1_000..=50_000).contains(&i.dwell_ns));
            assert!((12..=14).contains(&i.bit_depth));
            assert!(i.phase_offset_px.abs() <= 5.0);
        }
    }
}
