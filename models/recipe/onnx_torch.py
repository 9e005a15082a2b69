"""Runs a committed ONNX member on PyTorch, so that autograd sees exactly the shipped weights.

It knows the few operations that the members consist of. The output `features` passes through
the module `last_map`, to which the package `grad-cam` attaches.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import NodeProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

Attributes = dict[str, Any]
ONNX_TO_TORCH = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.FLOAT16: torch.float16,
    onnx.TensorProto.INT64: torch.int64,
}


def padded(x: Tensor, attributes: Attributes, value: float) -> Tensor:
    """Pad rows and columns as the attribute `pads` (begin, begin, end, end) says."""
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    return functional.pad(x, (left, right, top, bottom), value=value)


def conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """ONNX Conv in two dimensions."""
    return functional.conv2d(
        padded(x, attributes, 0.0),
        weight,
        bias,
        attributes.get("strides", [1, 1]),
        dilation=attributes.get("dilations", [1, 1]),
        groups=attributes.get("group", 1),
    )


def max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    """ONNX MaxPool in two dimensions."""
    return functional.max_pool2d(
        padded(x, attributes, float("-inf")),
        attributes["kernel_shape"],
        attributes.get("strides", [1, 1]),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )


def gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """ONNX Gemm with alpha = beta = 1."""
    if attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0:
        raise ValueError("Gemm with alpha or beta other than 1 is not known")
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    return a @ b if c is None else a @ b + c


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda _, a, b: a + b,
    "Cast": lambda at, x: x.to(ONNX_TO_TORCH[at["to"]]),
    "Clip": lambda _, x, low, high: torch.clamp(x, low.item(), high.item()),
    "Concat": lambda at, *xs: torch.cat(xs, at["axis"]),
    "Conv": conv,
    "Flatten": lambda at, x: torch.flatten(x, at.get("axis", 1)),
    "Gemm": gemm,
    "GlobalAveragePool": lambda _, x: x.mean((2, 3), keepdim=True),
    "Greater": lambda _, a, b: a > b,
    "MatMul": lambda _, a, b: a @ b,
    "MaxPool": max_pool,
    "Mul": lambda _, a, b: a * b,
    "Relu": lambda _, x: torch.relu(x),
    "Softmax": lambda at, x: torch.softmax(x, at.get("axis", -1)),
    "Unsqueeze": lambda _, x, axes: x.unsqueeze(int(axes.item())),
}


class OnnxNetwork(nn.Module):
    """An ONNX member as a PyTorch module; `forward` returns the logits."""

    def __init__(self, path: Path):
        super().__init__()
        graph = onnx.load(str(path)).graph
        unknown = {node.op_type for node in graph.node} - OPERATIONS.keys()
        if unknown:
            raise ValueError(f"{path.name} has operations that are not known: {sorted(unknown)}")
        self.nodes: list[tuple[NodeProto, Attributes]] = [
            (node, {a.name: helper.get_attribute_value(a) for a in node.attribute})
            for node in graph.node
        ]
        self.weights = {
            item.name: torch.from_numpy(np.array(numpy_helper.to_array(item)))
            for item in graph.initializer
        }
        self.last_map = nn.Identity()
        # The package grad-cam asks a module's first parameter for the device.
        self.device_marker = nn.Parameter(torch.zeros(1))

    def run(self, tile: Tensor) -> dict[str, Tensor]:
        """Return every tensor of the graph by name."""
        values = {**self.weights, "tile": tile + 0 * self.device_marker}
        for node, attributes in self.nodes:
            inputs = [values[name] for name in node.input if name]
            result = OPERATIONS[node.op_type](attributes, *inputs)
            name = node.output[0]
            values[name] = self.last_map(result) if name == "features" else result
        return values

    def forward(self, tile: Tensor) -> Tensor:
        """Map a tile 1×3×128×128 to logits 1×2."""
        return self.run(tile)["logits"]
