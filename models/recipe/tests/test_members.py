"""Every member's ONNX file is plain and answers as the network does."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from torch.nn import functional

from recipe import export, golden
from recipe.networks import Member, build
from recipe.onnx_passes import explicit_pool_sizes
from recipe.onnx_torch import max_pool

TILES = golden.synthetic_tiles(2)[:2]
PLAIN = {
    "Add",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Greater",
    "MatMul",
    "MaxPool",
    "Mul",
    "Relu",
    "Softmax",
    "Unsqueeze",
}


def test_the_graph_without_rounding_equals_torch(
    member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "halve_weights", lambda graph: None)
    network = build(member, 5).eval()
    path = tmp_path / "float32.onnx"
    onnx.save(export.to_onnx(network), str(path))
    found = golden.run_onnxruntime(path, TILES)
    with torch.no_grad():
        tiles = torch.from_numpy(TILES)
        features, logits = network.features(tiles), network(tiles)
    assert np.abs(found["logits"] - logits.numpy()).max() < 1e-4
    gap = np.abs(found["features"] - features.numpy()).max()
    assert gap < 1e-4 * float(features.abs().max())


def test_the_shipped_file_is_small_plain_and_explained(member: Member, tmp_path: Path) -> None:
    path = tmp_path / f"{member.name}.onnx"
    model = export.to_onnx(build(member, 5))
    onnx.save(model, str(path))
    assert {node.op_type for node in model.graph.node} <= PLAIN
    pools = [node for node in model.graph.node if node.op_type == "MaxPool"]
    assert not any(item.name == "ceil_mode" for pool in pools for item in pool.attribute)
    assert path.stat().st_size < 10.5e6
    # Compares ONNX Runtime with PyTorch and the CAM weights with autograd's.
    vectors = golden.member_vectors(path, TILES)
    assert vectors[f"{member.name}.cam_weights"].shape == (2, 2, member.feature_channels)
    assert np.isfinite(vectors[f"{member.name}.map"]).all()


@pytest.mark.parametrize("size", [9, 10, 11, 12, 30])
@pytest.mark.parametrize("padding", [0, 1])
def test_padding_replaces_a_pools_rounding_up(size: int, padding: int) -> None:
    pool = helper.make_node(
        "MaxPool",
        ["y"],
        ["z"],
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[padding] * 4,
        ceil_mode=1,
    )
    nodes = [helper.make_node("Neg", ["x"], ["y"]), pool]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "pool",
        [tensor("x", onnx.TensorProto.FLOAT, [1, 1, size, size])],
        [tensor("z", onnx.TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    x = torch.rand(1, 1, size, size)
    wanted = functional.max_pool2d(-x, 3, 2, padding, ceil_mode=True)
    explicit_pool_sizes(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert np.array_equal(session.run(None, {"x": x.numpy()})[0], wanted.numpy())
    attributes = {a.name: helper.get_attribute_value(a) for a in model.graph.node[1].attribute}
    assert "ceil_mode" not in attributes
    assert torch.equal(max_pool(attributes, -x), wanted)
