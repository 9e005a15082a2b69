"""Rewrites that make an exported ONNX graph small and plain; each keeps its results.

The exporter of PyTorch 1.13 computes paddings by chains of shape operations and writes
Constant nodes; an engine loads a graph of convolutions and initializers faster and more surely.
"""

import numpy as np
import onnx
from onnx import GraphProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

# Smaller tensors (biases, constants) keep float32: nothing is saved by halving them.
HALF_FROM_ELEMENTS = 2048


def fold_constants(model: onnx.ModelProto) -> None:
    """Compute every node that depends on nothing but initializers."""
    graph = model.graph
    known = {item.name for item in graph.initializer}
    folded = []
    for node in graph.node:
        if all(name in known or not name for name in node.input):
            folded.append(node)
            known.update(node.output)
    if not folded:
        return
    inside = {name for node in folded for name in node.output}
    kept = [node for node in graph.node if node not in folded]
    wanted = sorted(inside & {name for node in kept for name in node.input})
    outputs = [onnx.ValueInfoProto(name=name) for name in wanted]
    part = helper.make_graph(folded, "constants", [], outputs, list(graph.initializer))
    opsets = list(model.opset_import)
    values = ReferenceEvaluator(helper.make_model(part, opset_imports=opsets)).run(None, {})
    del graph.node[:]
    graph.node.extend(kept)
    for name, value in zip(wanted, values, strict=True):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def fold_pads(graph: GraphProto) -> None:
    """Move each constant zero Pad into the convolution that alone reads it."""
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        readers = [node for node in graph.node if pad.output[0] in node.input]
        amounts = constants.get(pad.input[1])
        if amounts is None or len(readers) != 1 or readers[0].op_type != "Conv":
            raise ValueError(f"padding {pad.name} is not constant or not read by one convolution")
        if amounts[[0, 1, 4, 5]].any():
            raise ValueError(f"padding {pad.name} is not of rows and columns")
        for attribute in readers[0].attribute:
            if attribute.name == "pads":
                total = np.array(attribute.ints) + amounts[[2, 3, 6, 7]]
                del attribute.ints[:]
                attribute.ints.extend(int(value) for value in total)
        readers[0].input[0] = pad.input[0]
        graph.node.remove(pad)


def explicit_pool_sizes(model: onnx.ModelProto) -> None:
    """Replace MaxPool's rounding up by the rows and columns of padding that it amounts to.

    Engines differ in what `ceil_mode` does at the border; padding is plain.
    """
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    sizes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim[2:]]
        for value in inferred.value_info
    }
    for pool in [node for node in model.graph.node if node.op_type == "MaxPool"]:
        attributes = {item.name: item for item in pool.attribute}
        if "ceil_mode" not in attributes or not attributes["ceil_mode"].i:
            continue
        kernel, strides, pads = (
            list(attributes[name].ints) for name in ("kernel_shape", "strides", "pads")
        )
        for axis, size in enumerate(sizes[pool.input[0]]):
            beyond = (size + pads[axis] + pads[axis + 2] - kernel[axis]) % strides[axis]
            if beyond:
                pads[axis + 2] += strides[axis] - beyond
        pool.attribute.remove(attributes["ceil_mode"])
        del attributes["pads"].ints[:]
        attributes["pads"].ints.extend(pads)


def drop_unused_initializers(graph: GraphProto) -> None:
    """Remove initializers that no node reads."""
    used = {name for node in graph.node for name in node.input}
    for item in [item for item in graph.initializer if item.name not in used]:
        graph.initializer.remove(item)


def merge_equal_initializers(graph: GraphProto) -> None:
    """Let equal constants share one initializer."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    renamed: dict[str, str] = {}
    for item in list(graph.initializer):
        array = numpy_helper.to_array(item)
        key = (item.data_type, array.shape, array.tobytes())
        if key in first:
            renamed[item.name] = first[key]
            graph.initializer.remove(item)
        else:
            first[key] = item.name
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)


def infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give the outputs the concrete shapes that follow from the input's."""
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    del inferred.graph.value_info[:]
    return inferred


def halve_weights(graph: GraphProto) -> None:
    """Store large float32 initializers as float16 and cast them back in the graph."""
    casts = []
    for item in graph.initializer:
        array = numpy_helper.to_array(item)
        if array.dtype != np.float32 or array.size < HALF_FROM_ELEMENTS:
            continue
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"weight {item.name} does not fit float16")
        name = item.name
        item.CopyFrom(numpy_helper.from_array(half, f"{name}.f16"))
        casts.append(
            helper.make_node(
                "Cast", [f"{name}.f16"], [name], name=f"{name}.cast", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
