//! The embedded inference library, tract. No other file names it, but for this file's own folder.
//!
//! An ONNX file is screened before the library interprets it (operators, initialisers, names), its
//! intermediate arrays are bounded before any is computed, and whatever the library still panics about
//! is contained and told as an error. The batch is 1 and concrete: a symbolic batch is twenty times
//! slower, and a fixed one makes a result independent of what else is classified.

use std::sync::Arc;

use ndarray::ArrayView3;
use tract_onnx::{pb, prelude::*, tract_core::transform::get_transform};

use super::{CAM_WEIGHTS, EngineId, FEATURES, LOGITS, Precision, REASON, arrays, contained, told};
use crate::{
    sentence::printable,
    stages::infer::{Engine, EngineError, MemberOutput, NetworkSpec, Plan, Transform},
};
use screen::{bound, check_input, screen, select_outputs};

pub(super) mod batch;
pub(in crate::stages::infer) mod choose;
pub(crate) mod graft;
mod screen;

/// The version that Cargo.toml pins: the library does not say its own.
const VERSION: &str = "0.23.9";

/// What this library is.
pub(in crate::stages::infer) fn id() -> EngineId {
    EngineId {
        name: format!("tract {VERSION}"),
        precision: Precision::F32,
    }
}

/// An ONNX file that was screened and bounded, ready to be built in any [`Transform`].
pub(in crate::stages::infer) struct Network {
    model: TypedModel,
    spec: NetworkSpec,
    features: Option<[usize; 3]>,
}

impl Network {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// A sentence (without the file's name) when it is not ONNX, has operators that are not allowed, or
    /// takes or gives something else than `spec` says.
    pub(in crate::stages::infer) fn read(bytes: &[u8], spec: NetworkSpec) -> Result<Self, String> {
        told(|| Self::interpret(&decode(bytes)?, spec))
    }

    fn interpret(file: &pb::ModelProto, spec: NetworkSpec) -> Result<Self, String> {
        let graph = file
            .graph
            .as_ref()
            .ok_or("is an ONNX file without a graph; export the network again")?;
        screen(graph)?;
        check_input(graph, spec)?;
        let unusable = |error: TractError| {
            format!("cannot be interpreted ({error:#}); export it again as the model card says")
        };
        // What the file says of shapes inside the graph is not trusted; the library finds them.
        let model = onnx()
            .with_ignore_output_shapes(true)
            .with_ignore_value_info(true)
            .model_for_proto_model(file)
            .map_err(unusable)?;
        let wanted = select_outputs(graph, spec)?;
        let outlets = model.output_outlets().map_err(unusable)?.to_vec();
        let outlets: Vec<_> = wanted.iter().map(|index| outlets[*index]).collect();
        let mut model = model
            .with_output_outlets(&outlets)
            .and_then(|model| {
                let [c, h, w] = spec.tile();
                model.with_input_fact(0, f32::fact([1, c, h, w]).into())
            })
            .map_err(unusable)?;
        model.analyse(false).map_err(unusable)?;
        let mut all = 0;
        for node in model.nodes() {
            for output in &node.outputs {
                let shape = output.fact.shape.as_concrete_finite().map_err(unusable)?;
                bound(&mut all, &node.name, shape.as_deref())?;
            }
        }
        let model = model.into_typed().map_err(unusable)?;
        bound_all(&model)?;
        let features = check_outputs(&model, spec)?;
        Ok(Self {
            model,
            spec,
            features,
        })
    }

    /// What it takes.
    pub(in crate::stages::infer) fn spec(&self) -> NetworkSpec {
        self.spec
    }

    /// Features, rows and columns of its last map; `None` when it is for labels only.
    pub(in crate::stages::infer) fn features(&self) -> Option<[usize; 3]> {
        self.features
    }

    /// Builds the network in the form `transform`.
    ///
    /// # Errors
    /// A sentence when the library cannot.
    pub(in crate::stages::infer) fn build(
        &self,
        transform: Transform,
    ) -> Result<TractEngine, String> {
        let build = || {
            let mut model = self.model.clone();
            if transform == Transform::Nhwc {
                get_transform("conv_nhwc")?
                    .ok_or_else(|| TractError::msg("the library has no such transform"))?
                    .transform(&mut model)?;
            }
            let model = model.into_optimized()?;
            // A convolution may have got an array of its own, for the margin around its input.
            bound_all(&model).map_err(TractError::msg)?;
            model.into_runnable()
        };
        let plan = told(|| {
            build().map_err(|error: TractError| {
                format!("cannot be built in the form {transform} ({error:#})")
            })
        })?;
        Ok(TractEngine {
            plan,
            spec: self.spec,
            features: self.features,
        })
    }
}

