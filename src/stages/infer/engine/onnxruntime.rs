//! ONNX Runtime, a shared library that is loaded when it is wanted. No other file names its crate.
//!
//! A session computes for one thread at a time, and on that thread. Workers are at different members most of the time, so
//! that few sessions of each serve many workers, and memory holds few copies of the weights. It computes several tiles
//! together in less time than one by one, because it reads the weights once for all of them. Since the library is loaded
//! once in a process, the first one that was asked for stays.

use std::{
    borrow::Cow,
    fmt,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use ndarray::{Array3, ArrayView3};
use ort::{
    environment::Environment,
    ep::{CPU, CUDA, ExecutionProviderDispatch, TensorRT},
    logging::LogLevel,
    session::{Session, SessionOutputs, builder::GraphOptimizationLevel},
    value::TensorRef,
};
use serde::{Deserialize, Serialize};

use super::{
    CAM_WEIGHTS, EngineId, FEATURES, LOGITS, Library, Precision, REASON, ReadAgain, arrays,
    contained, contains, told,
    tract::{Network, batch::for_any_batch},
    version_of,
};
use crate::{
    sentence::printable,
    stages::infer::{Engine, EngineError, MemberOutput, NetworkSpec, Plan},
};

/// What the loader of the operating system is asked for when no file is named.
const NAMES: [&str; 2] = ["libonnxruntime.so.1", "libonnxruntime.so"];

/// So many workers share a session of each member: an ensemble has more members than that.
const WORKERS_A_SESSION: usize = 4;

/// Tiles that are computed together: four take about 0.8 of the time that they take one by one, and eight hardly less.
const BATCH: usize = 4;

/// What computes inside ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// A graphics processor by CUDA, for libraries that were built with it.
    Cuda,
    /// A graphics processor by TensorRT, for libraries that were built with it.
    TensorRt,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        })
    }
}

/// The loaded library.
pub(in crate::stages::infer) struct OnnxRuntime {
    environment: Environment,
    version: String,
    provider: Provider,
    threads: usize,
}

impl OnnxRuntime {
    /// Loads `library`, or without one what the operating system's loader finds. Networks are computed by at most
    /// `threads` threads at once.
    ///
    /// # Errors
    /// A sentence when there is none, or it is something else or too old.
    pub(in crate::stages::infer) fn load(
        library: Option<&PathBuf>,
        provider: Provider,
        threads: usize,
    ) -> Result<Self, String> {
        told(|| {
            let (path, builder) = match library {
                Some(path) => {
                    let builder = ort::init_from(path);
                    let why = |error: ort::LoadDynamicError| {
                        let other = contains(path, "OrtGetApiBase").err();
                        other.unwrap_or_else(|| error.to_string())
                    };
                    (path.clone(), builder.map_err(why)?)
                }
                None => NAMES
                    .iter()
                    .find_map(|name| Some((PathBuf::from(name), ort::init_from(name).ok()?)))
                    .ok_or_else(|| {
                        format!(
                            "no {} is where the system looks for libraries; install ONNX Runtime, or \
                             name its file in `engine.onnxruntime.library`",
                            NAMES[0]
                        )
                    })?,
            };
            let environment = builder
                .with_name("senescope")
                .with_telemetry(false)
                .build()
                .map_err(|error| error.to_string())?;
            Ok(Self {
                environment,
                version: version_of(&path).unwrap_or_else(|| "of unknown version".to_owned()),
                provider,
                threads: threads.max(1),
            })
        })
    }
}

impl Library for OnnxRuntime {
    fn id(&self) -> EngineId {
        let device = match self.provider {
            Provider::Cpu => String::new(),
            other => format!(" {other}"),
        };
        EngineId {
            name: format!("onnxruntime {}{device}", self.version),
            precision: Precision::F32,
        }
    }

