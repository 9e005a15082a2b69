"""The ensemble's probability: mean over members, then temperature.

The same rule as the program's `combine` stage: the mean of the members' softmax probabilities,
its log-odds divided by the temperature (Rahaman & Thiery 2021: pool, then calibrate).
"""

import numpy as np

SMALLEST = 1e-7


def softmax_senescent(logits: np.ndarray) -> np.ndarray:
    """Return p(senescent) N from logits N×2."""
    return 1 / (1 + np.exp(-(logits[:, 1].astype(float) - logits[:, 0])))


def log_odds(p: np.ndarray) -> np.ndarray:
    """Return ln(p/(1−p)), finite at the ends."""
    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.log(p / (1 - p))


def combine(members: list[np.ndarray], temperature: float) -> np.ndarray:
    """Return the ensemble's calibrated p(senescent) N from each member's logits N×2."""
    mean = np.mean([softmax_senescent(logits) for logits in members], axis=0)
    return 1 / (1 + np.exp(-log_odds(mean) / temperature))
