"""Golden vectors: what each member must answer on a few tiles, by independent programs.

`logits` come from ONNX Runtime and must agree with PyTorch; `cam_weights` and `map` come from
the PyPI package `grad-cam` on PyTorch's autograd, run on the weights of the committed ONNX
file, not on the exported `cam_weights`, which are compared with them. `map` is for the class
senescent, scaled and resized as that package does it. `statistics` are those of `recipe.ood`.

`--verify` recomputes everything from the committed tiles and ends with 1 if anything differs.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from . import npz
from .contract import CLASSES, ENSEMBLE_DIR, GOLDEN_TILES, SENESCENT, TILE_PIXELS
from .onnx_torch import OnnxNetwork
from .ood import statistics

LOGIT_TOLERANCE = 1e-4
# Relative to the largest weight of the member.
WEIGHT_TOLERANCE = 1e-5
# Between two runs of this program, on maps in [0, 1].
MAP_TOLERANCE = 1e-4


def synthetic_tiles(seed: int) -> np.ndarray:
    """Make smooth random cells on a zero background, for a member not yet trained."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(-1, 1, TILE_PIXELS)
    radius = np.hypot(*np.meshgrid(axis, axis))
    tiles = np.zeros((GOLDEN_TILES, 3, TILE_PIXELS, TILE_PIXELS), np.float32)
    for tile in tiles:
        taper = np.clip((rng.uniform(0.4, 0.9) - radius) / 0.05, 0, 1)
        for channel in tile:
            coarse = rng.normal(0, 0.5, (8, 8))
            channel[:] = np.clip(np.kron(coarse, np.ones((16, 16))), -1, 1) * taper
    return tiles


def run_onnxruntime(path: Path, tiles: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of ONNX Runtime for all tiles, one at a time."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(None, {"tile": tile[None]}) for tile in tiles]
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    return dict(zip(names, columns, strict=True))


def explain(network: OnnxNetwork, tile: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits 2, Grad-CAM weights 2×C and the map 128×128 of the class senescent."""
    weights, maps = [], []
    with GradCAM(model=network, target_layers=[network.last_map]) as cam:
        for index in range(len(CLASSES)):
            target = [ClassifierOutputTarget(index)]
            maps.append(cam(torch.from_numpy(tile[None].copy()), target)[0])
            weights.append(cam.activations_and_grads.gradients[0].mean((2, 3))[0].numpy())
        logits = cam.outputs[0].detach().numpy()
    return logits, np.stack(weights), maps[SENESCENT]


def member_vectors(path: Path, tiles: np.ndarray) -> dict[str, np.ndarray]:
    """Compute a member's golden arrays; raise if the programs contradict each other."""
    reference = run_onnxruntime(path, tiles)
    network = OnnxNetwork(path).eval()
    explained = [explain(network, tile) for tile in tiles]
    logits, weights, maps = (np.stack(column) for column in zip(*explained, strict=True))
    gap = float(np.abs(logits - reference["logits"]).max())
    if not gap <= LOGIT_TOLERANCE:
        raise ValueError(f"{path.name}: PyTorch and ONNX Runtime differ by {gap:.2g} in a logit")
    gap = float(np.abs(weights - reference["cam_weights"]).max() / np.abs(weights).max())
    if not gap <= WEIGHT_TOLERANCE:
        raise ValueError(f"{path.name}: cam_weights differ from autograd by {gap:.2g} of the most")
    name = path.stem
    return {
        f"{name}.logits": reference["logits"],
        f"{name}.cam_weights": weights,
        f"{name}.map": maps,
    }


def compute(ensemble: Path, tiles: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the golden arrays of every ONNX file in an ensemble's folder."""
    tiles = tiles.astype(np.float32)
    arrays = {"tiles": tiles, "statistics": statistics(tiles)}
    for path in sorted(ensemble.glob("*.onnx")):
        arrays.update(member_vectors(path, tiles))
    return arrays


def differences(committed: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> list[str]:
    """Return a sentence for each array that is missing or differs."""
    sentences = [f"{name} is only on one side" for name in sorted(committed.keys() ^ found.keys())]
    for name in sorted(committed.keys() & found.keys()):
        left, right = committed[name], found[name]
        if left.shape != right.shape:
            sentences.append(f"{name} has shape {left.shape} committed, {right.shape} recomputed")
            continue
        gap = float(np.abs(left - right).max())
        limit = LOGIT_TOLERANCE if name.endswith(".logits") else MAP_TOLERANCE
        if name.endswith(".cam_weights"):
            limit = WEIGHT_TOLERANCE * float(np.abs(right).max())
        if not gap <= limit:
            sentences.append(f"{name} differs by {gap:.2g}, allowed {limit:.2g}")
    return sentences


def choose(classes: np.ndarray, seed: int) -> np.ndarray:
    """Return the indices of as many tiles of each class, at random."""
    rng = np.random.default_rng(seed)
    each = GOLDEN_TILES // len(CLASSES)
    index = [rng.choice(np.flatnonzero(classes == k), each, replace=False) for k in (0, 1)]
    return np.concatenate(index)


def main() -> int:
    """Write or verify an ensemble's golden vectors."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--verify", action="store_true", help="compare with the committed file")
    parser.add_argument("--tiles", type=Path, help="folder of `senescope tiles` to choose from")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.ensemble / "golden.npz"
    if options.verify:
        committed = npz.read(path)
        found = differences(committed, compute(options.ensemble, committed["tiles"]))
        for sentence in found:
            print(f"golden.npz: {sentence}")
        print(f"golden.npz: {'differs' if found else 'verified'} ({len(committed)} arrays)")
        return 1 if found else 0
    if options.tiles is None:
        tiles = synthetic_tiles(options.seed)
    else:
        from .tiles import load

        table = load(options.tiles).labelled()
        tiles = table.batch(choose(table.classes, options.seed))
    npz.write(path, compute(options.ensemble, tiles))
    print(f"{path}: {GOLDEN_TILES} tiles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
