//! Which library computes the networks, and building them with it.
//!
//! A library that is named is used, or the reason why not is told. `auto` builds the ensemble with each library that
//! is there, lets it reproduce golden tiles, and keeps the fastest that does: the labels say which one that was.

use std::path::{Path, PathBuf};

use senescope_hal::Clock;
use serde::{Deserialize, Serialize};

use super::{
    Engine, EngineError, EngineKind, EnsembleError, Manifest, Member, MemberEntry, NetworkSpec,
    Provider, Timing, Transform, TransformChoice, Worker,
    engine::{
        Library, OnnxRuntime, OpenVino,
        tract::{self, Network, choose::measure},
    },
    ensemble::together,
    file::read_verified,
    golden::Golden,
};
use crate::domain::{EngineId, Precision};

/// Golden tiles by which libraries are compared.
const TILES: usize = 4;
/// Measured rounds; the least time counts.
const ROUNDS: usize = 5;

/// How networks are computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// The library.
    pub kind: EngineKind,
    /// Its arithmetic; only OpenVINO has a choice.
    pub precision: Precision,
    /// The form of every member's graph in the embedded library.
    pub transform: TransformChoice,
    /// ONNX Runtime.
    pub onnxruntime: OnnxRuntimeOptions,
    /// OpenVINO.
    pub openvino: OpenVinoOptions,
    /// Threads that compute at once; 0 counts as 1.
    pub threads: usize,
}

/// ONNX Runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnnxRuntimeOptions {
    /// Its file; without it, what the operating system's loader finds.
    pub library: Option<PathBuf>,
    /// What computes inside it.
    pub provider: Provider,
}

/// OpenVINO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenVinoOptions {
    /// The file libopenvino_c.so; without it, what is found where OpenVINO is usually installed.
    pub library: Option<PathBuf>,
}

/// A library that `auto` has tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The library.
    pub kind: EngineKind,
    /// Its version and arithmetic; `None` when it could not be loaded.
    pub engine: Option<EngineId>,
    /// Its file is named in the configuration, so that somebody counts on it.
    pub named: bool,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It computes the networks.
    Chosen {
        /// Least time of a tile through all members, in nanoseconds.
        tile_ns: u64,
    },
    /// Another one is faster.
    Slower {
        /// Least time of a tile through all members, in nanoseconds.
        tile_ns: u64,
    },
    /// It cannot be used.
    Unusable {
        /// Why.
        reason: String,
    },
}

/// An ensemble's networks in the library that was chosen.
pub(super) struct Selected {
    pub(super) engine: EngineId,
    pub(super) members: Vec<Member>,
    pub(super) golden: Golden,
    pub(super) trials: Vec<Trial>,
}

/// Builds the members of `manifest` in `folder` as `options` say.
///
/// # Errors
/// When a file is missing, changed or not of the form that the manifest says, or the library that is named cannot be
/// used.
pub(super) fn select(
    folder: &Path,
    manifest: &Manifest,
    options: &EngineOptions,
    clock: &dyn Clock,
) -> Result<Selected, EnsembleError> {
    let build = Build {
        folder,
        manifest,
        options,
        clock,
    };
    match options.kind {
        EngineKind::Auto => build.fastest(),
        kind => {
            let (engine, members) = build.with(kind)?;
            Ok(Selected {
                engine,
                golden: build.golden(&members)?,
                members,
                trials: Vec::new(),
            })
        }
    }
}

struct Build<'a> {
    folder: &'a Path,
    manifest: &'a Manifest,
    options: &'a EngineOptions,
    clock: &'a dyn Clock,
}

