"""The report: how good the shipped ensemble is on dishes that no member has seen.

Beside the ensemble stands the oracle, which knows the true phenotype that the simulator drew
for each cell; the classes overlap, so that not even the oracle is always right.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from . import npz
from .combine import combine
from .contract import ABSTAIN, CLASSES, ENSEMBLE_DIR
from .corrupt import CORRUPTIONS
from .manifest import read_json, write_json
from .metrics import judge
from .ood import score, statistics
from .tiles import UNKNOWN, Tiles, load

CORRUPTED_TILES = 200
AT_BORDER = "touches_border"


def confusion(classes: np.ndarray, p: np.ndarray) -> dict[str, dict[str, int]]:
    """Count tiles by true class and decided class."""
    decided = (p > 0.5).astype(int)
    return {
        true: {
            found: int(((classes == i) & (decided == j)).sum()) for j, found in enumerate(CLASSES)
        }
        for i, true in enumerate(CLASSES)
    }


def by_border(tiles: Tiles, p: np.ndarray, seed: int) -> dict[str, Any]:
    """Judge cells that are wholly in the field and cells that its border cuts by themselves."""
    cut = np.array([AT_BORDER in flags for flags in tiles.flags])
    result = {}
    for name, chosen in (("whole", ~cut), ("cut_by_the_border", cut)):
        part = tiles.take(chosen)
        if len(np.unique(part.classes)) == 2:
            figures = judge(part.classes, p[chosen], part.dishes, seed)
            result[name] = {"tiles": len(part), "ensemble": figures}
            if np.isfinite(part.p_oracle).all():
                result[name]["oracle"] = judge(part.classes, part.p_oracle, part.dishes, seed)
    return result


def abstention(classes: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Return the share of cells labelled uncertain and the accuracy on the others."""
    uncertain = (p > ABSTAIN["low"]) & (p < ABSTAIN["high"])
    right = (p > 0.5) == (classes == 1)
    return {
        **ABSTAIN,
        "share_uncertain": float(uncertain.mean()),
        "accuracy_of_certain": float(right[~uncertain].mean()),
    }


def flagged(
    tiles: Tiles, reference: dict[str, np.ndarray], limit: float, seed: int
) -> dict[str, dict[str, float]]:
    """Return for good and for each kind of spoilt tiles the share above the limit.

    And the area under the ROC curve by which the score tells the spoilt from the good.
    """
    rng = np.random.default_rng(seed)
    good = score(statistics(tiles.batch(np.arange(len(tiles)))), reference)
    chosen = rng.choice(len(tiles), min(CORRUPTED_TILES, len(tiles)), replace=False)
    batch = tiles.batch(chosen)
    result = {"held_out": {"flagged": float((good > limit).mean())}}
    for name, corruption in CORRUPTIONS.items():
        spoilt = score(statistics(corruption(batch, rng).astype(np.float32)), reference)
        kind = np.repeat([0, 1], [len(good), len(spoilt)])
        result[name] = {
            "flagged": float((spoilt > limit).mean()),
            "auc": float(roc_auc_score(kind, np.concatenate([good, spoilt]))),
        }
    return result


def main() -> None:
    """Judge an ensemble on held-out tiles; write report.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--tiles", type=Path, required=True, help="held-out dishes")
    parser.add_argument("--predictions", type=Path, required=True, help="on the held-out tiles")
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--ood", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    everything = load(options.tiles)
    known = everything.classes != UNKNOWN
    tiles = everything.labelled()
    answers = {p.stem: npz.read(p) for p in sorted(options.predictions.glob("*.npz"))}
    logits = {name: arrays["logits"][known] for name, arrays in answers.items()}
    temperature = read_json(options.calibration)["temperature"]
    limit = read_json(options.ood)["limit"]
    reference = npz.read(options.ensemble / "ood.npz")
    p = combine(list(logits.values()), temperature)

    report: dict[str, Any] = {
        "held_out": {
            "tiles": len(tiles),
            "dishes": len(np.unique(tiles.dishes)),
            "instruments": len(np.unique(tiles.instruments)),
            "share_senescent": float((tiles.classes == 1).mean()),
            "tiles_of_unknown_class": int((~known).sum()),
        },
        "ensemble": judge(tiles.classes, p, tiles.dishes, options.seed),
        "members": {
            name: judge(tiles.classes, combine([values], temperature), tiles.dishes, options.seed)
            for name, values in logits.items()
        },
        "by_border": by_border(tiles, p, options.seed),
        "confusion": confusion(tiles.classes, p),
        "abstention": abstention(tiles.classes, p),
        "outside_training_set": flagged(tiles, reference, limit, options.seed),
    }
    seen = np.isfinite(tiles.p_oracle)
    if seen.any():
        truth = tiles.take(seen)
        report["oracle"] = judge(truth.classes, truth.p_oracle, truth.dishes, options.seed)
    write_json(options.ensemble / "report.json", report)
    for name in ("ensemble", "oracle"):
        if name in report:
            row = report[name]["accuracy"]
            print(f"{name}: accuracy {row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})")


if __name__ == "__main__":
    main()
