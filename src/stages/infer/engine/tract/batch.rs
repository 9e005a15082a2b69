//! The same ONNX file for any number of tiles at once.

use std::collections::HashSet;

use prost::Message;

use super::{
    decode,
    pb::{TensorShapeProto, ValueInfoProto, tensor_shape_proto, type_proto},
};

/// The name of the number of tiles.
const TILES: &str = "tiles";

/// Makes the first dimension of what a network takes and gives a symbol. Whether its operators then still do the same
/// to each tile is not seen from the file: it has to be tried.
///
/// # Errors
/// A sentence (without the file's name) when the file is not ONNX.
pub(in crate::stages::infer::engine) fn for_any_batch(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut file = decode(bytes)?;
    if let Some(graph) = &mut file.graph {
        let known: HashSet<&str> = graph
            .initializer
            .iter()
            .map(|tensor| tensor.name.as_str())
            .collect();
        let inputs = graph.input.iter_mut();
        inputs
            .filter(|input| !known.contains(input.name.as_str()))
            .chain(&mut graph.output)
            .for_each(open);
        // Shapes inside are of one tile.
        graph.value_info.clear();
    }
    Ok(file.encode_to_vec())
}

fn open(value: &mut ValueInfoProto) {
    let Some(type_proto::Value::TensorType(tensor)) =
        value.r#type.as_mut().and_then(|of| of.value.as_mut())
    else {
        return;
    };
    if let Some(TensorShapeProto { dim }) = &mut tensor.shape
        && let Some(first) = dim.first_mut()
    {
        first.value = Some(tensor_shape_proto::dimension::Value::DimParam(TILES.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Dimension = tensor_shape_proto::dimension::Value;

    fn dimensions(value: &ValueInfoProto) -> Vec<Option<Dimension>> {
        let of = value.r#type.as_ref().and_then(|of| of.value.as_ref());
        let Some(type_proto::Value::TensorType(tensor)) = of else {
            panic!("no tensor");
        };
        let shape = tensor.shape.as_ref().unwrap();
        shape.dim.iter().map(|dim| dim.value.clone()).collect()
    }

    #[test]
    fn only_the_number_of_tiles_is_left_open() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny/tiny.onnx");
        let bytes = std::fs::read(path).unwrap();
        let opened = for_any_batch(&bytes).unwrap();
        assert_eq!(for_any_batch(&opened).unwrap(), opened);
        let [before, after] = [&bytes, &opened].map(|bytes| decode(bytes).unwrap().graph.unwrap());
        assert_eq!(
            (before.node, before.initializer),
            (after.node, after.initializer)
        );
        let values = before.input.iter().chain(&before.output);
        let mut open = 0;
        for (before, after) in values.zip(after.input.iter().chain(&after.output)) {
            let (before, after) = (dimensions(before), dimensions(after));
            assert_eq!(before[1..], after[1..]);
            open += usize::from(after[0] == Some(Dimension::DimParam(TILES.into())));
        }
        assert!(open >= 2, "{open}");
        assert!(for_any_batch(b"not a network").is_err());
    }
}