    fn build(
        &self,
        bytes: &[u8],
        read: ReadAgain,
        network: &Network,
    ) -> Result<Box<dyn Engine>, String> {
        let read = Arc::new(read);
        let engine = |batch| self.engine(bytes, &read, network, batch);
        let batch = match self.provider {
            Provider::Cpu | Provider::Cuda => BATCH,
            // It would plan anew for each number of tiles, for minutes.
            Provider::TensorRt => 1,
        };
        if batch > 1 {
            match engine(batch) {
                Ok(engine) if engine.answers_alike() => return Ok(Box::new(engine)),
                Ok(_) => {
                    tracing::info!("tiles are computed one by one: together they get other answers")
                }
                Err(why) => tracing::info!(why, "tiles are computed one by one"),
            }
        }
        Ok(Box::new(engine(1)?))
    }
}

impl OnnxRuntime {
    fn engine(
        &self,
        bytes: &[u8],
        read: &Arc<ReadAgain>,
        network: &Network,
        batch: usize,
    ) -> Result<OrtEngine, String> {
        let sessions = Sessions {
            environment: self.environment.clone(),
            provider: self.provider,
            read: Arc::clone(read),
            batch,
            most: self.threads.div_ceil(WORKERS_A_SESSION),
            pool: Mutex::default(),
            returned: Condvar::new(),
        };
        let first = told(|| sessions.make(bytes))?;
        sessions.pool().made = 1;
        sessions.pool().idle.push(first);
        Ok(OrtEngine {
            sessions: Arc::new(sessions),
            spec: network.spec(),
            features: network.features(),
        })
    }
}

/// The sessions of a network.
struct Sessions {
    environment: Environment,
    provider: Provider,
    /// Its file, for further sessions: it is not kept in memory for them.
    read: Arc<ReadAgain>,
    /// Most tiles at once.
    batch: usize,
    /// Sessions that there may be.
    most: usize,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Session>,
    made: usize,
}

