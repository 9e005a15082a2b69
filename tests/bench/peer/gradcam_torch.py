"""The same on PyTorch with the package `grad-cam`, on tiles that the daemon has cut.

Usage: python -m peer.gradcam_torch TILES --ensemble DIR --out FILE.npz [--most N]

Runs in the environment of `models/recipe/setup.sh` with `models` on PYTHONPATH. The weights are those
of the shipped ONNX files. Of each tile every member is run once for the ensemble's decision and
once more by `grad-cam`, forwards and backwards, for the map of the decided class: which class
that is, is known only when all members have answered. Writes and prints what `on_tiles.py` does.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from recipe.onnx_torch import OnnxNetwork

from .stopwatch import Stopwatch
from .verdict import combine, read_manifest


def main() -> None:
    """Run the members over a folder of tiles."""
    parser = argparse.ArgumentParser(prog="peer.gradcam_torch", description=main.__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--ensemble", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, help="only the first tiles")
    options = parser.parse_args()
    torch.set_num_threads(1)
    manifest = read_manifest(options.ensemble)
    paths = [options.ensemble / member["file"] for member in manifest["members"]]
    networks = [OnnxNetwork(path).eval() for path in paths]
    explainers = [GradCAM(model=each, target_layers=[each.last_map]) for each in networks]

    def answer(tile: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return np.stack([network(tile)[0].numpy() for network in networks])

    def explain(tile: torch.Tensor, decided: int) -> np.ndarray:
        target = [ClassifierOutputTarget(decided)]
        return np.mean([cam(tile, target)[0] for cam in explainers], 0)

    tiles = torch.from_numpy(np.load(options.tiles / "tiles.npy")[: options.most])
    explain(tiles[:1], 0)
    watch, logits, maps = Stopwatch(), [], []
    for tile in tiles.split(1):
        with watch.stage("networks"):
            logits.append(answer(tile))
        with watch.stage("maps"):
            p, _ = combine(manifest, logits[-1])
            maps.append(explain(tile, int(p.argmax())))
    totals = watch.totals()
    np.savez(options.out, logits=logits, maps=maps)
    library = f"PyTorch {torch.__version__}, grad-cam"
    print(json.dumps({**totals, "cells": len(tiles), "stages": watch.stages, "library": library}))


if __name__ == "__main__":
    main()
