"""Registry of members: a backbone, where its ImageNet weights come from, its input scaling.

A member is added by one `Member` entry. Its loader returns the backbone and the evidence that
architecture, weights and input scaling belong together, which `verify_pretrained` examines.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from . import efficientnet_lite, mobilenet_v1, mobilenet_v2, squeezenet
from .pretrained import Evidence, photograph_tile


@dataclass(frozen=True)
class Member:
    """One network of the ensemble.

    `scale` and `offset` turn a tile value in [−1, 1] into what the backbone was trained on.
    `early` names the backbone's first layers, which are half of the work of a training step and
    hold edges and spots that microscopy shares with photographs: they keep their ImageNet
    weights. `relative_rate` is the share of the backbone's learning rate that suits it.
    """

    name: str
    load: Callable[[], tuple[nn.Module, Evidence]]
    feature_channels: int
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    early: Callable[[nn.Module], list[nn.Module]] = lambda _: []
    relative_rate: float = 1.0


# Without BatchNorm, the steps that suit the others undo what was pretrained.
PLAIN_RATE = 0.2


def lite(variant: int) -> Member:
    """Describe an EfficientNet-Lite.

    It expects (pixel − 127)/128, which is a tile's own range to within 0.4 %.
    """
    return Member(
        f"efficientnet-lite{variant}",
        partial(efficientnet_lite.load, variant),
        efficientnet_lite.FEATURE_CHANNELS,
        early=efficientnet_lite.early_layers,
    )


def squeeze(version: str, load: Callable[[], tuple[nn.Module, Evidence]]) -> Member:
    """Describe a SqueezeNet."""
    return Member(
        f"squeezenet-{version}",
        load,
        squeezenet.FEATURE_CHANNELS,
        squeezenet.SCALE,
        squeezenet.OFFSET,
        squeezenet.early_layers,
        PLAIN_RATE,
    )


LITE0 = lite(0)
MOBILENET_V2 = Member(
    "mobilenet-v2",
    mobilenet_v2.load,
    mobilenet_v2.FEATURE_CHANNELS,
    mobilenet_v2.SCALE,
    mobilenet_v2.OFFSET,
    mobilenet_v2.early_layers,
)
# It expects (pixel − 128)/128, which is a tile's own range to within 0.8 %.
MOBILENET_V1 = Member(
    "mobilenet-v1",
    mobilenet_v1.load,
    mobilenet_v1.FEATURE_CHANNELS,
    early=mobilenet_v1.early_layers,
    relative_rate=PLAIN_RATE,
)
MEMBERS = {
    member.name: member
    for member in (
        MOBILENET_V2,
        LITE0,
        lite(1),
        lite(2),
        squeeze("1.1", squeezenet.load_1_1),
        squeeze("1.0", squeezenet.load_1_0),
        MOBILENET_V1,
    )
}


class Network(nn.Module):
    """Input scaling → backbone → global average pool → dense (ReLU) → dense (2 logits)."""

    def __init__(self, member: Member, backbone: nn.Module, hidden: int = 128, drop: float = 0.3):
        super().__init__()
        self.scaled = member.scale != (1.0, 1.0, 1.0) or member.offset != (0.0, 0.0, 0.0)
        self.register_buffer("scale", torch.tensor(member.scale).view(1, 3, 1, 1))
        self.register_buffer("offset", torch.tensor(member.offset).view(1, 3, 1, 1))
        self.backbone = backbone
        self.early = member.early
        self.relative_rate = member.relative_rate
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


def verify_pretrained(member: Member) -> str:
    """Return the evidence that a member was rebuilt rightly; raise if it speaks against it."""
    backbone, evidence = member.load()
    network = Network(member, backbone).eval()
    with torch.no_grad():
        features = network.features(photograph_tile())
        try:
            return evidence(features)
        except ValueError as error:
            raise ValueError(
                f"{member.name}: {error}; weights, layers or input scaling do not belong together"
            ) from error


def main() -> None:
    """Check the pretrained weights of some members, or of all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--member", choices=sorted(MEMBERS), action="append", help="repeatable")
    for name in parser.parse_args().member or MEMBERS:
        print(f"{name}: {verify_pretrained(MEMBERS[name])}")


if __name__ == "__main__":
    main()
