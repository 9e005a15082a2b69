//! The classifier that sees the true phenotype, not the image: what a perfect network could at most do.
//!
//! Bayes' rule on the generative model: given severity, time and cell line all properties are
//! independent, so the likelihood of a phenotype is a sum over a grid of the three. Classes are equally
//! likely beforehand.

use super::{
    CellLine, Dish, Phenotype,
    phenotype::{
        DROPLETS, EFFECTS, LIPID_RICH, MITOTIC, SEVERITY, granules, irregular, line_factor,
        multinuclear, vacuolated,
    },
};

/// Points of the severity grid.
const GRID: usize = 60;

/// Probability that a cell of this phenotype is senescent when both classes are equally frequent.
///
/// A cell in mitosis is proliferating by definition.
pub fn oracle_p_senescent(phenotype: &Phenotype) -> f64 {
    if phenotype.mitotic {
        return 0.0;
    }
    let proliferating = (1.0 - MITOTIC) * likelihood(phenotype, 0);
    let senescent = likelihood(phenotype, 1);
    let sum = proliferating + senescent;
    if sum > 0.0 { senescent / sum } else { 0.5 }
}

/// Density of the phenotype in a class, up to a factor common to both.
fn likelihood(phenotype: &Phenotype, class: usize) -> f64 {
    let mut total = 0.0;
    for (hours, weight) in Dish::all_hours() {
        for line in CellLine::ALL {
            for step in 0..GRID {
                let share = (step as f64 + 0.5) / GRID as f64;
                let severity = quantile(share, class);
                total += weight * at(phenotype, severity, hours, line, class);
            }
        }
    }
    total
}

/// Equal steps of probability become severities: the grid is dense where the class is.
fn quantile(share: f64, class: usize) -> f64 {
    let (a, b) = SEVERITY[class];
    libm::pow(1.0 - libm::pow(1.0 - share, 1.0 / b), 1.0 / a)
}

fn at(phenotype: &Phenotype, severity: f64, hours: f64, line: CellLine, class: usize) -> f64 {
    let mut log = 0.0;
    let mut mixture = 1.0;
    for (index, effect) in EFFECTS.iter().enumerate() {
        let center = effect.center(severity, hours) + libm::log(line_factor(index, line));
        let z = (libm::log((effect.of)(phenotype).max(1e-3)) - center) / effect.spread;
        if index == DROPLETS && class == 0 {
            let rich = z - libm::log(LIPID_RICH.1) / effect.spread;
            mixture = (1.0 - LIPID_RICH.0) * libm::exp(-0.5 * z * z)
                + LIPID_RICH.0 * libm::exp(-0.5 * rich * rich);
        } else {
            log -= 0.5 * z * z;
        }
    }
    let mean = granules(severity);
    log += f64::from(phenotype.granules) * libm::log(mean) - mean;
    let bernoulli = |yes: bool, p: f64| if yes { p } else { 1.0 - p };
    mixture
        * libm::exp(log)
        * bernoulli(phenotype.nuclei > 1, multinuclear(severity))
        * bernoulli(phenotype.irregular_nucleus, irregular(severity))
        * bernoulli(!phenotype.vacuoles_um.is_empty(), vacuolated(severity))
}
