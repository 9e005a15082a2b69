"""Control: the class must not be told by the instrument.

A classifier that sees only mean, variance and background of each channel, in counts, around each
cell is trained on the training dishes and judged on the held-out ones. Were its accuracy high, a
network could read brightness instead of cells. The same for the medium alone, where there is
nothing to read: chance. Needs the recordings, because tiles are normalised.
"""

import argparse
from pathlib import Path

import numpy as np
import tifffile
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from .contract import TILE
from .manifest import read_json, write_json
from .tiles import Tiles, load


def frame(dish: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Return counts C×H×W of a recording's first frame, its medium H×W and µm a pixel."""
    counts = tifffile.imread(dish / "frame-000000.ome.tif").astype(np.float32)
    truth = tifffile.imread(dish / "truth-000000.tif")
    about = read_json(dish / "dish.json")["dish"]["instrument"]
    return counts, truth == 0, about["pixel_size_um"]


def window(counts: np.ndarray, centre: np.ndarray, pixel_um: float) -> np.ndarray:
    """Return the part of C×H×W that a tile around a centre (x, y in µm) shows."""
    half = TILE["size_um"] / 2
    low = np.maximum((centre - half) / pixel_um, 0).astype(int)
    high = np.ceil((centre + half) / pixel_um).astype(int)
    return counts[:, low[1] : high[1], low[0] : high[0]]


def describe(tiles: Tiles, recordings: Path) -> dict[str, np.ndarray]:
    """Return N×9 and N×6 logarithms: of windows with background, and of the medium alone."""
    around = np.zeros((len(tiles), 9), np.float32)
    medium = np.zeros((len(tiles), 6), np.float32)
    for dish in tqdm(np.unique(tiles.sources), desc="dishes", disable=None):
        counts, background, pixel_um = frame(recordings / dish)
        channels = [channel[background] for channel in counts]
        means = np.array([channel.mean() for channel in channels])
        variances = np.array([channel.var() for channel in channels])
        for row in np.flatnonzero(tiles.sources == dish):
            part = window(counts, tiles.centres_um[row], pixel_um)
            around[row] = np.concatenate([part.mean((1, 2)), part.var((1, 2)), means])
            medium[row] = np.concatenate([means, variances])
    return {"window": np.log1p(np.abs(around)), "medium": np.log1p(np.abs(medium))}


def judge(
    features: np.ndarray, classes: np.ndarray, unseen: np.ndarray, truth: np.ndarray, seed: int
) -> dict[str, dict[str, float]]:
    """Return accuracy and balanced accuracy of two classifiers on unseen rows."""
    classifiers = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "random forest": RandomForestClassifier(300, min_samples_leaf=5, random_state=seed),
    }
    result = {}
    for name, classifier in classifiers.items():
        found = classifier.fit(features, classes).predict(unseen)
        result[name] = {
            "accuracy": float(accuracy_score(truth, found)),
            "balanced_accuracy": float(balanced_accuracy_score(truth, found)),
        }
    return result


def main() -> None:
    """Judge what the instrument tells of the class; write leak.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--held-out-tiles", type=Path, required=True)
    parser.add_argument("--recordings", type=Path, required=True, help="folder of their sources")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    seen, unseen = load(options.tiles).labelled(), load(options.held_out_tiles).labelled()
    told = describe(seen, options.recordings)
    asked = describe(unseen, options.recordings)
    share = float((unseen.classes == 1).mean())
    report = {"largest_class": max(share, 1 - share)}
    for name in told:
        report[name] = judge(told[name], seen.classes, asked[name], unseen.classes, options.seed)
        for classifier, found in report[name].items():
            print(f"{name}, {classifier}: accuracy {found['accuracy']:.3f}")
    write_json(options.out, report)


if __name__ == "__main__":
    main()
