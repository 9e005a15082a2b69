"""From the members' logits to the ensemble's probability and conformal set."""

import json
from pathlib import Path

import numpy as np


def read_manifest(ensemble: Path) -> dict:
    """Read an ensemble's manifest."""
    return json.loads((ensemble / "manifest.json").read_text())


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities along the last axis."""
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def combine(manifest: dict, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated probabilities and conformal sets from logits, ... x members x classes.

    The probability is the mean of the members', the temperature divides its log-odds, and a class is
    possible when its probability falls short of 1 by its limit at most.
    """
    mean = softmax(logits.astype(np.float64)).mean(-2)
    p = softmax(np.log(mean) / manifest["temperature"])
    limits = [manifest["conformal"]["limits"][name] for name in manifest["classes"]]
    return p, 1 - p <= np.array(limits)
