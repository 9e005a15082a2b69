//! A new head on the backbone of an ONNX file.
//!
//! What `features` is computed from is kept; the rest is replaced by global average pool → Gemm → Relu →
//! Gemm → Softmax and the weights of Grad-CAM, cam_weights[k, c] = ∂logit_k/∂pooled_c / (h·w), as the
//! recipe's `export.py` writes them. Large weights are stored as float16 and cast in the graph, as there.

use std::collections::HashSet;

use ndarray::{Array2, ArrayD};
use prost::Message;
use tract_onnx::prelude::f16;

use super::{
    CAM_WEIGHTS, FEATURES, LOGITS, decode,
    pb::{
        AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto,
        ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto,
        type_proto,
    },
    screen::screen,
};
use crate::stages::infer::DenseHead;

const PROBS: &str = "probs";
/// Smaller arrays keep float32: nothing is saved by halving them.
const HALF_FROM: usize = 2048;

/// The weights as the file will have them: rounded to float16 when they are many and fit.
pub(crate) fn stored(weights: Array2<f32>) -> Array2<f32> {
    let rounded = weights.mapv(|value| f16::from_f32(value).to_f32());
    if weights.len() >= HALF_FROM && rounded.iter().all(|value| value.is_finite()) {
        rounded
    } else {
        weights
    }
}

/// Puts `head` onto the backbone of the ONNX file `bytes`, whose `features` have the shape features, rows,
/// columns.
///
/// # Errors
/// A sentence (without the file's name) when the file is not ONNX, has no output `features`, or the head
/// is for another number of features.
pub(in crate::stages::infer) fn graft(
    bytes: &[u8],
    head: &DenseHead,
    [features, rows, columns]: [usize; 3],
) -> Result<Vec<u8>, String> {
    let mut file = decode(bytes)?;
    let graph = file
        .graph
        .as_mut()
        .ok_or("is an ONNX file without a graph; export the network again")?;
    screen(graph)?;
    let (hidden, inputs) = head.hidden_weights.dim();
    if inputs != features {
        return Err(format!(
            "gives {features} features and the head takes {inputs}; train the head on this network"
        ));
    }
    keep_backbone(graph)?;
    let mut new = Addition {
        prefix: free_prefix(graph),
        graph,
    };
    let per_pixel = head
        .logit_weights
        .mapv(|weight| weight / (rows * columns) as f32);
    let w1 = new.weights("w1", head.hidden_weights.clone().into_dyn());
    let b1 = new.weights("b1", head.hidden_bias.clone().into_dyn());
    let w2 = new.weights("w2", head.logit_weights.clone().into_dyn());
    let b2 = new.weights("b2", head.logit_bias.clone().into_dyn());
    let slopes = new.weights("slopes", per_pixel.into_dyn());
    let zero = new.weights("zero", ArrayD::zeros(vec![1]));
    let gate_shape = new.shape("gate_shape", &[-1, 1, hidden as i64]);
    let own = |name: &str| format!("{}{name}", new.prefix);
    let (pooled, flat, before) = (own("pooled"), own("flat"), own("before"));
    let (after, open, gate) = (own("after"), own("open"), own("gate"));
    let (gates, d_hidden) = (own("gates"), own("d_hidden"));
    new.node("GlobalAveragePool", &[FEATURES], &pooled, &[]);
    new.node("Flatten", &[&pooled], &flat, &[("axis", 1)]);
    new.node("Gemm", &[&flat, &w1, &b1], &before, &[("transB", 1)]);
    new.node("Relu", &[&before], &after, &[]);
    new.node("Gemm", &[&after, &w2, &b2], LOGITS, &[("transB", 1)]);
    new.node("Softmax", &[LOGITS], PROBS, &[("axis", 1)]);
    new.node("Greater", &[&before, &zero], &open, &[]);
    let float = i64::from(DataType::Float as i32);
    new.node("Cast", &[&open], &gate, &[("to", float)]);
    new.node("Reshape", &[&gate, &gate_shape], &gates, &[]);
    new.node("Mul", &[&gates, &slopes], &d_hidden, &[]);
    new.node("MatMul", &[&d_hidden, &w1], CAM_WEIGHTS, &[]);
    graph.output = vec![
        output(LOGITS, &[1, 2]),
        output(PROBS, &[1, 2]),
        output(FEATURES, &[1, features, rows, columns]),
        output(CAM_WEIGHTS, &[1, 2, features]),
    ];
    file.producer_name = "senescope train".to_owned();
    file.producer_version.clear();
    Ok(file.encode_to_vec())
}

