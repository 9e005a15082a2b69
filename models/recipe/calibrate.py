"""Temperature of the ensemble, fitted on out-of-fold answers (Guo et al. 2017)."""

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

from .combine import log_odds, softmax_senescent
from .manifest import write_json
from .out_of_fold import collect
from .tiles import UNKNOWN, load

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


def main() -> None:
    """Fit the temperature; write calibration.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True, help="from recipe.predict")
    parser.add_argument("--training", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tiles = load(options.tiles)
    odds, classes = [], []
    for member in collect(tiles, options.predictions, options.training):
        rows = member.validation & (tiles.classes != UNKNOWN)
        odds.append(log_odds(softmax_senescent(member.logits[rows])))
        classes.append(tiles.classes[rows])
    all_odds, all_classes = np.concatenate(odds), np.concatenate(classes)
    temperature = round(fit_temperature(all_odds, all_classes), 4)
    write_json(
        options.out,
        {
            "temperature": temperature,
            "tiles": len(all_odds),
            "nll_before": negative_log_likelihood(all_odds, all_classes, 1.0),
            "nll_after": negative_log_likelihood(all_odds, all_classes, temperature),
        },
    )
    print(f"temperature {temperature} from {len(all_odds)} tiles")


if __name__ == "__main__":
    main()