impl Build<'_> {
    /// The fastest library that reproduces golden tiles. The embedded one is always there.
    fn fastest(&self) -> Result<Selected, EnsembleError> {
        let (engine, members) = self.with(EngineKind::Tract)?;
        let golden = self.golden(&members)?;
        let mut least = self.time(&members, &golden)?;
        let mut best = Selected {
            trials: vec![Trial {
                kind: EngineKind::Tract,
                engine: Some(engine.clone()),
                named: false,
                outcome: Outcome::Chosen { tile_ns: least },
            }],
            engine,
            members,
            golden,
        };
        for kind in [EngineKind::OnnxRuntime, EngineKind::OpenVino] {
            let (engine, outcome) = match self.with(kind) {
                Err(EnsembleError::Engine { reason, .. }) => (None, Outcome::Unusable { reason }),
                Err(error) => return Err(error),
                Ok((engine, members)) => {
                    let outcome = match self.usable(&engine, &members, &best.golden) {
                        Err(reason) => Outcome::Unusable { reason },
                        Ok(tile_ns) if tile_ns >= least => Outcome::Slower { tile_ns },
                        Ok(tile_ns) => {
                            least = tile_ns;
                            (best.engine, best.members) = (engine.clone(), members);
                            for trial in &mut best.trials {
                                trial.outcome.overtaken();
                            }
                            Outcome::Chosen { tile_ns }
                        }
                    };
                    (Some(engine), outcome)
                }
            };
            best.trials.push(Trial {
                kind,
                engine,
                named: self.names(kind),
                outcome,
            });
        }
        Ok(best)
    }

    /// The configuration names the file of this library.
    fn names(&self, kind: EngineKind) -> bool {
        match kind {
            EngineKind::OnnxRuntime => self.options.onnxruntime.library.is_some(),
            EngineKind::OpenVino => self.options.openvino.library.is_some(),
            EngineKind::Auto | EngineKind::Tract => false,
        }
    }

    /// Builds every member with one library.
    fn with(&self, kind: EngineKind) -> Result<(EngineId, Vec<Member>), EnsembleError> {
        let unusable = |reason| EnsembleError::Engine {
            engine: kind,
            reason,
        };
        // The embedded library is what `auto` falls back to, whatever the precision.
        let only_f32 = kind == EngineKind::OnnxRuntime || self.options.kind == EngineKind::Tract;
        if only_f32 && self.options.precision == Precision::Bf16 {
            return Err(unusable(
                "it computes in f32 only, and `engine.precision` asks for bf16".to_owned(),
            ));
        }
        let library: Option<Box<dyn Library>> = match kind {
            EngineKind::Auto | EngineKind::Tract => None,
            EngineKind::OnnxRuntime => {
                let OnnxRuntimeOptions { library, provider } = &self.options.onnxruntime;
                let threads = self.options.threads;
                let library = OnnxRuntime::load(library.as_ref(), *provider, threads);
                Some(Box::new(library.map_err(unusable)?))
            }
            EngineKind::OpenVino => {
                let path = self.options.openvino.library.as_ref();
                let threads = self.options.threads;
                let library =
                    OpenVino::load(path, self.options.precision, threads).map_err(unusable)?;
                Some(Box::new(library))
            }
        };
        let members = self
            .manifest
            .members
            .iter()
            .map(|entry| match &library {
                None => self.embedded(entry),
                Some(library) => {
                    let (path, bytes, network) = self.read(entry)?;
                    let (file, sha256) = (path.clone(), entry.sha256.clone());
                    let again =
                        move || read_verified(&file, &sha256).map_err(|error| error.to_string());
                    let built = library.build(&bytes, Box::new(again), &network);
                    let engine = built.map_err(|reason| {
                        // What the embedded library has read is the other one's fault.
                        unusable(format!("{} {reason}", path.display()))
                    })?;
                    Ok(Member {
                        entry: entry.clone(),
                        engine,
                        form: None,
                    })
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let engine = library.map_or_else(tract::id, |library| library.id());
        Ok((engine, members))
    }

    /// Reads a member's file and screens it.
    fn read(&self, entry: &MemberEntry) -> Result<(PathBuf, Vec<u8>, Network), EnsembleError> {
        let path = self.folder.join(&entry.file);
        let bytes = read_verified(&path, &entry.sha256)?;
        let spec = NetworkSpec {
            channels: self.manifest.channels.len(),
            pixels: self.manifest.tile.pixels,
            cam: entry.cam,
        };
        match Network::read(&bytes, spec) {
            Ok(network) => Ok((path, bytes, network)),
            Err(reason) => Err(EnsembleError::Member { path, reason }),
        }
    }

    fn embedded(&self, entry: &MemberEntry) -> Result<Member, EnsembleError> {
        let (path, bytes, network) = self.read(entry)?;
        drop(bytes);
        let build = |transform| {
            network
                .build(transform)
                .map_err(|reason| EnsembleError::Member {
                    path: path.clone(),
                    reason,
                })
        };
        let (engine, form): (_, (Transform, Option<Timing>)) = match self.options.transform {
            TransformChoice::Plain => (build(Transform::Plain)?, (Transform::Plain, None)),
            TransformChoice::Nhwc => (build(Transform::Nhwc)?, (Transform::Nhwc, None)),
            TransformChoice::Auto => {
                let (plain, nhwc) = (build(Transform::Plain)?, build(Transform::Nhwc)?);
                let failed = |source: EngineError| EnsembleError::Run {
                    member: entry.name.clone(),
                    source,
                };
                let timing = plain
                    .plan()
                    .and_then(|plain| Ok((plain, nhwc.plan()?)))
                    .and_then(|(mut plain, mut nhwc)| {
                        measure(&mut *plain, &mut *nhwc, network.spec(), self.clock)
                    })
                    .map_err(failed)?;
                let transform = timing.choice();
                let engine = match transform {
                    Transform::Plain => plain,
                    Transform::Nhwc => nhwc,
                };
                (engine, (transform, Some(timing)))
            }
        };
        Ok(Member {
            entry: entry.clone(),
            engine: Box::new(engine),
            form: Some(form),
        })
    }

    fn golden(&self, members: &[Member]) -> Result<Golden, EnsembleError> {
        let path = self.folder.join(&self.manifest.golden.file);
        let bytes = read_verified(&path, &self.manifest.golden.sha256)?;
        Golden::read(bytes, &path, self.manifest, members)
    }

    /// The least time of a tile through all members, when they reproduce golden tiles.
    fn usable(
        &self,
        engine: &EngineId,
        members: &[Member],
        golden: &Golden,
    ) -> Result<u64, String> {
        let judge = || {
            let mut worker = Worker::new(members)?;
            let senescent = self.manifest.senescent();
            golden
                .compare(&mut worker, engine.precision, senescent, TILES)?
                .judge()?;
            self.time(members, golden)
        };
        judge().map_err(|error| error.to_string())
    }

    /// The least time of a tile through all members, in nanoseconds.
    fn time(&self, members: &[Member], golden: &Golden) -> Result<u64, EnsembleError> {
        let mut worker = Worker::new(members)?;
        let batch = together(members);
        let mut least = u64::MAX;
        // The first round warms caches.
        for round in 0..=ROUNDS {
            let start = self.clock.now();
            let tiles = golden.tiles();
            let tiles: Vec<_> = tiles.outer_iter().take(TILES).collect();
            let count = tiles.len().max(1) as u64;
            for tiles in tiles.chunks(batch) {
                for member in 0..members.len() {
                    worker.run_member(member, tiles)?;
                }
            }
            let span = self.clock.now().since(start).as_nanos();
            if round > 0 {
                least = least.min(u64::try_from(span).unwrap_or(u64::MAX) / count);
            }
        }
        Ok(least)
    }
}

impl Outcome {
    /// A faster library was found.
    fn overtaken(&mut self) {
        if let Self::Chosen { tile_ns } = *self {
            *self = Self::Slower { tile_ns };
        }
    }
}
