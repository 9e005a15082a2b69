"""Temperature and conformal limits of the ensemble, fitted on dishes of their own.

No member has seen the calibration dishes. Out-of-fold answers would not do: on each dish only one
member is out of fold, and the mean of seven is less sure of itself than any one of them.

Temperature: Guo et al. 2017, after the mean (Rahaman & Thiery 2021). Limits: class-conditional
split conformal prediction (Sadinle et al. 2019).
"""

import argparse
import math
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

from . import npz
from .combine import combine, log_odds
from .contract import CLASSES, COVERAGE
from .manifest import write_json
from .tiles import load

# Beyond these a temperature says that something else is wrong.
LOWEST, HIGHEST = 0.25, 4.0


def negative_log_likelihood(odds: np.ndarray, classes: np.ndarray, temperature: float) -> float:
    """Return the mean of −ln p(true class)."""
    signed = np.where(classes == 1, odds, -odds) / temperature
    return float(np.logaddexp(0, -signed).mean())


def fit_temperature(odds: np.ndarray, classes: np.ndarray) -> float:
    """Return the temperature in [0.25, 4] that makes the classes most likely."""
    result = minimize_scalar(
        lambda log_t: negative_log_likelihood(odds, classes, float(np.exp(log_t))),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
    )
    return float(np.exp(result.x))


def conformal_limit(p_true: np.ndarray, coverage: float) -> float:
    """Return the largest 1 − p at which a class is possible, from its own cells' p.

    The ⌈(n + 1)·coverage⌉-th smallest of 1 − p; 1 when there are too few cells for the coverage.
    """
    rank = math.ceil((len(p_true) + 1) * coverage)
    return 1.0 if rank > len(p_true) else float(np.sort(1 - p_true)[rank - 1])


def main() -> None:
    """Fit temperature and limits; write calibration.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True, help="calibration dishes")
    parser.add_argument("--predictions", type=Path, required=True, help="from recipe.predict")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tiles = load(options.tiles).labelled()
    members = [npz.read(path)["logits"] for path in sorted(options.predictions.glob("*.npz"))]
    members = [logits[tiles.rows] for logits in members]
    odds = log_odds(combine(members, 1.0))
    temperature = round(fit_temperature(odds, tiles.classes), 4)
    p = combine(members, temperature)
    of_class = (1 - p[tiles.classes == 0], p[tiles.classes == 1])
    limits = {
        name: round(conformal_limit(values, COVERAGE), 4)
        for name, values in zip(CLASSES, of_class, strict=True)
    }
    write_json(
        options.out,
        {
            "manifest": {
                "temperature": temperature,
                "conformal": {"coverage": COVERAGE, "limits": limits},
            },
            "tiles": len(tiles),
            "dishes": len(np.unique(tiles.dishes)),
            "nll_before": negative_log_likelihood(odds, tiles.classes, 1.0),
            "nll_after": negative_log_likelihood(odds, tiles.classes, temperature),
        },
    )
    print(f"temperature {temperature}, limits {limits} from {len(tiles)} tiles")


if __name__ == "__main__":
    main()
