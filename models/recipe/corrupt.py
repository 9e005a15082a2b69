"""Ways in which a tile can be unlike the training set: the report shows which the score notices.

What a microscope does wrong is not here: `senescope simulate --fault` records it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .contract import CHANNELS, TILE_PIXELS
from .tiles import load, write

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def inside(tiles: np.ndarray) -> np.ndarray:
    """Return N×1×128×128: where a tile shows its cell."""
    return (tiles != 0).any(1, keepdims=True)


def lost(channel: int) -> Corruption:
    """Make a corruption that puts noise in a channel's place."""

    def corruption(tiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        changed = tiles.copy()
        noise = rng.normal(0, rng.uniform(0.03, 0.4), changed[:, channel].shape)
        changed[:, channel] = np.clip(noise, -1, 1) * inside(tiles)[:, 0]
        return changed

    return corruption


def permuted(*order: int) -> Corruption:
    """Make a corruption that puts the channels in another order."""
    return lambda tiles, _: np.ascontiguousarray(tiles[:, list(order)])


def empty(tiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put noise in the place of all channels, as where there is no cell."""
    for channel in range(len(CHANNELS)):
        tiles = lost(channel)(tiles, rng)
    return tiles


def noisy(tiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add strong noise to all channels."""
    return np.clip(tiles + rng.normal(0, 0.3, tiles.shape) * inside(tiles), -1, 1)


def inverted(tiles: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Turn bright into dark."""
    return -tiles


def shuffled(tiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle the pixels of each channel."""
    flat = tiles.reshape(len(tiles), 3, -1)
    return rng.permuted(flat, axis=2).reshape(tiles.shape)


def photograph(tiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Show a piece of a photograph in the outline of each cell."""
    from skimage import data

    picture = data.coffee().transpose(2, 0, 1) / 127.5 - 1
    changed = np.empty_like(tiles)
    for target in changed:
        y, x = (rng.integers(0, edge - TILE_PIXELS) for edge in picture.shape[1:])
        target[:] = picture[:, y : y + TILE_PIXELS, x : x + TILE_PIXELS]
    return changed * inside(tiles)


CORRUPTIONS: dict[str, Corruption] = {
    "an empty field": empty,
    "TRANS replaced by noise": lost(CHANNELS.index("TRANS")),
    "channels turned in a circle": permuted(1, 2, 0),
    "TRANS and SRS exchanged": permuted(1, 0, 2),
    "strong noise": noisy,
    "bright and dark exchanged": inverted,
    "TRANS and TPEF exchanged": permuted(2, 1, 0),
    "pixels shuffled": shuffled,
    "a photograph in the cell's outline": photograph,
}


def main() -> None:
    """Write a folder of tiles for each kind of spoilt tile."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True, help="good tiles")
    parser.add_argument("--count", type=int, default=200, help="tiles of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder for a folder of each kind")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    tiles = load(options.tiles)
    chosen = rng.choice(len(tiles), min(options.count, len(tiles)), replace=False)
    batch = tiles.batch(chosen)
    rows: list[dict[str, object]] = [{"dish": tiles.dishes[index]} for index in chosen]
    for name, corruption in CORRUPTIONS.items():
        write(options.out / name, corruption(batch, rng), rows)


if __name__ == "__main__":
    main()
