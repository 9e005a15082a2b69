"""Makes the tiny ensemble beside this file: one convolution and a head, with what they must give.

The expectations are computed with numpy alone, by the formulas and not by the graph:

    python3 make.py      # needs what models/recipe/requirements.txt has
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.resolve().parents[2] / "models"))
from recipe.ood import statistics  # noqa: E402  (the folder is no package)

PIXELS, STRIDE, FEATURES, HIDDEN, TILES = 32, 8, 4, 3, 2
SIDE = PIXELS // STRIDE


def weights() -> dict[str, np.ndarray]:
    """Draw the weights; they are stored as float16."""
    rng = np.random.default_rng(7)
    shapes = {
        "conv.w": (FEATURES, 3, STRIDE, STRIDE),
        "conv.b": (FEATURES,),
        "fc1.w": (HIDDEN, FEATURES),
        "fc1.b": (HIDDEN,),
        "fc2.w": (2, HIDDEN),
        "fc2.b": (2,),
    }
    scale = {"conv.w": 0.2, "fc1.b": 0.3}
    return {
        name: (rng.standard_normal(shape) * scale.get(name, 1.0)).astype(np.float16)
        for name, shape in shapes.items()
    }


def graph(w: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Write the network with the outputs of a member."""
    initialisers = [numpy_helper.from_array(value, f"{name}.half") for name, value in w.items()]
    nodes = [
        helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT) for name in w
    ]
    extra = {
        "zero": np.float32(0),
        "per_pixel": np.float32(1 / SIDE**2),
        "axis": np.array([1], np.int64),
    }
    initialisers += [numpy_helper.from_array(np.asarray(v), name) for name, v in extra.items()]

    def node(op: str, inputs: list[str], output: str, **attributes: object) -> None:
        nodes.append(helper.make_node(op, inputs, [output], **attributes))

    kernel = [STRIDE, STRIDE]
    node("Conv", ["tile", "conv.w", "conv.b"], "map", kernel_shape=kernel, strides=kernel)
    node("Relu", ["map"], "features")
    node("GlobalAveragePool", ["features"], "pooled4")
    node("Flatten", ["pooled4"], "pooled")
    node("Gemm", ["pooled", "fc1.w", "fc1.b"], "before", transB=1)
    node("Relu", ["before"], "hidden")
    node("Gemm", ["hidden", "fc2.w", "fc2.b"], "logits", transB=1)
    node("Softmax", ["logits"], "probs", axis=1)
    node("Greater", ["before", "zero"], "active")
    node("Cast", ["active"], "gate", to=TensorProto.FLOAT)
    node("Unsqueeze", ["gate", "axis"], "gate3")
    node("Mul", ["gate3", "fc2.w"], "d_hidden")
    node("MatMul", ["d_hidden", "fc1.w"], "d_pooled")
    node("Mul", ["d_pooled", "per_pixel"], "cam_weights")

    def value(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    outputs = [
        value("logits", 1, 2),
        value("probs", 1, 2),
        value("features", 1, FEATURES, SIDE, SIDE),
        value("cam_weights", 1, 2, FEATURES),
    ]
    inner = helper.make_graph(
        nodes, "tiny", [value("tile", 1, 3, PIXELS, PIXELS)], outputs, initialisers
    )
    model = helper.make_model(inner, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def expected(w: dict[str, np.ndarray], tile: np.ndarray) -> dict[str, np.ndarray]:
    """Compute what the network gives for one tile, in float64."""
    w = {name: value.astype(float) for name, value in w.items()}
    blocks = tile.astype(float).reshape(3, SIDE, STRIDE, SIDE, STRIDE)
    features = np.maximum(
        np.einsum("cyixj,fcij->fyx", blocks, w["conv.w"]) + w["conv.b"][:, None, None], 0
    )
    pooled = features.mean((1, 2))
    before = w["fc1.w"] @ pooled + w["fc1.b"]
    logits = w["fc2.w"] @ np.maximum(before, 0) + w["fc2.b"]
    cam_weights = (w["fc2.w"] * (before > 0)) @ w["fc1.w"] / SIDE**2
    cam = np.maximum(np.einsum("f,fyx->yx", cam_weights[1], features), 0)
    return {
        "pooled": pooled,
        "logits": logits,
        "cam_weights": cam_weights,
        "map": scaled(resized(scaled(cam))),
    }


def scaled(image: np.ndarray) -> np.ndarray:
    """Scale to [0, 1] as grad-cam does."""
    image = image - image.min()
    return image / (1e-7 + image.max())


def resized(image: np.ndarray) -> np.ndarray:
    """Resize bilinearly to the tile: centres at half a pixel, edges repeated."""
    at = np.clip((np.arange(PIXELS) + 0.5) * SIDE / PIXELS - 0.5, 0, SIDE - 1)
    matrix = np.maximum(1 - np.abs(at[:, None] - np.arange(SIDE)), 0)
    return matrix @ image @ matrix.T


def main() -> None:
    """Write the folder."""
    w = weights()
    onnx.save(graph(w), FOLDER / "tiny.onnx")
    rng = np.random.default_rng(8)
    tiles = rng.uniform(-1, 1, (TILES, 3, PIXELS, PIXELS)).astype(np.float16).astype(np.float32)
    answers = [expected(w, tile) for tile in tiles]
    golden = {
        f"tiny.{key}": np.stack([answer[key] for answer in answers]).astype(np.float32)
        for key in ("logits", "cam_weights", "map")
    }
    rows = statistics(tiles).astype(np.float32)
    np.savez(FOLDER / "golden.npz", tiles=tiles, statistics=rows, **golden)
    # The first tile is the mean; the second is at a distance of 2.
    scale = 2 / np.sqrt(((rows[1] - rows[0]).astype(float) ** 2).mean())
    whitening = (scale * np.eye(rows.shape[1])).astype(np.float32)
    np.savez(FOLDER / "ood.npz", mean=rows[0], whitening=whitening)

    def digest(name: str) -> str:
        return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()

    manifest = {
        "format": 1,
        "name": "tiny",
        "version": "1",
        "classes": ["proliferating", "senescent"],
        "channels": ["TRANS", "SRS", "TPEF"],
        "tile": {"size_um": 51.2, "pixels": PIXELS, "margin_um": 2.0, "taper_um": 1.0},
        "normalisation": [
            {"channel": "TRANS", "rule": "relative", "span": 0.4},
            {"channel": "SRS", "rule": "mean_in_cell", "span": 4.0},
            {"channel": "TPEF", "rule": "mean_in_cell", "span": 4.0},
        ],
        "temperature": 1.0,
        "conformal": {"coverage": 0.9, "limits": {"proliferating": 0.6, "senescent": 0.6}},
        "members": [
            {"name": "tiny", "file": "tiny.onnx", "sha256": digest("tiny.onnx"), "cam": True}
        ],
        "golden": {"file": "golden.npz", "sha256": digest("golden.npz")},
        "ood": {"file": "ood.npz", "sha256": digest("ood.npz"), "limit": 1.0},
        "training": {
            "recipe": "none",
            "seed": 7,
            "simulated": True,
            "tiles_sha256": "0" * 64,
            "tiles": 0,
            "dishes": 0,
            "pixel_size_um": [0.1, 0.4],
        },
    }
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
