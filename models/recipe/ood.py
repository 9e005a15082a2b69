"""Score of tiles unlike the training set: Mahalanobis distance on few directions of the features.

After Lee et al. 2018, with one Gaussian for both classes: score = √(mean over the components of
((components·(pooled − mean))·inv_std)²), averaged over members. The directions are not those of
greatest variance: a fine-tuned network has little left there but the two classes, and strange
tiles fall into the middle. They are, among the leading principal components, those along which
deliberately spoilt training tiles deviate most in units of the training set's spread (outlier
exposure, Hendrycks et al. 2019). The limit is the 0.995 quantile over the members' validation
dishes; the program reports score/limit and flags what exceeds 1.
"""

import argparse
from pathlib import Path

import numpy as np

from . import npz
from .contract import ENSEMBLE_DIR
from .corrupt import EXPOSED
from .manifest import write_json
from .out_of_fold import collect
from .predict import answer, session
from .tiles import Tiles, load

QUANTILE = 0.995
COMPONENTS = 16
# Leading principal components in which directions are sought; behind them is noise of sampling.
SUBSPACE = 512
EXPOSED_TILES = 160

Statistics = dict[str, np.ndarray]


def fit(pooled: np.ndarray, exposed: np.ndarray) -> Statistics:
    """Return mean C, components K×C and inv_std K from features N×C of good and spoilt tiles."""
    if len(pooled) <= 2 * COMPONENTS:
        raise ValueError(f"{len(pooled)} tiles are too few for {COMPONENTS} components")
    mean = pooled.mean(0, dtype=float)
    _, singular, axes = np.linalg.svd(pooled - mean, full_matrices=False)
    size = min(SUBSPACE, len(pooled) // 2, int((singular > 1e-6 * singular[0]).sum()))
    std = singular[:size] / np.sqrt(len(pooled) - 1)
    whitening = axes[:size] / std[:, None]
    deviations = (exposed - mean) @ whitening.T
    _, directions = np.linalg.eigh(deviations.T @ deviations / len(deviations))
    components = directions[:, ::-1][:, :COMPONENTS].T @ whitening
    # Unit vectors and their spread say the same as scaled ones, in readable numbers.
    length = np.linalg.norm(components, axis=1)
    return {"mean": mean, "components": components / length[:, None], "inv_std": length}


def score(pooled: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Return the score N of pooled features N×C."""
    projected = (pooled - statistics["mean"]) @ statistics["components"].T
    return np.sqrt(((projected * statistics["inv_std"]) ** 2).mean(1))


def of_member(arrays: dict[str, np.ndarray], name: str) -> Statistics:
    """Pick a member's statistics out of ood.npz."""
    return {key: arrays[f"{name}.{key}"] for key in ("mean", "components", "inv_std")}


def spoil(path: Path, tiles: Tiles, seed: int, threads: int) -> np.ndarray:
    """Return a member's pooled features of spoilt copies of some tiles."""
    rng = np.random.default_rng(seed)
    batch = tiles.batch(rng.choice(len(tiles), min(EXPOSED_TILES, len(tiles)), replace=False))
    member = session(path, threads)
    spoilt = (corruption(batch, rng).astype(np.float32) for corruption in EXPOSED.values())
    return np.concatenate([answer(member, changed)[1] for changed in spoilt])


def main() -> None:
    """Fit the score; write ood.npz into the ensemble's folder and the limit into a JSON file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True, help="from recipe.predict")
    parser.add_argument("--training", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    tiles = load(options.tiles)
    arrays: dict[str, np.ndarray] = {}
    scores = []
    for member in collect(tiles, options.predictions, options.training):
        path = options.ensemble / f"{member.name}.onnx"
        exposed = spoil(path, tiles.take(~member.validation), options.seed, options.threads)
        statistics = fit(member.pooled[~member.validation], exposed)
        arrays.update({f"{member.name}.{key}": value for key, value in statistics.items()})
        scores.append(score(member.pooled[member.validation], statistics))
    npz.write(options.ensemble / "ood.npz", arrays)
    limit = float(np.quantile(np.concatenate(scores), QUANTILE))
    write_json(options.out, {"limit": round(limit, 4), "quantile": QUANTILE})
    print(f"limit {limit:.3f} at quantile {QUANTILE}")


if __name__ == "__main__":
    main()
