//! From answers to figures.

use std::collections::BTreeMap;

use super::{
    EvaluateError,
    bootstrap::Weights,
    curves, metrics,
    report::{
        ByBorder, ByClass, ByLabel, ConformalReport, Confusion, Difference, Oracle, Part, Roc,
    },
    sample::{Sample, Tested},
    scored::Scored,
};
use crate::{
    domain::Label,
    stages::infer::{Conformal, MemberEntry},
};

/// The oracle on the tiles where it is known; `None` when those do not suffice.
pub(super) fn oracle(known: &Sample<'_>) -> Result<Option<Oracle>, EvaluateError> {
    if !known.resampling.sufficient() {
        return Ok(None);
    }
    let oracle = known.scored(|tile| tile.p_oracle);
    Ok(Some(Oracle {
        tiles: known.tiles.len(),
        metrics: metrics::judge(&oracle, &known.resampling)?,
        ensemble_minus_oracle: difference(known, &known.ensemble(), &oracle)?,
    }))
}

/// Accuracy of one predictor minus that of another, on the same resamples.
fn difference(
    sample: &Sample<'_>,
    one: &Scored,
    other: &Scored,
) -> Result<super::Figure, EvaluateError> {
    let [figure] = sample
        .resampling
        .figures(|weights| [metrics::accuracy(one, weights) - metrics::accuracy(other, weights)])?;
    Ok(figure)
}

/// Each member's tiles with its probability, in the manifest's order.
pub(super) fn members(sample: &Sample<'_>, members: &[MemberEntry]) -> Vec<(String, Scored)> {
    members
        .iter()
        .enumerate()
        .map(|(index, member)| {
            let scored = sample.scored(|tile| tile.answer.members.get(index).copied());
            (member.name.clone(), scored)
        })
        .collect()
}

/// The ensemble against the member of the greatest accuracy; of equal ones the first.
pub(super) fn against_best(
    sample: &Sample<'_>,
    ensemble: &Scored,
    members: &[(String, Scored)],
) -> Result<Difference, EvaluateError> {
    let best = members
        .iter()
        .map(|member| (metrics::accuracy(&member.1, &sample.ones), member))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    let Some((_, (name, scored))) = best else {
        return Err(EvaluateError::Defect);
    };
    Ok(Difference {
        member: name.clone(),
        accuracy: difference(sample, ensemble, scored)?,
    })
}

/// Cells wholly in the field and cells that its border cuts; `part` makes a sample of some tiles.
pub(super) fn by_border<'a>(
    part: impl Fn(&dyn Fn(&Tested) -> bool) -> Sample<'a>,
) -> Result<ByBorder, EvaluateError> {
    let judged = |cut: bool| {
        let sample = part(&|tile| tile.cut == cut);
        if !sample.resampling.sufficient() {
            return Ok(None);
        }
        let known = part(&|tile| tile.cut == cut && tile.p_oracle.is_some());
        Ok::<_, EvaluateError>(Some(Part {
            tiles: sample.tiles.len(),
            dishes: sample.resampling.dishes(),
            ensemble: metrics::judge(&sample.ensemble(), &sample.resampling)?,
            oracle: oracle(&known)?.map(|oracle| oracle.metrics),
        }))
    };
    Ok(ByBorder {
        whole: judged(false)?,
        cut_by_the_border: judged(true)?,
    })
}

pub(super) fn confusion(sample: &Sample<'_>) -> Confusion {
    let count = |chosen: &dyn Fn(&Tested) -> bool| {
        sample.tiles.iter().filter(|tile| chosen(tile)).count() as u32
    };
    let decided = |senescent| {
        let said =
            |found| count(&|tile| tile.senescent == senescent && (tile.answer.p >= 0.5) == found);
        ByClass {
            proliferating: said(false),
            senescent: said(true),
        }
    };
    let published = |senescent| {
        labels(|label| count(&|tile| tile.senescent == senescent && tile.answer.label == label))
    };
    Confusion {
        decided: ByClass {
            proliferating: decided(false),
            senescent: decided(true),
        },
        published: ByClass {
            proliferating: published(false),
            senescent: published(true),
        },
    }
}

fn labels<T>(of: impl Fn(Label) -> T) -> ByLabel<T> {
    ByLabel {
        proliferating: of(Label::Proliferating),
        senescent: of(Label::Senescent),
        uncertain: of(Label::Uncertain),
        atypical: of(Label::Atypical),
    }
}

pub(super) fn conformal(
    sample: &Sample<'_>,
    stated: &Conformal,
) -> Result<ConformalReport, EvaluateError> {
    let share = |weights: &Weights, of: &dyn Fn(&Tested) -> Option<u32>| {
        let (mut sum, mut all) = (0_u64, 0_u64);
        for tile in &sample.tiles {
            if let Some(value) = of(tile) {
                let weight = u64::from(weights[tile.dish]);
                sum += weight * u64::from(value);
                all += weight;
            }
        }
        sum as f64 / all as f64
    };
    let covered = |weights: &Weights, senescent: bool| {
        share(weights, &|tile| {
            let covered = tile.answer.set[usize::from(senescent)];
            (tile.senescent == senescent).then_some(u32::from(covered))
        })
    };
    let labelled = |weights: &Weights, label: Label| {
        share(weights, &|tile| Some(u32::from(tile.answer.label == label)))
    };
    let [
        not,
        yes,
        size,
        proliferating,
        senescent,
        uncertain,
        atypical,
    ] = sample.resampling.figures(|weights| {
        [
            covered(weights, false),
            covered(weights, true),
            share(weights, &|tile| {
                Some(tile.answer.set.map(u32::from).iter().sum())
            }),
            labelled(weights, Label::Proliferating),
            labelled(weights, Label::Senescent),
            labelled(weights, Label::Uncertain),
            labelled(weights, Label::Atypical),
        ]
    })?;
    Ok(ConformalReport {
        stated_coverage: stated.coverage,
        limits: stated.limits,
        observed_coverage: ByClass {
            proliferating: not,
            senescent: yes,
        },
        mean_set_size: size,
        labels: ByLabel {
            proliferating,
            senescent,
            uncertain,
            atypical,
        },
    })
}

pub(super) fn roc(
    sample: &Sample<'_>,
    ensemble: &Scored,
    members: &[(String, Scored)],
    known: &Sample<'_>,
) -> Roc {
    let members: BTreeMap<_, _> = members
        .iter()
        .map(|(name, scored)| (name.clone(), curves::roc(scored, &sample.ones)))
        .collect();
    Roc {
        ensemble: curves::roc(ensemble, &sample.ones),
        members,
        oracle: known
            .resampling
            .sufficient()
            .then(|| curves::roc(&known.scored(|tile| tile.p_oracle), &known.ones)),
    }
}
