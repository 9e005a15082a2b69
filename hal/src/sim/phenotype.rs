//! What a cell is: its class, its latent severity, and the properties drawn from it.
//!
//! Signs and time order of the effects come from the literature (footprint and flattening: Int. J. Mol.
//! Sci. 23:4168; dry mass, droplets and mitochondria: Bresci et al., Sci. Adv. 9:eadg6231 (2023);
//! nuclei: Mosieniak et al., Neoplasia 17:882 (2015); autofluorescence: Schaue et al., PLoS ONE 7:e32062
//! (2012); vacuoles: Ghislanzoni et al., Biosensors 13:973 (2023)). **Magnitudes are design choices; none
//! was measured on senescent cells.**
//!
//! Every continuous property is log-normal with a median that moves with severity; see [`EFFECTS`].

use serde::{Deserialize, Serialize};

use super::{CellLine, Dish, random::Stream};

/// The true class of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellClass {
    /// Cycling or able to.
    Proliferating,
    /// Therapy-induced senescent.
    Senescent,
}

impl CellClass {
    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proliferating => "proliferating",
            Self::Senescent => "senescent",
        }
    }
}

/// Why a cell is harder than others of its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HardCase {
    /// In mitosis: small, round, thick, without a nuclear outline.
    Mitotic,
    /// Not in the focal plane.
    OutOfFocus,
    /// A proliferating cell that stores lipid.
    LipidRich,
}

/// The true properties of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phenotype {
    /// Area that the cell wants to cover in µm².
    pub footprint_um2: f64,
    /// Greatest thickness in µm.
    pub height_um: f64,
    /// Ratio of the long to the short axis.
    pub elongation: f64,
    /// Density of dry mass against the median.
    pub density: f64,
    /// Number of nuclei.
    pub nuclei: u32,
    /// Area of one nucleus in µm².
    pub nucleus_um2: f64,
    /// Whether the nucleus is lobed or has micronuclei.
    pub irregular_nucleus: bool,
    /// Number of lipid droplets.
    pub droplets: u32,
    /// Median diameter of a droplet in µm.
    pub droplet_um: f64,
    /// Brightness of a droplet in SRS against the cell body.
    pub droplet_contrast: f64,
    /// Mean length of a mitochondrial branch in µm.
    pub branch_um: f64,
    /// Mitochondrial mass against the median.
    pub mitochondria: f64,
    /// Whether the mitochondria are clumped.
    pub clumped: bool,
    /// Diffuse autofluorescence against the median.
    pub autofluorescence: f64,
    /// Number of lipofuscin granules.
    pub granules: u32,
    /// Diameters of vacuoles in µm.
    pub vacuoles_um: Vec<f64>,
    /// Brightness in TPEF against the median, from the redox state: no cue.
    pub redox: f64,
    /// Rounded up for mitosis.
    pub mitotic: bool,
}

/// A log-normal property: ln x = ln median + severity × onset × effect + spread × normal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect {
    pub(super) median: f64,
    pub(super) effect: f64,
    pub(super) spread: f64,
    /// Hours at which the effect begins.
    pub(super) from_h: f64,
    pub(super) of: fn(&Phenotype) -> f64,
}

pub(super) const FOOTPRINT: usize = 0;
pub(super) const DROPLETS: usize = 3;

/// The continuous properties that severity moves.
pub(super) const EFFECTS: [Effect; 8] = [
    Effect {
        median: 430.0,
        effect: 1.20,
        spread: 0.20,
        from_h: 12.0,
        of: |p| p.footprint_um2,
    },
    Effect {
        median: 5.5,
        effect: -0.40,
        spread: 0.12,
        from_h: 12.0,
        of: |p| p.height_um,
    },
    Effect {
        median: 92.0,
        effect: 0.62,
        spread: 0.12,
        from_h: 12.0,
        of: |p| p.nucleus_um2,
    },
    Effect {
        median: 11.0,
        effect: 1.35,
        spread: 0.45,
        from_h: 48.0,
        of: |p| f64::from(p.droplets),
    },
    Effect {
        median: 0.48,
        effect: 0.65,
        spread: 0.15,
        from_h: 48.0,
        of: |p| p.droplet_um,
    },
    Effect {
        median: 2.6,
        effect: 0.85,
        spread: 0.22,
        from_h: 12.0,
        of: |p| p.branch_um,
    },
    Effect {
        median: 0.92,
        effect: 0.65,
        spread: 0.22,
        from_h: 12.0,
        of: |p| p.mitochondria,
    },
    Effect {
        median: 0.95,
        effect: 0.60,
        spread: 0.22,
        from_h: 12.0,
        of: |p| p.autofluorescence,
    },
];

impl Effect {
    /// How much of the effect has come at `hours`: a day after its beginning, all.
    pub(super) fn onset(&self, hours: f64) -> f64 {
        ((hours - self.from_h) / 24.0).clamp(0.0, 1.0)
    }

    /// ln of the median at a severity.
    pub(super) fn center(&self, severity: f64, hours: f64) -> f64 {
        libm::log(self.median) + severity * self.onset(hours) * self.effect
    }
}

