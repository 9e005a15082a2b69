"""SqueezeNet 1.0 and 1.1 backbones (Iandola et al. 2016, arXiv:1602.07360).

Fire modules squeeze by a 1×1 convolution and expand by a 1×1 and a 3×3 one, side by side; there
is no BatchNorm. The ImageNet classifier is a 1×1 convolution with ReLU before the pool, so that
the last map is 512 channels of fire9: 7×7 for a tile of 128×128, 13×13 for 224×224.

Weights: 1.1 by DeepScale as ONNX in float16, 1.0 as Caffe layers, pruned and quantised by Deep
Compression (Han et al. 2016) and decoded. Both were trained on BGR pixels minus a mean; the
first layer's input channels are swapped here, so that they take RGB as every member does.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from .pretrained import Evidence, names_a_cat, shared_file

FEATURE_CHANNELS = 512
FIRST_FIRE = 2
# Squeezed channels of fire2 to fire9; each expands to four times as many on either side.
SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)
# version -> (channels, kernel) of the first convolution
STEMS = {"1.0": (96, 7), "1.1": (64, 3)}
# version -> the fire modules that a pool precedes
POOLED = {"1.0": (2, 5, 9), "1.1": (2, 4, 6)}
# version -> factor on the last map, whose values without BatchNorm are so large (pooled up to 160
# in 1.0) that a new head's first steps would overshoot; with it they are as in the other members.
SHARES = {"1.0": 1 / 8, "1.1": 1 / 2}

# A tile value t in [−1, 1] stands for the pixel 127.5·(t + 1), from which the mean is taken.
MEAN_RGB = (123.0, 117.0, 104.0)
SCALE = (127.5, 127.5, 127.5)
OFFSET = (127.5 - MEAN_RGB[0], 127.5 - MEAN_RGB[1], 127.5 - MEAN_RGB[2])

# Name of a layer here -> weight and bias.
Published = Callable[[str], tuple[np.ndarray, np.ndarray]]


class Fire(nn.Module):
    """Squeeze, then expand on two sides and concatenate, each followed by ReLU."""

    def __init__(self, inputs: int, squeezed: int):
        super().__init__()
        side = 4 * squeezed
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1 = nn.Conv2d(squeezed, side, 1)
        self.expand3 = nn.Conv2d(squeezed, side, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map N×inputs×H×W to N×(8·squeezed)×H×W."""
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1(x)), torch.relu(self.expand3(x))], 1)


class SqueezeNet(nn.Module):
    """SqueezeNet up to its last feature map."""

    def __init__(self, version: str):
        super().__init__()
        channels, kernel = STEMS[version]
        self.pooled = POOLED[version]
        self.share = SHARES[version]
        self.conv1 = nn.Conv2d(3, channels, kernel, stride=2)
        self.fires = nn.ModuleList()
        for squeezed in SQUEEZED:
            self.fires.append(Fire(channels, squeezed))
            channels = 8 * squeezed

    def forward(self, x: Tensor) -> Tensor:
        """Map N×3×H×W to N×512×h×w; pools round sizes up as Caffe's do."""
        x = torch.relu(self.conv1(x))
        for number, fire in enumerate(self.fires, FIRST_FIRE):
            if number in self.pooled:
                x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
            x = fire(x)
        return x * self.share


def early_layers(backbone: nn.Module) -> list[nn.Module]:
    """Return the layers up to a quarter of the input's resolution: all before the second pool."""
    return [backbone.conv1, *backbone.fires[: backbone.pooled[1] - FIRST_FIRE]]


def assemble(version: str, published: Published) -> tuple[SqueezeNet, Evidence]:
    """Fill a network with published weights; its evidence is the ImageNet classifier."""
    backbone = SqueezeNet(version)
    with torch.no_grad():
        for name, layer in backbone.named_modules():
            if isinstance(layer, nn.Conv2d):
                weight, bias = (torch.from_numpy(array) for array in published(name))
                if weight.shape != layer.weight.shape:
                    raise ValueError(f"{name} has shape {tuple(weight.shape)}")
                layer.weight.copy_(weight.flip(1) if name == "conv1" else weight)
                layer.bias.copy_(bias)
    weight, bias = (torch.from_numpy(array).float() for array in published("classifier"))

    def classifier(features: Tensor) -> Tensor:
        return torch.relu(functional.conv2d(features / backbone.share, weight, bias)).mean((2, 3))

    return backbone, names_a_cat(classifier)


def published_name(name: str, classifier: str, sides: dict[str, str], separator: str) -> str:
    """Translate a layer's name, such as `fires.0.squeeze`, into a publisher's."""
    if name == "classifier":
        return classifier
    if not name.startswith("fires."):
        return name
    _, index, side = name.split(".")
    return f"fire{int(index) + FIRST_FIRE}{separator}{sides[side]}"


def read_onnx(path: Path) -> Published:
    """Return the layers of SqueezeNet 1.1."""
    arrays = {
        item.name: numpy_helper.to_array(item).astype(np.float32)
        for item in onnx.load(str(path)).graph.initializer
    }
    sides = {"squeeze": "squeeze1x1", "expand1": "expand1x1", "expand3": "expand3x3"}

    def layer(name: str) -> tuple[np.ndarray, np.ndarray]:
        stem = published_name(name, "conv10", sides, "/")
        return arrays[f"{stem}_w_0"], arrays[f"{stem}_b_0"]

    return layer


def read_caffe(path: Path) -> Published:
    """Return the layers of SqueezeNet 1.0."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    sides = {"squeeze": "conv1x1_1", "expand1": "conv1x1_2", "expand3": "conv3x3_2"}

    def layer(name: str) -> tuple[np.ndarray, np.ndarray]:
        stem = published_name(name, "conv_final", sides, "__")
        return arrays[f"{stem}.w"], arrays[f"{stem}.b"]

    return layer


def load_1_1() -> tuple[SqueezeNet, Evidence]:
    """Load SqueezeNet 1.1 (MIT; upstream BSD)."""
    path = shared_file(
        "squeezenet1_1_fp16.onnx",
        "github.com/microsoft/Windows-Machine-Learning (SharedContent/models/SqueezeNet_fp16.onnx)",
        "21f25e3d9254af93e6218a359469fac714a017b3f9035c0f5c4acbf9a3ff7233",
    )
    return assemble("1.1", read_onnx(path))


def load_1_0() -> tuple[SqueezeNet, Evidence]:
    """Load SqueezeNet 1.0 (BSD-2-Clause)."""
    path = shared_file(
        "squeezenet1_0.npz",
        "github.com/songhan/SqueezeNet-Deep-Compression (decoded, arrays by Caffe layer)",
        "9d85aea34093c74e2336a4e5b0a45584c4cabf1893ae9c900a0ae53f498fe31d",
    )
    return assemble("1.0", read_caffe(path))
