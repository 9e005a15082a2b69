"""Runs the ensemble on tiles that the daemon has cut.

Usage: python -m peer.on_tiles TILES --ensemble DIR --engine ENGINE --precision P --out FILE.npz

TILES is a folder of `senescope tiles`. Writes `logits` (tiles x members x classes) and `maps` (tiles
x rows x columns) of the class that is decided. Prints what networks and maps cost as JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from .cam import mean_map
from .networks import ENGINES
from .stopwatch import Stopwatch
from .verdict import combine, read_manifest


def main() -> None:
    """Run the members over a folder of tiles."""
    parser = argparse.ArgumentParser(prog="peer.on_tiles", description=main.__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--ensemble", type=Path, required=True)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    manifest = read_manifest(options.ensemble)
    pixels = manifest["tile"]["pixels"]
    paths = [options.ensemble / member["file"] for member in manifest["members"]]
    members, version = ENGINES[options.engine](paths, options.precision)
    tiles = np.load(options.tiles / "tiles.npy")
    mean_map([member(tiles[:1]) for member in members], 0, pixels)

    watch, logits, maps = Stopwatch(), [], []
    for tile in tiles:
        with watch.stage("networks"):
            answers = [member(tile[None]) for member in members]
            logits.append(np.stack([answer[0] for answer in answers]))
        with watch.stage("maps"):
            p, _ = combine(manifest, logits[-1])
            maps.append(mean_map(answers, int(p.argmax()), pixels))
    totals = watch.totals()
    np.savez(options.out, logits=logits, maps=maps)
    print(json.dumps({**totals, "cells": len(tiles), "stages": watch.stages, "library": version}))


if __name__ == "__main__":
    main()
