//! What an ONNX file may contain, looked at before the library interprets it.

use std::collections::{HashMap, HashSet};

use super::{
    CAM_WEIGHTS, FEATURES, LOGITS, NetworkSpec,
    pb::{
        GraphProto, NodeProto, TensorProto, tensor_proto::DataType, tensor_shape_proto, type_proto,
    },
};

/// Most elements of one intermediate array: 64 MiB of float32.
const ARRAY_LIMIT: usize = 1 << 24;
/// Most elements of all arrays of a network together: 1 GiB of float32.
const ALL_ARRAYS_LIMIT: usize = 1 << 28;
/// Most pixels under a pooling window: no tile has as many.
const WINDOW_LIMIT: i64 = 1 << 20;
/// Most nodes of a graph.
const NODE_LIMIT: usize = 10_000;

/// What classifiers of tiles are made of. Left out is what makes arrays out of numbers (`Range`, `Tile`,
/// `ConstantOfShape`…), what has a graph inside, and what is random.
const OPERATORS: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Div",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Greater",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "MatMul",
    "MaxPool",
    "Mul",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
];

/// Those that may be computed out of stored arrays alone, as weights are that are stored as float16: the result has as
/// many elements. The library computes them while it reads the file, before the bounds on what it computes are known.
const OF_STORED: &[&str] = &[
    "Cast",
    "Constant",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Refuses what the library would panic about or what could take memory without bound.
pub(super) fn screen(graph: &GraphProto) -> Result<(), String> {
    if graph.node.len() > NODE_LIMIT {
        return Err(format!(
            "has {} nodes and {NODE_LIMIT} are allowed",
            graph.node.len()
        ));
    }
    let mut known: HashSet<&str> = graph
        .input
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    // Elements of the arrays that do not depend on the tile.
    let mut stored: HashMap<&str, usize> = HashMap::new();
    let mut all = 0;
    for tensor in &graph.initializer {
        known.insert(&tensor.name);
        stored.insert(&tensor.name, elements(tensor));
        readable(tensor.data_type, &tensor.name)?;
    }
    for node in &graph.node {
        if !OPERATORS.contains(&node.op_type.as_str()) || !node.domain.is_empty() {
            return Err(format!(
                "uses the operator {:?}, which is not one that classifiers of tiles are made of; \
                 export the network with {}",
                node.op_type,
                OPERATORS.join(", ")
            ));
        }
        for attribute in &node.attribute {
            if let Some(tensor) = &attribute.t {
                readable(tensor.data_type, &node.name)?;
            }
        }
        if let Some(input) = node
            .input
            .iter()
            .find(|input| !input.is_empty() && !known.contains(input.as_str()))
        {
            return Err(format!(
                "uses the array {input:?} before it is computed; export it again"
            ));
        }
        window(node)?;
        let of_stored = of_stored(node, &stored)?;
        all = add(all, of_stored.unwrap_or_default())?;
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            // The library would take the last of them everywhere.
            if !known.insert(output) {
                return Err(format!(
                    "computes the array {output:?} twice; export it again"
                ));
            }
            if let Some(elements) = of_stored {
                stored.insert(output, elements);
            }
        }
    }
    match graph
        .output
        .iter()
        .find(|output| !known.contains(output.name.as_str()))
    {
        Some(output) => Err(format!(
            "names the output {:?} and does not compute it; export it again",
            output.name
        )),
        None => Ok(()),
    }
}

/// Elements of what `node` computes when it is computed out of stored arrays alone.
fn of_stored(node: &NodeProto, stored: &HashMap<&str, usize>) -> Result<Option<usize>, String> {
    let inputs = node.input.iter().filter(|input| !input.is_empty());
    let inputs: Option<Vec<usize>> = inputs
        .map(|input| stored.get(input.as_str()).copied())
        .collect();
    let Some(inputs) = inputs else {
        return Ok(None);
    };
    if !OF_STORED.contains(&node.op_type.as_str()) {
        return Err(format!(
            "uses {} on stored arrays alone; export it with constants folded, so that the result is stored",
            node.op_type
        ));
    }
    let values = node.attribute.iter().filter_map(|value| value.t.as_ref());
    let elements = inputs.into_iter().chain(values.map(elements)).max();
    Ok(Some(elements.unwrap_or_default()))
}

/// What a stored array claims to have; the library refuses it when it has less.
fn elements(tensor: &TensorProto) -> usize {
    tensor.dims.iter().fold(1, |product: usize, size| {
        product.saturating_mul(usize::try_from(*size).unwrap_or_default())
    })
}

