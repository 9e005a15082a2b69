"""Verification of golden vectors passes on what was written and fails on what was changed."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from recipe.golden import compute, differences, synthetic_tiles


@pytest.fixture(scope="module")
def golden(exported: Path) -> dict[str, np.ndarray]:
    return compute(exported.parent, synthetic_tiles(1)[:2])


def test_recomputed_vectors_agree(golden: dict[str, np.ndarray], exported: Path) -> None:
    assert differences(golden, compute(exported.parent, golden["tiles"])) == []


@pytest.mark.parametrize("name", ["logits", "cam_weights", "map"])
def test_a_changed_value_is_seen(golden: dict[str, np.ndarray], name: str) -> None:
    key = f"efficientnet-lite0.{name}"
    changed = {**golden, key: golden[key].copy()}
    changed[key].flat[7 % changed[key].size] += 1e-3
    assert len(differences(changed, golden)) == 1


def test_not_a_number_is_seen(golden: dict[str, np.ndarray]) -> None:
    key = "efficientnet-lite0.logits"
    assert differences({**golden, key: golden[key] * np.nan}, golden)


def test_changed_weights_are_seen(
    golden: dict[str, np.ndarray], exported: Path, tmp_path: Path
) -> None:
    model = onnx.load(str(exported))
    (bias,) = (item for item in model.graph.initializer if item.name.endswith("dense2.bias"))
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 0.01, bias.name))
    onnx.save(model, str(tmp_path / exported.name))
    found = differences(golden, compute(tmp_path, golden["tiles"]))
    assert any("logits" in sentence for sentence in found)


def test_maps_are_scaled_to_one(golden: dict[str, np.ndarray]) -> None:
    maps = golden["efficientnet-lite0.map"]
    assert maps.shape == (2, 128, 128)
    assert maps.min() == 0
    assert 0.999 < maps.max() <= 1
