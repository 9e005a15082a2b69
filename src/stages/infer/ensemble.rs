//! An ensemble in memory.

use std::{fmt, path::Path, sync::Arc};

use ndarray::{ArrayView3, ArrayView4};
use senescope_hal::Clock;

use super::{
    DenseHead, Engine, EngineError, EngineOptions, EnsembleError, MANIFEST_LIMIT, Manifest,
    MemberEntry, MemberOutput, Plan, Timing, Transform, Trial,
    engine::tract::graft::graft,
    file::{read_bounded, read_verified},
    golden::Golden,
    ood::OodReference,
    select::{Selected, select},
    statistics::{Statistics, describe},
};
use crate::{digest::sha256_hex, domain::EngineId};

/// A loaded ensemble. Shared by threads.
pub struct Ensemble {
    manifest: Manifest,
    digest: String,
    engine: EngineId,
    engine_name: Arc<str>,
    trials: Vec<Trial>,
    members: Vec<Member>,
    ood: Option<OodReference>,
    golden: Golden,
}

/// One loaded network.
pub struct Member {
    pub(super) entry: MemberEntry,
    pub(super) engine: Box<dyn Engine>,
    pub(super) form: Option<(Transform, Option<Timing>)>,
}

impl Member {
    /// Its name, file and digest.
    pub fn entry(&self) -> &MemberEntry {
        &self.entry
    }

    /// The form in which the embedded library computes it; `None` when another library does.
    pub fn transform(&self) -> Option<Transform> {
        self.form.map(|(transform, _)| transform)
    }

    /// What the choice of the form was measured by; `None` when there was none to make.
    pub fn timing(&self) -> Option<Timing> {
        self.form.and_then(|(_, timing)| timing)
    }

    /// Features, rows and columns of its last map; `None` when it is used for labels only.
    pub fn features(&self) -> Option<[usize; 3]> {
        self.engine.features()
    }

    /// A state of its network for one thread.
    ///
    /// # Errors
    /// When the inference library cannot make one.
    pub fn plan(&self) -> Result<Box<dyn Plan>, EnsembleError> {
        let plan = self.engine.plan();
        plan.map_err(|source| failed(&self.entry.name, source))
    }

    /// The bytes of its ONNX file in `folder` with another head on its backbone.
    ///
    /// # Errors
    /// When the file cannot be read, was changed, does not give its features, or the head is for another
    /// number of features.
    pub fn with_head(&self, folder: &Path, head: &DenseHead) -> Result<Vec<u8>, EnsembleError> {
        let path = folder.join(&self.entry.file);
        let bytes = read_verified(&path, &self.entry.sha256)?;
        self.features()
            .ok_or_else(|| "gives no `features`, the last map of its backbone".to_owned())
            .and_then(|shape| graft(&bytes, head, shape))
            .map_err(|reason| EnsembleError::Member { path, reason })
    }
}

impl Ensemble {
    /// Reads the ensemble in `folder`: the manifest, then each file that it names, refused unless its
    /// digest is right. The golden vectors are read but not run: see [`check_golden`](super::check_golden).
    ///
    /// # Errors
    /// When a file is missing, too large, changed, or not of the form that the manifest says.
    pub fn load(
        folder: &Path,
        options: &EngineOptions,
        clock: &dyn Clock,
    ) -> Result<Self, EnsembleError> {
        let path = folder.join("manifest.json");
        let bytes = read_bounded(&path, MANIFEST_LIMIT)?;
        let manifest = Manifest::parse(&bytes, &path)?;
        let ood = manifest
            .ood
            .as_ref()
            .map(|entry| {
                let path = folder.join(&entry.file);
                let bytes = read_verified(&path, &entry.sha256)?;
                OodReference::read(bytes, &path, manifest.channels.len(), entry.limit)
            })
            .transpose()?;
        let Selected {
            engine,
            members,
            golden,
            trials,
        } = select(folder, &manifest, options, clock)?;
        Ok(Self {
            digest: sha256_hex(&bytes),
            manifest,
            engine_name: engine.to_string().into(),
            engine,
            trials,
            members,
            ood,
            golden,
        })
    }