/// Factor of property `index` that belongs to the cell line.
pub(super) fn line_factor(index: usize, line: CellLine) -> f64 {
    match index {
        FOOTPRINT => line.footprint(),
        DROPLETS => line.droplets(),
        _ => 1.0,
    }
}

/// Probability of two or more nuclei.
pub(super) fn multinuclear(severity: f64) -> f64 {
    0.035 + 0.40 * severity * severity
}

/// Probability of a lobed nucleus or micronuclei.
pub(super) fn irregular(severity: f64) -> f64 {
    0.01 + 0.24 * severity * severity
}

/// Probability of vacuoles.
pub(super) fn vacuolated(severity: f64) -> f64 {
    0.015 + 0.25 * severity * severity
}

/// Mean number of lipofuscin granules.
pub(super) fn granules(severity: f64) -> f64 {
    libm::exp(0.1 + 2.8 * severity)
}

/// Probability of mitosis of a proliferating cell.
pub(super) const MITOTIC: f64 = 0.05;
/// Probability that a proliferating cell stores lipid, and by how much the droplets are multiplied.
pub(super) const LIPID_RICH: (f64, f64) = (0.06, 3.0);
/// Probability that a cell is out of focus.
const OUT_OF_FOCUS: f64 = 0.05;

/// Shapes of the severity of the two classes (Kumaraswamy), proliferating first.
pub(super) const SEVERITY: [(f64, f64); 2] = [(1.15, 11.0), (4.5, 1.9)];

/// Draws class, severity, phenotype and hard case of a cell of `dish`.
pub(super) fn draw(
    dish: &Dish,
    random: &mut Stream,
) -> (CellClass, f64, Phenotype, Option<HardCase>) {
    let senescent = random.chance(dish.senescent_fraction);
    let class = if senescent {
        CellClass::Senescent
    } else {
        CellClass::Proliferating
    };
    let (a, b) = SEVERITY[usize::from(senescent)];
    let severity = random.kumaraswamy(a, b);
    // A cell that is senescent without treatment became so long ago.
    let hours = if dish.treated { dish.hours } else { 168.0 };
    let mut values = [0.0; EFFECTS.len()];
    for (index, (value, effect)) in values.iter_mut().zip(&EFFECTS).enumerate() {
        let center = effect.center(severity, hours) + libm::log(line_factor(index, dish.line));
        *value = libm::exp(center + effect.spread * random.normal());
    }
    let [
        footprint_um2,
        height_um,
        nucleus_um2,
        droplets,
        droplet_um,
        branch_um,
        mitochondria,
        autofluorescence,
    ] = values;
    let nuclei = if random.chance(multinuclear(severity)) {
        2 + u32::from(random.chance(0.15))
    } else {
        1
    };
    let vacuoles = if random.chance(vacuolated(severity)) {
        1 + random.index(3)
    } else {
        0
    };
    let mut phenotype = Phenotype {
        footprint_um2,
        height_um,
        elongation: 1.0 + (dish.line.elongation() - 1.0) * random.log_normal(1.0, 0.4),
        density: random.log_normal(1.0, 0.08),
        nuclei,
        nucleus_um2: nucleus_um2.min(0.3 * footprint_um2 / f64::from(nuclei)),
        irregular_nucleus: random.chance(irregular(severity)),
        droplets: droplets.round().clamp(1.0, 200.0) as u32,
        droplet_um,
        droplet_contrast: random.range(4.0, 10.0),
        branch_um,
        mitochondria,
        clumped: random.chance(0.08 + 0.2 * severity),
        autofluorescence,
        granules: random.poisson(granules(severity)) as u32,
        vacuoles_um: (0..vacuoles)
            .map(|_| random.log_range(4.0, 15.0).min(0.45 * footprint_um2.sqrt()))
            .collect(),
        redox: random.range(0.9, 1.1),
        mitotic: false,
    };
    let mitotic = random.chance(MITOTIC);
    let lipid_rich = random.chance(LIPID_RICH.0);
    let out_of_focus = random.chance(OUT_OF_FOCUS);
    let hard = if !senescent && mitotic {
        phenotype.round_up();
        Some(HardCase::Mitotic)
    } else if !senescent && lipid_rich {
        phenotype.droplets = (f64::from(phenotype.droplets) * LIPID_RICH.1).min(200.0) as u32;
        Some(HardCase::LipidRich)
    } else {
        out_of_focus.then_some(HardCase::OutOfFocus)
    };
    (class, severity, phenotype, hard)
}

impl Phenotype {
    fn round_up(&mut self) {
        self.mitotic = true;
        self.footprint_um2 *= 0.5;
        self.height_um *= 2.2;
        self.elongation = 1.0 + 0.2 * (self.elongation - 1.0);
        self.nuclei = 1;
        self.irregular_nucleus = false;
        self.vacuoles_um.clear();
    }

    /// Volume in µm³ of the rendered profile, to about a tenth.
    pub fn volume_um3(&self) -> f64 {
        0.5 * self.footprint_um2 * self.height_um
    }

    /// Dry mass against a cell of median density of 1000 µm³.
    pub fn dry_mass(&self) -> f64 {
        self.volume_um3() * self.density / 1000.0
    }
}
