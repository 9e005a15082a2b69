//! OpenVINO, a shared library that is loaded when it is wanted. No other file names its crates.
//!
//! A compiled network has as many streams as there are worker threads, each on a thread of its own: a plan is a
//! request to one of them. Since the library is loaded once in a process, the first one that was asked for stays.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use ndarray::ArrayView3;
use openvino::{
    CompiledModel, Core, DeviceType, ElementType, InferRequest, InferenceError, PartialShape,
    PropertyKey, RwPropertyKey, Shape, Tensor,
};

use super::{
    CAM_WEIGHTS, EngineId, FEATURES, LOGITS, Library, Precision, REASON, ReadAgain, arrays,
    contained, contains, told, tract::Network,
};
use crate::{
    sentence::printable,
    stages::infer::{Engine, EngineError, MemberOutput, NetworkSpec, Plan},
};

/// The loaded library.
pub(in crate::stages::infer) struct OpenVino {
    core: Mutex<Core>,
    version: String,
    precision: Precision,
}

impl OpenVino {
    /// Loads `library`, or without one what is found where OpenVINO is usually installed. Networks are computed in
    /// `precision` by at most `threads` threads at once.
    ///
    /// # Errors
    /// A sentence when there is none, or it is something else or too old, or the processor has not the precision.
    pub(in crate::stages::infer) fn load(
        library: Option<&PathBuf>,
        precision: Precision,
        threads: usize,
    ) -> Result<Self, String> {
        told(|| {
            match library {
                Some(path) => contains(path, "ov_get_openvino_version")
                    .and_then(|()| openvino_sys::library::load_from(path)),
                None => openvino_sys::library::load().map_err(|_| {
                    "no libopenvino_c.so is where OpenVINO is usually installed; install it, or name its \
                     file in `engine.openvino.library`"
                        .to_owned()
                }),
            }?;
            let mut core = Core::new().map_err(|error| error.to_string())?;
            let threads = threads.max(1).to_string();
            let settings = [
                (RwPropertyKey::HintPerformanceMode, "LATENCY"),
                (RwPropertyKey::NumStreams, &*threads),
                (RwPropertyKey::InferenceNumThreads, &*threads),
                (RwPropertyKey::HintEnableCpuPinning, "NO"),
                (RwPropertyKey::HintInferencePrecision, precision.as_str()),
            ];
            core.set_properties(&DeviceType::CPU, settings)
                .map_err(|error| error.to_string())?;
            if precision == Precision::Bf16 {
                let able = core
                    .get_property(&DeviceType::CPU, &PropertyKey::DeviceCapabilities)
                    .map_err(|error| error.to_string())?;
                if !able.split_whitespace().any(|able| able == "BF16") {
                    return Err(
                        "this processor does not compute bf16; set `engine.precision` to f32"
                            .to_owned(),
                    );
                }
            }
            let version = openvino::version();
            let version: Vec<&str> = version.parts().take(3).collect();
            Ok(Self {
                core: Mutex::new(core),
                version: version.join("."),
                precision,
            })
        })
    }
}

impl Library for OpenVino {
    fn id(&self) -> EngineId {
        EngineId {
            name: format!("openvino {}", self.version),
            precision: self.precision,
        }
    }

    fn build(
        &self,
        bytes: &[u8],
        _: ReadAgain,
        network: &Network,
    ) -> Result<Box<dyn Engine>, String> {
        let spec = network.spec();
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = told(|| {
            let sentence = |error: InferenceError| format!("cannot be built by OpenVINO ({error})");
            let mut model = core.read_model_from_buffer(bytes, None).map_err(sentence)?;
            if model.is_dynamic() {
                let shape = PartialShape::new_static(4, &shape(spec)).map_err(sentence)?;
                model.reshape_single_input(&shape).map_err(sentence)?;
            }
            core.compile_model(&model, DeviceType::CPU)
                .map_err(sentence)
        })?;
        Ok(Box::new(OpenVinoEngine {
            compiled: Mutex::new(compiled),
            spec,
            features: network.features(),
        }))
    }
}

struct OpenVinoEngine {
    compiled: Mutex<CompiledModel>,
    spec: NetworkSpec,
    features: Option<[usize; 3]>,
}

impl Engine for OpenVinoEngine {
    fn plan(&self) -> Result<Box<dyn Plan>, EngineError> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let spec = self.spec;
        let (request, input) = contained(|| {
            let mut request = compiled.create_infer_request()?;
            let input = Tensor::new(ElementType::F32, &Shape::new(&shape(spec))?)?;
            request.set_input_tensor(&input)?;
            Ok((request, input))
        })
        .map_err(EngineError::Library)?
        .map_err(failed)?;
        Ok(Box::new(OpenVinoPlan {
            request,
            input,
            spec,
            features: self.features,
        }))
    }

    fn features(&self) -> Option<[usize; 3]> {
        self.features
    }
}

struct OpenVinoPlan {
    request: InferRequest,
    input: Tensor,
    spec: NetworkSpec,
    features: Option<[usize; 3]>,
}

impl Plan for OpenVinoPlan {
    fn run(&mut self, tile: ArrayView3<'_, f32>) -> Result<MemberOutput, EngineError> {
        let values = arrays::input(tile, self.spec)?;
        contained(|| {
            self.input
                .get_data_mut::<f32>()
                .map_err(failed)?
                .copy_from_slice(&values);
            self.request.infer().map_err(failed)?;
            let tensor = |name: &str| self.request.get_tensor(name).map_err(failed);
            let logits = tensor(LOGITS)?;
            let logits = logits.get_data::<f32>().map_err(failed)?;
            let Some(shape) = self.features else {
                return arrays::output(logits, None);
            };
            let (features, weights) = (tensor(FEATURES)?, tensor(CAM_WEIGHTS)?);
            let features = features.get_data::<f32>().map_err(failed)?;
            let weights = weights.get_data::<f32>().map_err(failed)?;
            arrays::output(logits, Some((shape, features, weights)))
        })
        .map_err(EngineError::Library)?
    }
}

/// The shape of the input: a batch of one tile.
fn shape(spec: NetworkSpec) -> [i64; 4] {
    let [c, h, w] = spec.tile().map(|size| size as i64);
    [1, c, h, w]
}

fn failed(error: InferenceError) -> EngineError {
    EngineError::Library(printable(&error.to_string(), REASON))
}
