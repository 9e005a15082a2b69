"""Grad-CAM in closed form, scaled and resized as the package `grad-cam` does it."""

from functools import cache

import numpy as np

EPSILON = np.float32(1e-7)


@cache
def bilinear(length: int, pixels: int) -> np.ndarray:
    """Return the weights of a bilinear resize as OpenCV's, pixels x length."""
    place = np.clip((np.arange(pixels) + 0.5) * length / pixels - 0.5, 0, length - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(length)), 0).astype(np.float32)


def scaled(image: np.ndarray) -> np.ndarray:
    """Scale to [0, 1]."""
    image = image - image.min()
    return image / (EPSILON + image.max())


def member_map(features: np.ndarray, weights: np.ndarray, pixels: int) -> np.ndarray:
    """Return the map of a member: features channels x rows x columns, weights of the class."""
    coarse = scaled(np.maximum(np.tensordot(weights, features, 1), 0))
    rows, columns = coarse.shape
    return scaled(bilinear(rows, pixels) @ coarse @ bilinear(columns, pixels).T)


def mean_map(answers: list, decided: int, pixels: int) -> np.ndarray:
    """Return the mean of the members' maps of the decided class, pixels x pixels."""
    maps = [member_map(features, weights[decided], pixels) for _, features, weights in answers]
    return np.mean(maps, 0, dtype=np.float32)
