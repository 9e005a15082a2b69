"""Score of tiles unlike the training set: Mahalanobis distance on 64 principal components.

After Lee et al. 2018, with one Gaussian for both classes: score = √(mean over the components of
((components·(pooled − mean))·inv_std)²), averaged over members. The limit is the 0.995 quantile
over the members' validation dishes; the program reports score/limit and flags what exceeds 1.
"""

import argparse
from pathlib import Path

import numpy as np

from . import npz
from .contract import ENSEMBLE_DIR, OOD_COMPONENTS
from .manifest import write_json
from .out_of_fold import collect
from .tiles import load

QUANTILE = 0.995

Statistics = dict[str, np.ndarray]


def fit(pooled: np.ndarray) -> Statistics:
    """Return mean C, components 64×C and inv_std 64 of pooled features N×C."""
    if len(pooled) <= OOD_COMPONENTS:
        raise ValueError(f"{len(pooled)} tiles are too few for {OOD_COMPONENTS} components")
    mean = pooled.mean(0, dtype=float)
    centred = pooled - mean
    _, singular, components = np.linalg.svd(centred, full_matrices=False)
    std = singular[:OOD_COMPONENTS] / np.sqrt(len(pooled) - 1)
    # A direction without variance would make any deviation infinite.
    inv_std = 1 / np.maximum(std, 1e-6 * std[0])
    return {"mean": mean, "components": components[:OOD_COMPONENTS], "inv_std": inv_std}


def score(pooled: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Return the score N of pooled features N×C."""
    projected = (pooled - statistics["mean"]) @ statistics["components"].T
    return np.sqrt(((projected * statistics["inv_std"]) ** 2).mean(1))


def of_member(arrays: dict[str, np.ndarray], name: str) -> Statistics:
    """Pick a member's statistics out of ood.npz."""
    return {key: arrays[f"{name}.{key}"] for key in ("mean", "components", "inv_std")}


def main() -> None:
    """Fit the score; write ood.npz into the ensemble's folder and the limit into a JSON file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True, help="from recipe.predict")
    parser.add_argument("--training", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tiles = load(options.tiles)
    arrays: dict[str, np.ndarray] = {}
    scores = []
    for member in collect(tiles, options.predictions, options.training):
        statistics = fit(member.pooled[~member.validation])
        arrays.update({f"{member.name}.{key}": value for key, value in statistics.items()})
        scores.append(score(member.pooled[member.validation], statistics))
    npz.write(options.ensemble / "ood.npz", arrays)
    limit = float(np.quantile(np.concatenate(scores), QUANTILE))
    write_json(options.out, {"limit": round(limit, 4), "quantile": QUANTILE})
    print(f"limit {limit:.3f} at quantile {QUANTILE}")


if __name__ == "__main__":
    main()
