"""MobileNetV1 1.0 backbone (Howard et al. 2017, arXiv:1704.04861).

Input N×3×H×W, even at every layer of stride 2, RGB as (x − 128)/128; output the last feature map
N×1024×H/32×W/32. The weights were published as a TensorFlow Lite file of unsigned 8-bit numbers
with one scale a tensor (Jacob et al. 2018), BatchNorm folded into the convolutions and without
the classifier. They are turned back into real numbers, so that training can change them.

As there is no classifier to name a photograph, the evidence is that the features are TensorFlow
Lite's own, which `mobilenet_v1_reference.py` recorded.
"""

from pathlib import Path

import numpy as np
import tflite
import torch
from torch import Tensor, nn

from .layers import SameConv, relu6
from .pretrained import Evidence, resembles, shared_file

FEATURE_CHANNELS = 1024
STEM_CHANNELS = 32
# (output channels, stride) of each separable convolution
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
EARLY_BLOCKS = 3
REFERENCE = Path(__file__).with_name("mobilenet_v1_reference.npz")


class SeparableConv(nn.Module):
    """Depthwise 3×3, then pointwise 1×1, each followed by ReLU6."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.depthwise = SameConv(inputs, inputs, 3, stride, groups=inputs, bias=True)
        self.pointwise = SameConv(inputs, outputs, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×inputs×H×W to N×outputs×H/stride×W/stride."""
        return relu6(self.pointwise(relu6(self.depthwise(x))))


class MobileNetV1(nn.Module):
    """MobileNetV1 up to its last feature map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2, bias=True)
        self.blocks = nn.ModuleList()
        channels = STEM_CHANNELS
        for outputs, stride in BLOCKS:
            self.blocks.append(SeparableConv(channels, outputs, stride))
            channels = outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map N×3×H×W to N×1024×H/32×W/32."""
        x = relu6(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return x


def early_layers(backbone: nn.Module) -> list[nn.Module]:
    """Return the layers up to a quarter of the input's resolution."""
    return [backbone.stem, *backbone.blocks[:EARLY_BLOCKS]]


def dequantised(model: tflite.Model, index: int) -> np.ndarray:
    """Return a constant tensor's real numbers: scale · (stored − zero point)."""
    tensor = model.Subgraphs(0).Tensors(index)
    types = {tflite.TensorType.UINT8: np.uint8, tflite.TensorType.INT32: np.int32}
    stored = model.Buffers(tensor.Buffer()).DataAsNumpy().view(types[tensor.Type()])
    quantisation = tensor.Quantization()
    scale, zero = quantisation.ScaleAsNumpy(), quantisation.ZeroPointAsNumpy()
    if scale.size != 1 or zero.size != 1:
        raise ValueError(f"tensor {tensor.Name()} has not one scale")
    real = (stored.astype(np.float64) - zero[0]) * scale[0]
    return real.astype(np.float32).reshape(tensor.ShapeAsNumpy())


def read_convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Return weight (PyTorch's order of axes) and bias of each convolution, input first."""
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    # TensorFlow Lite orders weights O·H·W·I, and those of a depthwise convolution 1·H·W·O.
    axes = {
        tflite.BuiltinOperator.CONV_2D: (0, 3, 1, 2),
        tflite.BuiltinOperator.DEPTHWISE_CONV_2D: (3, 0, 1, 2),
    }
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        if code in axes:
            weight, bias = (dequantised(model, operator.Inputs(place)) for place in (1, 2))
            contiguous = np.ascontiguousarray(weight.transpose(axes[code]))
            found.append((torch.from_numpy(contiguous), torch.from_numpy(bias)))
    return found


def published_file() -> Path:
    """Return the published file (Apache-2.0)."""
    return shared_file(
        "mobilenet_v1_1.0_224_features.tflite",
        "github.com/google-coral/test_data",
        "f409ef4f73fcbb9667841965623c5c8524aac33d41b9bf5f3667161fb4a76319",
    )


def load() -> tuple[MobileNetV1, Evidence]:
    """Load the published weights."""
    path = published_file()
    backbone = MobileNetV1()
    layers = [layer for layer in backbone.modules() if isinstance(layer, SameConv)]
    with torch.no_grad():
        for layer, (weight, bias) in zip(layers, read_convolutions(path), strict=True):
            if weight.shape != layer.weight.shape:
                raise ValueError(f"{path.name} has a convolution of shape {tuple(weight.shape)}")
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return backbone, resembles(REFERENCE)
