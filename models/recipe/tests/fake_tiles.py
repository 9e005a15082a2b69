"""Writes a folder in the format of `senescope tiles` with easily told classes.

Senescent cells are larger and carry brighter spots; nothing else differs. It stands in for the
program in tests of the recipe and is of no use for training.
"""

import argparse
from pathlib import Path

import numpy as np

from recipe.contract import CLASSES, TILE_PIXELS
from recipe.tiles import write as write_tiles


def draw(senescent: bool, rng: np.random.Generator) -> np.ndarray:
    """Draw one tile 3×128×128."""
    axis = np.linspace(-1, 1, TILE_PIXELS)
    x, y = np.meshgrid(axis, axis)
    radius = rng.normal(0.65 if senescent else 0.5, 0.08)
    taper = np.clip((radius - np.hypot(x, y * rng.uniform(0.8, 1.2))) / 0.05, 0, 1)
    tile = np.stack([rng.normal(0, 0.1, x.shape), *rng.normal(0.25, 0.08, (2, *x.shape))])
    for _ in range(rng.poisson(14 if senescent else 7)):
        centre_x, centre_y = rng.uniform(-radius, radius, 2)
        tile[1] += 0.6 * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / 0.002)
    return np.clip(tile * taper, -1, 1).astype(np.float32)


def write(folder: Path, dishes: int, each: int, seed: int, unknown: int = 0) -> None:
    """Write `each` tiles of every dish, the last `unknown` of them without truth."""
    rng = np.random.default_rng(seed)
    tiles, rows = [], []
    for index in range(dishes * each):
        senescent = bool(rng.random() < 0.5)
        tiles.append(draw(senescent, rng))
        known = index < dishes * each - unknown
        values: dict[str, object] = {
            "source": f"dish{index // each}.ome.tiff",
            "dish": f"{seed}-{index // each}",
            "frame": 0,
            "cell": index % each,
            "class": CLASSES[senescent] if known else "",
            "severity": 0.8 if senescent else 0.2,
            "p_oracle": np.clip(senescent + rng.normal(0, 0.25), 0, 1) if known else "",
            "instrument": f"instrument{index // each}",
            "x_um": 50.0,
            "y_um": 50.0,
            "area_um2": 900.0 if senescent else 500.0,
            "iou": 0.8 if known else "",
            "seen": 1.0 if known else "",
            "flags": "",
        }
        rows.append(values)
    write_tiles(folder, np.stack(tiles), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dishes", type=int, default=8)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write(options.folder, options.dishes, options.each, options.seed)
