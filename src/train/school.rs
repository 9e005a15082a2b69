//! All members in turn, and what is to be said of them.

use super::{
    Asked, CrossValidated, Figures, MemberReport, Progress, Report, Settings, Step, TrainError,
    calibrate::{calibrate, crossed, of_mean},
    features::{Views, features},
    folds::Folds,
    judge::negative_log_likelihood,
    members::{Course, log_odds},
    survey::{FEW_TILES, TrainingSet},
};
use crate::{
    stages::infer::{DenseHead, Ensemble},
    tiles_folder::TileFolder,
};

/// What all members learn from.
pub(super) struct School<'a> {
    pub(super) settings: &'a Settings,
    pub(super) ensemble: &'a Ensemble,
    pub(super) set: &'a TrainingSet,
    pub(super) folds: &'a Folds,
    pub(super) progress: &'a Progress<'a>,
}

/// What was found of all members.
pub(super) struct Taught {
    pub(super) heads: Vec<DenseHead>,
    members: Vec<MemberReport>,
    /// Log-odds of senescence of each tile by the ensemble as it was.
    before: Vec<f64>,
    /// Log-odds of senescence of each tile by the retrained heads that had not seen its fold.
    unseen: Vec<f64>,
}

impl School<'_> {
    fn senescent(&self) -> Vec<bool> {
        self.set.tiles.iter().map(|tile| tile.senescent).collect()
    }

    /// Trains the heads of every member.
    pub(super) fn members(&self, folder: &mut TileFolder) -> Result<Taught, TrainError> {
        let settings = self.settings;
        let senescent = self.ensemble.manifest().senescent();
        let tiles = self.set.tiles.len();
        let (mut heads, mut members) = (Vec::new(), Vec::new());
        let mut before = vec![Vec::new(); tiles];
        let mut unseen = vec![Vec::new(); tiles];
        let all = self.ensemble.members().len();
        for (number, member) in self.ensemble.members().iter().enumerate() {
            let name = &member.entry().name;
            let part = |what: &str| format!("{name} ({} of {all}): {what}", number + 1);
            (self.progress)(Step::Begin(part("features"), tiles));
            let views = Views {
                count: settings.views,
                seed: settings.seed,
            };
            let (features, logits) =
                features(folder, self.set, member, views, settings.threads, || {
                    (self.progress)(Step::Done);
                })?;
            (self.progress)(Step::Begin(part("heads"), self.folds.count + 1));
            let course = Course {
                set: self.set,
                folds: self.folds,
                features: &features,
                senescent,
                member: number,
                hidden: settings.hidden,
                seed: settings.seed,
            };
            let trained = course.run(settings.threads, || (self.progress)(Step::Done))?;
            for (place, logits) in logits.iter().enumerate() {
                before[place].push(log_odds(logits.map(f64::from), senescent));
                unseen[place].push(trained.odds[place]);
            }
            members.push(MemberReport {
                name: name.clone(),
                features: features.pooled.ncols(),
                cross_validated: Figures::of(&trained.odds, &self.senescent()),
                stopping_fold: self.folds.stop(number, None),
                training: trained.history,
            });
            heads.push(trained.head);
        }
        let mean = |odds: Vec<Vec<f64>>| odds.iter().map(|odds| of_mean(odds)).collect();
        Ok(Taught {
            heads,
            members,
            before: mean(before),
            unseen: mean(unseen),
        })
    }

    /// What is to be said of the result.
    pub(super) fn report(&self, taught: &Taught, sha256: &str, ood_limit: Option<f64>) -> Report {
        let Self {
            settings,
            set,
            folds,
            ..
        } = self;
        let (odds, senescent) = (&taught.unseen, self.senescent());
        let calibration = calibrate(odds, &senescent, settings.coverage);
        let manifest = self.ensemble.manifest();
        Report {
            format: 1,
            settings: Asked {
                views: settings.views,
                hidden: settings.hidden,
                seed: settings.seed,
                simulated: settings.simulated,
            },
            backbones: format!("{} {}", manifest.name, manifest.version),
            backbones_digest: self.ensemble.digest().to_owned(),
            tiles_sha256: sha256.to_owned(),
            proliferating: set.counts(false),
            senescent: set.counts(true),
            unlabelled: set.unlabelled,
            folds: (0..folds.count)
                .map(|fold| {
                    let dishes = set.dishes.iter().zip(&folds.of_dish);
                    dishes
                        .filter(|(_, of)| **of == fold)
                        .map(|(name, _)| name.clone())
                        .collect()
                })
                .collect(),
            before: Figures::of(&taught.before, &senescent),
            cross_validated: self.cross_validated(odds, &senescent),
            members: taught.members.clone(),
            temperature: calibration.temperature,
            calibrated_negative_log_likelihood: negative_log_likelihood(
                odds,
                &senescent,
                calibration.temperature,
            ),
            coverage: settings.coverage,
            limits: calibration.limits,
            sets: crossed(odds, &senescent, set, folds, settings.coverage),
            ood_limit,
            warnings: self.warnings(sha256, ood_limit),
        }
    }

    fn cross_validated(&self, odds: &[f64], senescent: &[bool]) -> CrossValidated {
        let of = |places: Vec<usize>| {
            let (odds, classes): (Vec<f64>, Vec<bool>) = places
                .iter()
                .map(|place| (odds[*place], senescent[*place]))
                .unzip();
            Figures::of(&odds, &classes)
        };
        let folds: Vec<Figures> = (0..self.folds.count)
            .map(|fold| of(self.folds.places(self.set, |other| other == fold)))
            .collect();
        let areas: Option<Vec<f64>> = folds.iter().map(|figures| figures.auc).collect();
        let dishes = (0..self.set.dishes.len()).map(|dish| {
            let tiles = self.set.tiles.iter().enumerate();
            of(tiles
                .filter(|(_, tile)| tile.dish == dish)
                .map(|(place, _)| place)
                .collect())
            .accuracy
        });
        CrossValidated {
            all: Figures::of(odds, senescent),
            mean_auc: areas.map(|areas| areas.iter().sum::<f64>() / areas.len() as f64),
            mean_accuracy_of_dishes: dishes.sum::<f64>() / self.set.dishes.len().max(1) as f64,
            folds,
        }
    }

    fn warnings(&self, sha256: &str, ood_limit: Option<f64>) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, class) in [("proliferating", false), ("senescent", true)] {
            let count = self.set.counts(class).tiles;
            if count < FEW_TILES {
                warnings.push(format!(
                    "there are {count} {name} tiles; figures of fewer than {FEW_TILES} are rough"
                ));
            }
        }
        if self.ensemble.manifest().training.tiles_sha256 == sha256 {
            warnings.push(
                "the backbones were trained on these very tiles, so the figures are too good; judge on other \
                 dishes"
                    .to_owned(),
            );
        }
        if ood_limit.is_none() {
            warnings.push(
                "there are too few tiles to tell what is unlike them; the ensemble flags no cell as outside \
                 its training set"
                    .to_owned(),
            );
        }
        warnings
    }
}