/// Drops every node, array and shape that `features` does not need.
fn keep_backbone(graph: &mut GraphProto) -> Result<(), String> {
    let computed = |node: &NodeProto| node.output.iter().any(|name| name == FEATURES);
    if !graph.output.iter().any(|output| output.name == FEATURES)
        || !graph.node.iter().any(computed)
    {
        return Err(
            "has no output `features`, the last map of its backbone; export it with that output"
                .to_owned(),
        );
    }
    let mut needed: HashSet<String> = HashSet::from([FEATURES.to_owned()]);
    // Nodes stand after what they use (`screen` has seen to it), so one walk from the end finds all.
    let mut kept = Vec::new();
    for node in graph.node.drain(..).rev() {
        if node.output.iter().any(|name| needed.contains(name)) {
            needed.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph
        .initializer
        .retain(|tensor| needed.contains(&tensor.name));
    graph.value_info.clear();
    graph.quantization_annotation.clear();
    Ok(())
}

/// A beginning that no name of the graph has, nor any name that the new outputs have.
fn free_prefix(graph: &GraphProto) -> String {
    let names: Vec<&str> = graph
        .node
        .iter()
        .flat_map(|node| node.input.iter().chain(&node.output))
        .chain(graph.initializer.iter().map(|tensor| &tensor.name))
        .map(String::as_str)
        .collect();
    (0..)
        .map(|number| format!("head{number}."))
        .find(|prefix| !names.iter().any(|name| name.starts_with(prefix.as_str())))
        .unwrap_or_default()
}

/// What is added to a graph.
struct Addition<'a> {
    prefix: String,
    graph: &'a mut GraphProto,
}

impl Addition<'_> {
    /// Stores an array and gives its name as float32.
    fn weights(&mut self, name: &str, values: ArrayD<f32>) -> String {
        let name = format!("{}{name}", self.prefix);
        let dims: Vec<i64> = values.shape().iter().map(|size| *size as i64).collect();
        let halves: Vec<f16> = values.iter().map(|value| f16::from_f32(*value)).collect();
        // Only what loses nothing is halved: `stored` has rounded what was to be.
        let lossless = halves
            .iter()
            .zip(&values)
            .all(|(half, value)| half.to_f32() == *value);
        let half = values.len() >= HALF_FROM && lossless;
        let (data_type, raw_data, stored) = if half {
            let bytes = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
            (DataType::Float16, bytes, format!("{name}.f16"))
        } else {
            let bytes = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (DataType::Float, bytes, name.clone())
        };
        self.graph.initializer.push(TensorProto {
            name: stored.clone(),
            dims,
            data_type: data_type as i32,
            raw_data,
            ..Default::default()
        });
        if half {
            let float = i64::from(DataType::Float as i32);
            self.node("Cast", &[&stored], &name, &[("to", float)]);
        }
        name
    }

    /// Stores a shape and gives its name.
    fn shape(&mut self, name: &str, values: &[i64]) -> String {
        let name = format!("{}{name}", self.prefix);
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            dims: vec![values.len() as i64],
            data_type: DataType::Int64 as i32,
            raw_data: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            ..Default::default()
        });
        name
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, integers: &[(&str, i64)]) {
        let attribute = |(name, value): &(&str, i64)| AttributeProto {
            name: (*name).to_owned(),
            i: *value,
            r#type: AttributeType::Int as i32,
            ..Default::default()
        };
        self.graph.node.push(NodeProto {
            op_type: operator.to_owned(),
            name: format!("{}{operator}/{output}", self.prefix),
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: integers.iter().map(attribute).collect(),
            ..Default::default()
        });
    }
}

/// A float32 output.
fn output(name: &str, shape: &[usize]) -> ValueInfoProto {
    let dimension = |size: &usize| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(*size as i64)),
        ..Default::default()
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(TensorShapeProto {
                    dim: shape.iter().map(dimension).collect(),
                }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
