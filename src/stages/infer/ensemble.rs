//! An ensemble in memory.

use std::{fmt, path::Path};

use ndarray::{ArrayView3, ArrayView4};
use senescope_hal::Clock;

use super::{
    DenseHead, Engine, EngineOptions, EnsembleError, MANIFEST_LIMIT, Manifest, MemberEntry,
    MemberOutput, NetworkSpec, Plan, Timing, Transform, TransformChoice,
    choose::measure,
    engine::{Network, graft::graft},
    file::{read_bounded, read_verified},
    golden::Golden,
    ood::OodReference,
    statistics::{Statistics, describe},
};
use crate::digest::sha256_hex;

/// A loaded ensemble. Shared by threads.
pub struct Ensemble {
    manifest: Manifest,
    digest: String,
    members: Vec<Member>,
    ood: Option<OodReference>,
    golden: Golden,
}

/// One loaded network.
pub struct Member {
    entry: MemberEntry,
    engine: Box<dyn Engine>,
    transform: Transform,
    timing: Option<Timing>,
}

impl Member {
    /// Its name, file and digest.
    pub fn entry(&self) -> &MemberEntry {
        &self.entry
    }

    /// The form in which it is computed.
    pub fn transform(&self) -> Transform {
        self.transform
    }

    /// What the choice of the form was measured by; `None` when the form was given.
    pub fn timing(&self) -> Option<Timing> {
        self.timing
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
        self.engine.plan().map_err(|source| EnsembleError::Run {
            member: self.entry.name.clone(),
            source,
        })
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

    fn load(
        folder: &Path,
        entry: &MemberEntry,
        spec: NetworkSpec,
        options: &EngineOptions,
        clock: &dyn Clock,
    ) -> Result<Self, EnsembleError> {
        let path = folder.join(&entry.file);
        let bytes = read_verified(&path, &entry.sha256)?;
        let unusable = |reason| EnsembleError::Member {
            path: path.clone(),
            reason,
        };
        let network = Network::read(&bytes, spec).map_err(unusable)?;
        let build = |transform| network.build(transform).map_err(unusable);
        let (engine, transform, timing) = match options.transform {
            TransformChoice::Plain => (build(Transform::Plain)?, Transform::Plain, None),
            TransformChoice::Nhwc => (build(Transform::Nhwc)?, Transform::Nhwc, None),
            TransformChoice::Auto => {
                let (plain, nhwc) = (build(Transform::Plain)?, build(Transform::Nhwc)?);
                let timing = plain
                    .plan()
                    .and_then(|plain| Ok((plain, nhwc.plan()?)))
                    .and_then(|(mut plain, mut nhwc)| measure(&mut *plain, &mut *nhwc, spec, clock))
                    .map_err(|source| EnsembleError::Run {
                        member: entry.name.clone(),
                        source,
                    })?;
                let transform = timing.choice();
                let engine = match transform {
                    Transform::Plain => plain,
                    Transform::Nhwc => nhwc,
                };
                (engine, transform, Some(timing))
            }
        };
        Ok(Self {
            entry: entry.clone(),
            engine: Box::new(engine),
            transform,
            timing,
        })
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
        let members = manifest
            .members
            .iter()
            .map(|entry| {
                let spec = NetworkSpec {
                    channels: manifest.channels.len(),
                    pixels: manifest.tile.pixels,
                    cam: entry.cam,
                };
                Member::load(folder, entry, spec, options, clock)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let ood = manifest
            .ood
            .as_ref()
            .map(|entry| {
                let path = folder.join(&entry.file);
                let bytes = read_verified(&path, &entry.sha256)?;
                OodReference::read(bytes, &path, manifest.channels.len(), entry.limit)
            })
            .transpose()?;
        let golden_path = folder.join(&manifest.golden.file);
        let golden = Golden::read(
            read_verified(&golden_path, &manifest.golden.sha256)?,
            &golden_path,
            &manifest,
            &members,
        )?;
        Ok(Self {
            digest: sha256_hex(&bytes),
            manifest,
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

    /// The networks in the manifest's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// A state of every network for one thread.
    ///
    /// # Errors
    /// When the inference library cannot make one.
    pub fn worker(&self) -> Result<Worker, EnsembleError> {
        let plans = self
            .members
            .iter()
            .map(|member| {
                let plan = member.plan()?;
                Ok::<_, EnsembleError>((member.entry.name.clone(), plan))
            })
            .collect::<Result<_, _>>()?;
        Ok(Worker { plans })
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
    /// What each member says of a tile of channels × rows × columns, in the manifest's order.
    ///
    /// # Errors
    /// When a member fails; the worker can be used for the next tile.
    pub fn run(&mut self, tile: ArrayView3<'_, f32>) -> Result<Vec<MemberOutput>, EnsembleError> {
        (0..self.plans.len())
            .map(|member| self.run_member(member, tile))
            .collect()
    }

    /// What the member at an index of the manifest says of a tile of channels × rows × columns.
    ///
    /// # Errors
    /// When there is no such member or it fails; the worker can be used for the next tile.
    pub fn run_member(
        &mut self,
        member: usize,
        tile: ArrayView3<'_, f32>,
    ) -> Result<MemberOutput, EnsembleError> {
        let Some((name, plan)) = self.plans.get_mut(member) else {
            return Err(EnsembleError::NoMember { member });
        };
        plan.run(tile).map_err(|source| EnsembleError::Run {
            member: name.clone(),
            source,
        })
    }
}