/// The library has a table of the pixels under a window.
fn window(node: &NodeProto) -> Result<(), String> {
    for attribute in &node.attribute {
        let pixels = attribute
            .ints
            .iter()
            .try_fold(1_i64, |product, size| product.checked_mul(*size));
        if attribute.name == "kernel_shape" && pixels.is_none_or(|pixels| pixels > WINDOW_LIMIT) {
            return Err(format!(
                "has a window of {WINDOW_LIMIT} pixels or more; no tile is as large"
            ));
        }
    }
    Ok(())
}

fn readable(data_type: i32, name: &str) -> Result<(), String> {
    match DataType::try_from(data_type) {
        Ok(
            DataType::Float
            | DataType::Float16
            | DataType::Double
            | DataType::Int32
            | DataType::Int64
            | DataType::Bool,
        ) => Ok(()),
        _ => Err(format!(
            "stores {name:?} as ONNX data type {data_type}; float16, float32, float64, int32, int64 and \
             bool are read"
        )),
    }
}

/// The declared input must be able to take a tile.
pub(super) fn check_input(graph: &GraphProto, spec: NetworkSpec) -> Result<(), String> {
    let stored: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let inputs: Vec<_> = graph
        .input
        .iter()
        .filter(|input| !stored.contains(input.name.as_str()))
        .collect();
    let [c, h, w] = spec.tile();
    let expected = format!("one input, float32 1×{c}×{h}×{w}, is expected");
    let [input] = inputs.as_slice() else {
        return Err(format!("has {} inputs; {expected}", inputs.len()));
    };
    let Some(type_proto::Value::TensorType(tensor)) =
        input.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Err(format!("has an input of no type; {expected}"));
    };
    if tensor.elem_type != DataType::Float as i32 {
        return Err(format!(
            "has an input of ONNX data type {}; {expected}",
            tensor.elem_type
        ));
    }
    let Some(shape) = &tensor.shape else {
        return Ok(());
    };
    let declared: Vec<_> = shape
        .dim
        .iter()
        .map(|dim| match &dim.value {
            Some(tensor_shape_proto::dimension::Value::DimValue(value)) => Some(*value),
            _ => None,
        })
        .collect();
    let fits = declared.len() == 4
        && declared
            .iter()
            .zip([1, c, h, w])
            .all(|(declared, wanted)| declared.is_none_or(|d| usize::try_from(d) == Ok(wanted)));
    if fits {
        Ok(())
    } else {
        let found: Vec<_> = declared
            .iter()
            .map(|dim| dim.map_or("?".to_owned(), |d| d.to_string()))
            .collect();
        Err(format!(
            "takes {} and the manifest's tiles are 1×{c}×{h}×{w}; use the network that the manifest was \
             made with",
            found.join("×")
        ))
    }
}

/// Positions in the file of the outputs that are computed.
pub(super) fn select_outputs(graph: &GraphProto, spec: NetworkSpec) -> Result<Vec<usize>, String> {
    let names: &[&str] = if spec.cam {
        &[LOGITS, FEATURES, CAM_WEIGHTS]
    } else {
        &[LOGITS]
    };
    names
        .iter()
        .map(|name| {
            graph
                .output
                .iter()
                .position(|output| output.name == *name)
                .ok_or_else(|| {
                    let hint = if *name == LOGITS {
                        "export it with that output"
                    } else {
                        "export it with that output, or set `cam` to false to use it for labels only"
                    };
                    format!("has no output `{name}`; {hint}")
                })
        })
        .collect()
}

/// Adds up what arrays have.
fn add(all: usize, elements: usize) -> Result<usize, String> {
    let all = all.saturating_add(elements);
    if all <= ALL_ARRAYS_LIMIT {
        Ok(all)
    } else {
        Err(format!(
            "computes arrays of more than {ALL_ARRAYS_LIMIT} elements together; use a smaller network"
        ))
    }
}

/// Checks one array more, of `shape`; `all` is what the ones before have together.
pub(super) fn bound(all: &mut usize, name: &str, shape: Option<&[usize]>) -> Result<(), String> {
    let Some(shape) = shape else {
        return Ok(());
    };
    let elements = shape
        .iter()
        .try_fold(1_usize, |product, dim| product.checked_mul(*dim));
    match elements {
        Some(elements) if elements <= ARRAY_LIMIT => {
            *all = add(*all, elements)?;
            Ok(())
        }
        _ => Err(format!(
            "computes the array {name:?} of shape {shape:?}; at most {ARRAY_LIMIT} elements are allowed"
        )),
    }
}