    /// What the ensemble is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The sha256 of the manifest's bytes in hexadecimal: the `model` of messages. Since the manifest has
    /// the digest of every file, it identifies the whole ensemble.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What computes the networks.
    pub fn engine(&self) -> &EngineId {
        &self.engine
    }

    /// [`engine`](Self::engine) in words, for many labels.
    pub fn engine_name(&self) -> Arc<str> {
        Arc::clone(&self.engine_name)
    }

    /// What `engine.kind = "auto"` made of each library; empty when the library was given.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The networks in the manifest's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// So many tiles every network computes in less time together than one by one; 1 when that makes no difference.
    pub fn batch(&self) -> usize {
        together(&self.members)
    }

    /// A state of every network for one thread.
    ///
    /// # Errors
    /// When the inference library cannot make one.
    pub fn worker(&self) -> Result<Worker, EnsembleError> {
        Worker::new(&self.members)
    }

    /// Distance of a tile from the training set in units of the manifest's limit; `None` when the ensemble
    /// has no reference.
    pub fn ood(&self, tile: ArrayView3<'_, f32>) -> Option<f32> {
        self.ood_of(&describe(tile))
    }

    /// The same for a tile whose statistics are known.
    pub(crate) fn ood_of(&self, statistics: &Statistics) -> Option<f32> {
        Some(self.ood.as_ref()?.distance(statistics))
    }

    /// The tiles of the golden vectors: tiles × channels × rows × columns.
    pub fn golden_tiles(&self) -> ArrayView4<'_, f32> {
        self.golden.tiles()
    }

    pub(super) fn golden(&self) -> &Golden {
        &self.golden
    }
}

impl fmt::Debug for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ensemble")
            .field("name", &self.manifest.name)
            .field("version", &self.manifest.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// One thread's state of every network.
pub struct Worker {
    plans: Vec<(String, Box<dyn Plan>)>,
}

impl Worker {
    pub(super) fn new(members: &[Member]) -> Result<Self, EnsembleError> {
        let plans = members
            .iter()
            .map(|member| Ok((member.entry.name.clone(), member.plan()?)))
            .collect::<Result<_, EnsembleError>>()?;
        Ok(Self { plans })
    }

    /// The members' names in the manifest's order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.plans.iter().map(|(name, _)| name.as_str())
    }

    /// What each member says of a tile of channels × rows × columns, in the manifest's order.
    ///
    /// # Errors
    /// When a member fails; the worker can be used for the next tile.
    pub fn run(&mut self, tile: ArrayView3<'_, f32>) -> Result<Vec<MemberOutput>, EnsembleError> {
        let plans = self.plans.iter_mut();
        let outputs =
            plans.map(|(name, plan)| plan.run(tile).map_err(|source| failed(name, source)));
        outputs.collect()
    }

    /// What the member at an index of the manifest says of tiles of channels × rows × columns, in their order.
    ///
    /// # Errors
    /// When there is no such member or it fails; the worker can be used for the next tile.
    pub fn run_member(
        &mut self,
        member: usize,
        tiles: &[ArrayView3<'_, f32>],
    ) -> Result<Vec<MemberOutput>, EnsembleError> {
        let Some((name, plan)) = self.plans.get_mut(member) else {
            return Err(EnsembleError::NoMember { member });
        };
        plan.run_all(tiles).map_err(|source| failed(name, source))
    }
}

/// So many tiles all of `members` compute in less time together than one by one.
pub(super) fn together(members: &[Member]) -> usize {
    let batches = members.iter().map(|member| member.engine.batch());
    batches.min().unwrap_or(1).max(1)
}

fn failed(member: &str, source: EngineError) -> EnsembleError {
    EnsembleError::Run {
        member: member.to_owned(),
        source,
    }
}
