//! The files of the new ensemble, proved by the daemon's own check before they are published.

use std::collections::BTreeSet;

use ndarray::{Array, Dimension};
use senescope_hal::Clock;

use super::{Report, Settings, TrainError, json, npz, output::Output, reference::Reference};
use crate::{
    digest::sha256_hex,
    stages::infer::{DenseHead, Ensemble, FileEntry, Manifest, OodEntry, check_golden},
};

const MANIFEST: &str = "manifest.json";
const GOLDEN: &str = "golden.npz";
const REFERENCE: &str = "ood.npz";
const REPORT: &str = "training.json";

/// What is to be written beside the members.
pub(super) struct Content<'a> {
    /// Complete but for the files.
    pub(super) manifest: Manifest,
    pub(super) report: &'a Report,
    /// Bytes of the golden vectors.
    pub(super) golden: Vec<u8>,
    /// The reference of the training set with its limit.
    pub(super) reference: Option<(Reference, f64)>,
}

impl Content<'_> {
    /// Writes everything, loads it as the daemon does, runs all golden vectors, and publishes it.
    ///
    /// # Errors
    /// When a file cannot be written, or a member does not answer as its head was trained to.
    pub(super) fn write(
        mut self,
        mut output: Output,
        settings: &Settings,
        ensemble: &Ensemble,
        heads: &[DenseHead],
        clock: &dyn Clock,
    ) -> Result<(), TrainError> {
        let mut taken: BTreeSet<String> = [MANIFEST, GOLDEN, REFERENCE, REPORT]
            .map(str::to_owned)
            .into();
        let members = ensemble
            .members()
            .iter()
            .zip(heads)
            .zip(&mut self.manifest.members);
        for (number, ((member, head), entry)) in members.enumerate() {
            let bytes = member.with_head(&settings.backbones, head)?;
            if !taken.insert(entry.file.clone()) {
                entry.file = format!("member-{number}.onnx");
                taken.insert(entry.file.clone());
            }
            output.write(&entry.file, &bytes)?;
            entry.sha256 = sha256_hex(&bytes);
        }
        output.write(GOLDEN, &self.golden)?;
        self.manifest.golden = FileEntry {
            file: GOLDEN.to_owned(),
            sha256: sha256_hex(&self.golden),
        };
        self.manifest.ood = match &self.reference {
            Some((reference, limit)) => {
                let (mean, whitening) = (single(&reference.mean), single(&reference.whitening));
                let bytes = npz::archive(&[
                    ("mean".to_owned(), mean.view().into_dyn()),
                    ("whitening".to_owned(), whitening.view().into_dyn()),
                ])?;
                output.write(REFERENCE, &bytes)?;
                Some(OodEntry {
                    file: REFERENCE.to_owned(),
                    sha256: sha256_hex(&bytes),
                    limit: *limit,
                })
            }
            None => None,
        };
        output.write(REPORT, &json(self.report)?)?;
        output.write(MANIFEST, &json(&self.manifest)?)?;
        let written = Ensemble::load(output.partial(), &settings.engine, clock)?;
        check_golden(&written, usize::MAX)?;
        output.publish()
    }
}

fn single<D: Dimension>(array: &Array<f64, D>) -> Array<f32, D> {
    array.mapv(|value| value as f32)
}