/// A network in its optimised form.
pub(in crate::stages::infer) struct TractEngine {
    plan: Arc<TypedRunnableModel>,
    spec: NetworkSpec,
    features: Option<[usize; 3]>,
}

impl Engine for TractEngine {
    fn plan(&self) -> Result<Box<dyn Plan>, EngineError> {
        Ok(Box::new(TractPlan {
            state: self.plan.spawn().map_err(failed)?,
            spec: self.spec,
            features: self.features,
        }))
    }

    fn features(&self) -> Option<[usize; 3]> {
        self.features
    }
}

struct TractPlan {
    state: TypedSimpleState,
    spec: NetworkSpec,
    features: Option<[usize; 3]>,
}

impl Plan for TractPlan {
    fn run(&mut self, tile: ArrayView3<'_, f32>) -> Result<MemberOutput, EngineError> {
        let values = arrays::input(tile, self.spec)?;
        let [c, h, w] = self.spec.tile();
        let input = Tensor::from_shape(&[1, c, h, w], &values).map_err(failed)?;
        let state = &mut self.state;
        let outputs = contained(|| state.run(tvec!(input.into_tvalue())))
            .map_err(EngineError::Library)
            .and_then(|result| result.map_err(failed));
        if outputs.is_err() {
            // What a failed run leaves behind is not defined.
            self.state = self.state.plan().clone().spawn().map_err(failed)?;
        }
        outputs.and_then(|outputs| answer(&outputs, self.features))
    }
}

fn decode(bytes: &[u8]) -> Result<pb::ModelProto, String> {
    onnx()
        .proto_model_for_read(&mut &*bytes)
        .map_err(|error| format!("is not a whole ONNX file ({error}); copy the ensemble again"))
}

/// The outputs in the order of [`select_outputs`].
fn answer(outputs: &[TValue], features: Option<[usize; 3]>) -> Result<MemberOutput, EngineError> {
    let array = |index: usize| -> Result<&[f32], EngineError> {
        let value: &TValue = outputs
            .get(index)
            .ok_or_else(|| EngineError::Library("an output is missing".into()))?;
        let view = value.to_plain_array_view::<f32>().map_err(failed)?;
        view.to_slice()
            .ok_or_else(|| EngineError::Library("an output is not contiguous".into()))
    };
    let explained = match features {
        Some(shape) => Some((shape, array(1)?, array(2)?)),
        None => None,
    };
    arrays::output(array(0)?, explained)
}

fn failed(error: TractError) -> EngineError {
    EngineError::Library(printable(&format!("{error:#}"), REASON))
}

/// Bounds every array that the library computes, as far as its shape is known.
fn bound_all(model: &TypedModel) -> Result<(), String> {
    let mut all = 0;
    let mut outputs = model
        .nodes()
        .iter()
        .flat_map(|node| node.outputs.iter().map(move |output| (node, output)));
    outputs
        .try_for_each(|(node, output)| bound(&mut all, &node.name, output.fact.shape.as_concrete()))
}

/// Shapes of the outputs; gives that of the features.
fn check_outputs(model: &TypedModel, spec: NetworkSpec) -> Result<Option<[usize; 3]>, String> {
    let shape = |index: usize, name: &str| -> Result<Vec<usize>, String> {
        let fact = model
            .output_fact(index)
            .map_err(|error| format!("has no usable output `{name}` ({error})"))?;
        match fact.shape.as_concrete() {
            Some(shape) if fact.datum_type == f32::datum_type() => Ok(shape.to_vec()),
            _ => Err(format!(
                "gives `{name}` as {fact:?}; float32 of a fixed shape is expected"
            )),
        }
    };
    let logits = shape(0, LOGITS)?;
    if logits != [1, 2] {
        return Err(format!(
            "gives `logits` of shape {logits:?}; [1, 2] is expected, one for each class"
        ));
    }
    if !spec.cam {
        return Ok(None);
    }
    let features = shape(1, FEATURES)?;
    let (&[1, c, h, w], false) = (features.as_slice(), features.contains(&0)) else {
        return Err(format!(
            "gives `features` of shape {features:?}; [1, features, rows, columns] is expected"
        ));
    };
    let cam_weights = shape(2, CAM_WEIGHTS)?;
    if cam_weights != [1, 2, c] {
        return Err(format!(
            "gives `cam_weights` of shape {cam_weights:?}; [1, 2, {c}] is expected"
        ));
    }
    Ok(Some([c, h, w]))
}

#[cfg(test)]
mod tests;
