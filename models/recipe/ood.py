"""Score of tiles unlike the training set: Mahalanobis distance of a tile's image statistics.

The statistics are of the tile and not of a network's features (Lee et al. 2018 use those): a
fine-tuned network keeps little in its last map but the two classes, and strange tiles fall into
the middle. On 64 principal components of it, exchanged channels, lost SRS, blur, saturation and
shuffled pixels scored *lower* than good tiles.

score = √(mean of (whitening·(statistics − mean))²). The limit is a quantile over calibration
dishes; the program reports score/limit and flags what exceeds 1. `statistics` is the second
implementation of the program's `infer/statistics.rs`; golden.npz holds both to each other.
"""

import argparse
from pathlib import Path

import numpy as np

from . import npz
from .contract import ENSEMBLE_DIR
from .manifest import write_json
from .tiles import load

QUANTILE = 0.995
# Fewer pixels than this are no cell; the whole tile is described then.
FEWEST_PIXELS = 30
FEWEST_BLOCKS = 10
SMALLEST_SPREAD = 1e-3
LARGEST_SKEW = 5.0
# Keeps the covariance invertible when statistics depend on each other.
RIDGE = 1e-6


def laplacian(plane: np.ndarray) -> np.ndarray:
    """Return four times each inner pixel minus its four neighbours."""
    inner = 4 * plane[1:-1, 1:-1]
    return inner - plane[:-2, 1:-1] - plane[2:, 1:-1] - plane[1:-1, :-2] - plane[1:-1, 2:]


def blocks(plane: np.ndarray) -> np.ndarray:
    """Return the means of blocks of 2×2 pixels."""
    rows, columns = plane.shape
    return plane.reshape(rows // 2, 2, columns // 2, 2).mean((1, 3))


def spread(values: np.ndarray) -> float:
    """Return the standard deviation, but not less than the smallest that is told apart."""
    return max(float(values.std()), SMALLEST_SPREAD)


def describe(tile: np.ndarray) -> list[float]:
    """Return the statistics of a tile C×P×P, inside its cell.

    For each channel mean, ln spread, ln spread of the Laplacian at one and at two pixels, and
    skewness; then the correlation of each pair of channels.
    """
    tile = tile.astype(float)
    inside = (tile != 0).any(0)
    if inside.sum() < FEWEST_PIXELS:
        inside[:] = True
    fine = inside[1:-1, 1:-1]
    coarse = (blocks(inside.astype(float)) == 1)[1:-1, 1:-1]
    row: list[float] = []
    for plane in tile:
        values = plane[inside]
        deviations = values - values.mean()
        scale = spread(values)
        detail = spread(laplacian(plane)[fine]) if fine.any() else SMALLEST_SPREAD
        enough = coarse.sum() >= FEWEST_BLOCKS
        structure = spread(laplacian(blocks(plane))[coarse]) if enough else detail
        skew = float(np.clip((deviations**3).mean() / scale**3, -LARGEST_SKEW, LARGEST_SKEW))
        row += [float(values.mean()), np.log(scale), np.log(detail), np.log(structure), skew]
    for first in range(len(tile)):
        for second in range(first + 1, len(tile)):
            a, b = tile[first][inside], tile[second][inside]
            covariance = float(((a - a.mean()) * (b - b.mean())).mean())
            row.append(covariance / (spread(a) * spread(b)))
    return row


def statistics(tiles: np.ndarray) -> np.ndarray:
    """Return the statistics N×D of tiles N×C×P×P."""
    return np.array([describe(tile) for tile in tiles])


def of_folder(folder: Path) -> np.ndarray:
    """Return the statistics of all tiles of a folder, a few at a time."""
    tiles = load(folder)
    parts = np.array_split(np.arange(len(tiles)), max(1, len(tiles) // 100))
    return np.concatenate([statistics(tiles.batch(part)) for part in parts])


def fit(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return mean D and whitening D×D of statistics N×D."""
    if len(rows) <= 2 * rows.shape[1]:
        raise ValueError(f"{len(rows)} tiles are too few for {rows.shape[1]} statistics")
    covariance = np.cov(rows.T) + RIDGE * np.eye(rows.shape[1])
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    return {"mean": rows.mean(0), "whitening": whitening}


def score(rows: np.ndarray, reference: dict[str, np.ndarray]) -> np.ndarray:
    """Return the score N of statistics N×D."""
    whitened = (rows - reference["mean"]) @ reference["whitening"].T
    return np.sqrt((whitened**2).mean(1))


def main() -> None:
    """Fit the score; write ood.npz into the ensemble's folder and the limit into a JSON file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--calibration-tiles", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    reference = fit(of_folder(options.tiles))
    npz.write(options.ensemble / "ood.npz", reference)
    limit = float(np.quantile(score(of_folder(options.calibration_tiles), reference), QUANTILE))
    write_json(options.out, {"limit": round(limit, 4), "quantile": QUANTILE})
    print(f"limit {limit:.3f} at quantile {QUANTILE}")


if __name__ == "__main__":
    main()
