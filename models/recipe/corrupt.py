"""Ways in which a tile can be unlike the training set, to see whether the score notices."""

from collections.abc import Callable

import numpy as np
import torch

from .augment import blur

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def channels_permuted(tiles: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Each channel in another's place."""
    return np.ascontiguousarray(tiles[:, [1, 2, 0]])


def srs_lost(tiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """SRS without signal: noise as strong as what it replaces."""
    changed = tiles.copy()
    inside = (tiles != 0).any(1)
    noise = rng.normal(0, 0.2, changed[:, 1].shape) * inside
    changed[:, 1] = np.clip(noise, -1, 1)
    return changed


def defocused(tiles: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """All channels blurred by a Gaussian of 1.6 µm."""
    sigma = torch.full((len(tiles), 3), 4.0)
    return blur(torch.from_numpy(tiles), sigma).numpy()


def saturated(tiles: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """All channels amplified eight times and clipped."""
    return np.clip(tiles * 8, -1, 1)


def shuffled(tiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle the pixels of each channel."""
    flat = tiles.reshape(len(tiles), 3, -1)
    return rng.permuted(flat, axis=2).reshape(tiles.shape)


CORRUPTIONS: dict[str, Corruption] = {
    function.__name__: function
    for function in (channels_permuted, srs_lost, defocused, saturated, shuffled)
}