impl Sessions {
    /// A session that nobody uses, waiting for one when there are as many as there may be.
    fn take(&self) -> Result<Session, String> {
        let mut pool = self.pool();
        loop {
            if let Some(session) = pool.idle.pop() {
                return Ok(session);
            }
            if pool.made < self.most {
                pool.made += 1;
                drop(pool);
                return told(|| self.make(&(self.read)()?)).inspect_err(|_| self.lost());
            }
            pool = self
                .returned
                .wait(pool)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put_back(&self, session: Session) {
        self.pool().idle.push(session);
        self.returned.notify_one();
    }

    /// A session that was taken is no more.
    fn lost(&self) {
        self.pool().made -= 1;
        self.returned.notify_one();
    }

    fn make(&self, bytes: &[u8]) -> Result<Session, String> {
        let bytes = match self.batch {
            1 => Cow::Borrowed(bytes),
            _ => Cow::Owned(for_any_batch(bytes)?),
        };
        self.session(&bytes)
            .map_err(|error| format!("cannot be built by ONNX Runtime ({error})"))
    }

    fn session(&self, bytes: &[u8]) -> ort::Result<Session> {
        let providers: &[ExecutionProviderDispatch] = match self.provider {
            // Without its arena a session takes 3 MiB less, and no more time.
            Provider::Cpu => &[CPU::default().with_arena_allocator(false).build()],
            Provider::Cuda => &[CUDA::default().build().error_on_failure()],
            Provider::TensorRt => &[
                TensorRT::default().build().error_on_failure(),
                CUDA::default().build().error_on_failure(),
            ],
        };
        Session::builder(&self.environment)?
            .with_log_level(LogLevel::Error)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_deterministic_compute(true)?
            // One block for each number of tiles, into which no other session fits: it takes more, and no less time.
            .with_memory_pattern(false)?
            .with_execution_providers(providers)?
            .commit_from_memory(bytes)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct OrtEngine {
    sessions: Arc<Sessions>,
    spec: NetworkSpec,
    features: Option<[usize; 3]>,
}

impl Engine for OrtEngine {
    fn plan(&self) -> Result<Box<dyn Plan>, EngineError> {
        Ok(Box::new(OrtPlan {
            sessions: Arc::clone(&self.sessions),
            spec: self.spec,
            features: self.features,
        }))
    }

    fn features(&self) -> Option<[usize; 3]> {
        self.features
    }

    fn batch(&self) -> usize {
        self.sessions.batch
    }
}

impl OrtEngine {
    /// Whether a tile among others gets the same answer as alone, to the last bit: files are made for one, and how
    /// many wait is chance.
    fn answers_alike(&self) -> bool {
        let tiles: Vec<_> = (0..self.batch())
            .map(|tile| {
                Array3::from_shape_fn(self.spec.tile(), |(channel, row, column)| {
                    ((row * 7 + column * (3 + tile) + channel * 5 + tile) % 17) as f32 / 17.0
                })
            })
            .collect();
        let tiles: Vec<_> = tiles.iter().map(|tile| tile.view()).collect();
        let compare = || -> Result<bool, EngineError> {
            let mut plan = self.plan()?;
            let alone = tiles.iter().map(|tile| plan.run(*tile));
            let alone = alone.collect::<Result<Vec<_>, _>>()?;
            for count in 2..=tiles.len() {
                if plan.run_all(&tiles[..count])? != alone[..count] {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        compare().unwrap_or(false)
    }
}

struct OrtPlan {
    sessions: Arc<Sessions>,
    spec: NetworkSpec,
    features: Option<[usize; 3]>,
}

impl Plan for OrtPlan {
    fn run(&mut self, tile: ArrayView3<'_, f32>) -> Result<MemberOutput, EngineError> {
        let answer = self.run_all(&[tile])?.pop();
        answer.ok_or_else(|| EngineError::Library("no answer".to_owned()))
    }

    fn run_all(&mut self, tiles: &[ArrayView3<'_, f32>]) -> Result<Vec<MemberOutput>, EngineError> {
        let mut answers = Vec::with_capacity(tiles.len());
        for tiles in tiles.chunks(self.sessions.batch) {
            answers.append(&mut self.run_together(tiles)?);
        }
        Ok(answers)
    }
}

impl OrtPlan {
    fn run_together(
        &mut self,
        tiles: &[ArrayView3<'_, f32>],
    ) -> Result<Vec<MemberOutput>, EngineError> {
        let values = arrays::inputs(tiles, self.spec)?;
        let [c, h, w] = self.spec.tile();
        let mut session = self.sessions.take().map_err(EngineError::Library)?;
        let answer = contained(|| {
            let shape = [tiles.len(), c, h, w];
            let input = TensorRef::from_array_view((shape, &*values)).map_err(failed)?;
            let outputs = session.run(ort::inputs![input]).map_err(failed)?;
            let logits = array(&outputs, LOGITS)?;
            let explained = match self.features {
                Some(shape) => Some((
                    shape,
                    array(&outputs, FEATURES)?,
                    array(&outputs, CAM_WEIGHTS)?,
                )),
                None => None,
            };
            arrays::outputs(tiles.len(), logits, explained)
        });
        match answer {
            Ok(answer) => {
                self.sessions.put_back(session);
                answer
            }
            Err(defect) => {
                // What a defect leaves behind is not defined.
                self.sessions.lost();
                Err(EngineError::Library(defect))
            }
        }
    }
}

fn array<'a>(outputs: &'a SessionOutputs<'_>, name: &str) -> Result<&'a [f32], EngineError> {
    let value = outputs
        .get(name)
        .ok_or_else(|| EngineError::Library(format!("no output `{name}`")))?;
    let (_, values) = value.try_extract_tensor::<f32>().map_err(failed)?;
    Ok(values)
}

fn failed(error: ort::Error) -> EngineError {
    EngineError::Library(printable(&error.to_string(), REASON))
}
