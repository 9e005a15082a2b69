"""Figures of merit of a two-class probability, with intervals from resampling dishes."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

Metric = Callable[[np.ndarray, np.ndarray], float]
CALIBRATION_BINS = 10


def accuracy(classes: np.ndarray, p: np.ndarray) -> float:
    """Return the share of right decisions at p = 0.5."""
    return float(((p > 0.5) == (classes == 1)).mean())


def balanced_accuracy(classes: np.ndarray, p: np.ndarray) -> float:
    """Return the mean over the classes of the share of right decisions."""
    return float(balanced_accuracy_score(classes, p > 0.5))


def auc(classes: np.ndarray, p: np.ndarray) -> float:
    """Return the area under the ROC curve."""
    return float(roc_auc_score(classes, p))


def calibration_error(classes: np.ndarray, p: np.ndarray) -> float:
    """Return the expected calibration error in ten bins of equal width."""
    bins = np.minimum((p * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    weighted = 0.0
    for index in range(CALIBRATION_BINS):
        chosen = bins == index
        if chosen.any():
            gap = abs(float(p[chosen].mean()) - float((classes[chosen] == 1).mean()))
            weighted += gap * float(chosen.mean())
    return weighted


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "auc": auc,
    "calibration_error": calibration_error,
}


def judge(
    classes: np.ndarray, p: np.ndarray, dishes: np.ndarray, seed: int, resamples: int = 500
) -> dict[str, dict[str, float]]:
    """Return each metric with its 95 % interval from resampling whole dishes.

    Resamples that miss a class are drawn again.
    """
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(dishes == name) for name in np.unique(dishes)]
    if len(np.unique(classes)) < 2:
        raise ValueError("the tiles to judge on are all of one class")
    drawn: list[np.ndarray] = []
    while len(drawn) < resamples:
        picks = rng.integers(0, len(groups), len(groups))
        rows = np.concatenate([groups[index] for index in picks])
        if len(np.unique(classes[rows])) == 2:
            drawn.append(rows)
    result = {}
    for name, metric in METRICS.items():
        spread = [metric(classes[rows], p[rows]) for rows in drawn]
        low, high = np.quantile(spread, [0.025, 0.975])
        result[name] = {"value": metric(classes, p), "low": float(low), "high": float(high)}
    return result
