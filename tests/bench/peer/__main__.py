"""Labels and maps of a recording, and what they cost.

Usage: python -m peer DISH --ensemble DIR --engine onnxruntime|openvino --publish ENDPOINT

Loads, warms up with one tile, prints `ready`, waits for a subscriber, works, and prints CPU and
wall seconds since then and CPU seconds by stage as JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from .cam import mean_map
from .networks import ENGINES
from .publish import Publisher
from .recording import frames
from .segment import segment
from .stopwatch import Stopwatch
from .tile import cut
from .verdict import combine, read_manifest


def timed(iterator, watch: Stopwatch, stage: str):
    """Yield from an iterator, whose work is counted as `stage`."""
    while True:
        with watch.stage(stage):
            item = next(iterator, None)
        if item is None:
            return
        yield item


def main() -> None:
    """Run the pipeline."""
    parser = argparse.ArgumentParser(prog="peer", description=main.__doc__)
    parser.add_argument("dish", type=Path)
    parser.add_argument("--ensemble", type=Path, required=True)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--publish", required=True)
    options = parser.parse_args()
    manifest = read_manifest(options.ensemble)
    pixels = manifest["tile"]["pixels"]
    paths = [options.ensemble / member["file"] for member in manifest["members"]]
    members, version = ENGINES[options.engine](paths, options.precision)
    blank = np.zeros((1, len(manifest["channels"]), pixels, pixels), np.float32)
    mean_map([member(blank) for member in members], 0, pixels)
    publisher = Publisher(options.publish)
    print("ready", flush=True)
    publisher.await_subscriber()

    watch, count = Stopwatch(), 0
    for frame in timed(frames(options.dish), watch, "read"):
        with watch.stage("segment"):
            cells = segment(frame)
        for index, cell in enumerate(cells):
            with watch.stage("tile"):
                tile = cut(manifest, frame, cell)
            with watch.stage("networks"):
                answers = [member(tile) for member in members]
            with watch.stage("verdict"):
                p, possible = combine(manifest, np.stack([answer[0] for answer in answers]))
            with watch.stage("maps"):
                cam = mean_map(answers, int(p.argmax()), pixels)
            with watch.stage("publish"):
                centre = [at * frame.pixel_size_um for at in cell.centroid]
                about = {"frame": frame.index, "cell": index}
                area = float(cell.mask.sum() * frame.pixel_size_um**2)
                label = {"p": p.tolist(), "set": possible.tolist()}
                label |= {"centroid_um": centre, "area_um2": area}
                publisher.send("label", about | label)
                publisher.send("cam", about | {"dtype": "<f4", "shape": cam.shape}, cam)
            count += 1
    totals = watch.totals()
    publisher.send("run", {"phase": "end", "cells": count})
    print(json.dumps({**totals, "cells": count, "stages": watch.stages, "library": version}))


if __name__ == "__main__":
    main()
