"""A folder of fake tiles and an exported, untrained member, made once for all tests."""

from pathlib import Path

import onnx
import pytest
import torch

from recipe.export import to_onnx
from recipe.networks import MEMBERS, Member, Network, build
from recipe.tests.fake_tiles import write

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def tile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiles")
    write(folder, dishes=7, each=4, seed=3, unknown=2)
    return folder


def require_weights(member: Member) -> None:
    """Skip a test if a member's published weights are not on this machine."""
    try:
        member.load()
    except FileNotFoundError as absent:
        pytest.skip(str(absent))


@pytest.fixture(scope="session", params=MEMBERS.values(), ids=list(MEMBERS))
def member(request: pytest.FixtureRequest) -> Member:
    require_weights(request.param)
    return request.param


@pytest.fixture(scope="session")
def network() -> Network:
    return build(MEMBERS["efficientnet-lite0"], seed=5).eval()


@pytest.fixture(scope="session")
def exported(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ensemble") / "efficientnet-lite0.onnx"
    onnx.save(to_onnx(network), str(path))
    return path
