"""The ONNX file answers as the network does, and its Grad-CAM weights are autograd's."""

from pathlib import Path

import numpy as np
import onnx
import torch

from recipe.golden import member_vectors, run_onnxruntime, synthetic_tiles
from recipe.networks import Network


def halved(network: Network) -> dict[str, torch.Tensor]:
    """Return the head's weights as the file stores them."""
    return {
        "dense1": network.dense1.weight.half().float(),
        "dense2": network.dense2.weight,
    }


def test_logits_and_probabilities_equal_torch(exported: Path, network: Network) -> None:
    tiles = synthetic_tiles(2)
    found = run_onnxruntime(exported, tiles)
    with torch.no_grad():
        wanted = network(torch.from_numpy(tiles))
    # Weights in float16 move a logit by about 1e-3; the executor of golden.py compares exactly.
    assert np.abs(found["logits"] - wanted.numpy()).max() < 5e-3
    softmax = torch.softmax(torch.from_numpy(found["logits"]), 1).numpy()
    assert np.abs(found["probs"] - softmax).max() < 1e-6


def test_torch_on_the_files_weights_equals_onnxruntime(exported: Path) -> None:
    tiles = synthetic_tiles(4)
    vectors = member_vectors(exported, tiles)
    reference = run_onnxruntime(exported, tiles)
    assert np.abs(vectors["efficientnet-lite0.logits"] - reference["logits"]).max() < 1e-4
    weights = vectors["efficientnet-lite0.cam_weights"]
    gap = np.abs(weights - reference["cam_weights"]).max() / np.abs(weights).max()
    assert gap < 1e-5


def test_cam_weights_equal_autograd(exported: Path, network: Network) -> None:
    tile = synthetic_tiles(3)[:1]
    found = run_onnxruntime(exported, tile)
    features = torch.from_numpy(found["features"]).requires_grad_()
    weights = halved(network)
    hidden = torch.relu(features.mean((2, 3)) @ weights["dense1"].T + network.dense1.bias)
    logits = hidden @ weights["dense2"].T + network.dense2.bias
    for index in (0, 1):
        (gradient,) = torch.autograd.grad(logits[0, index], features, retain_graph=True)
        wanted = gradient.mean((2, 3))[0].numpy()
        assert np.abs(found["cam_weights"][0, index] - wanted).max() < 1e-6


def test_the_graph_has_concrete_shapes_and_plain_operations(exported: Path) -> None:
    model = onnx.load(str(exported))
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "tile": [1, 3, 128, 128],
        "logits": [1, 2],
        "probs": [1, 2],
        "features": [1, 1280, 4, 4],
        "cam_weights": [1, 2, 1280],
    }
    operations = {node.op_type for node in model.graph.node}
    assert not operations & {"BatchNormalization", "Pad", "Constant", "Identity"}
    assert exported.stat().st_size < 8e6
