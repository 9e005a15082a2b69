"""Cuts the tile of a cell as the ensemble's manifest says.

A square of fixed physical size around the middle of the cell's bounding box. The image fades to the
background beyond a margin around the cell; it is resampled by area averages when it shrinks and
bilinearly when it grows, and clipped to [-1, 1].
"""

import numpy as np
from scipy.ndimage import distance_transform_edt

from .recording import Frame
from .segment import Cell


def shares(origin: float, scale: float, pixels: int, old: np.ndarray) -> np.ndarray:
    """Return the share of each old sample in each of `pixels` new ones, `scale` old ones long."""
    begin = origin + scale * np.arange(pixels)[:, None]
    if scale >= 1:
        overlap = np.minimum(begin + scale, old + 1) - np.maximum(begin, old)
        return (np.maximum(overlap, 0) / scale).astype(np.float32)
    return np.maximum(1 - np.abs(begin + scale / 2 - 0.5 - old), 0).astype(np.float32)


def unit(rule: str, inside: np.ndarray, background: float, dark: float) -> float:
    """Return the counts above the background that are worth one."""
    if rule == "relative":
        return max(background - dark, 1.0)
    return max(inside.mean(), inside.std() / 2, 1.0)


def cut(manifest: dict, frame: Frame, cell: Cell) -> np.ndarray:
    """Return the tile, 1 x channels x pixels x pixels."""
    about, um = manifest["tile"], frame.pixel_size_um
    size, pixels = about["size_um"] / um, about["pixels"]
    margin, taper = about["margin_um"] / um, about["taper_um"] / um
    height, width = cell.mask.shape
    corner = (cell.top + (height - size) / 2, cell.left + (width - size) / 2)
    reach = int(np.ceil(margin + taper)) + 1
    rows, columns = next(iter(frame.counts.values())).shape
    top, left = max(cell.top - reach, 0), max(cell.left - reach, 0)
    bottom = min(cell.top + height + reach, rows)
    right = min(cell.left + width + reach, columns)
    mask = np.zeros((bottom - top, right - left), bool)
    mask[cell.top - top :, cell.left - left :][:height, :width] = cell.mask
    distance = distance_transform_edt(~mask)
    fade = np.clip(1 - (distance - margin) / taper, 0, 1).astype(np.float32)
    image = np.empty((len(manifest["normalisation"]), *mask.shape), np.float32)
    for plane, rule in zip(image, manifest["normalisation"], strict=True):
        name = rule["channel"]
        background = cell.background[name]
        np.subtract(frame.counts[name][top:bottom, left:right], background, out=plane)
        worth = unit(rule["rule"], plane[mask], background, frame.dark[name])
        plane *= fade / np.float32(rule["span"] * worth)
    scale = size / pixels
    down = shares(corner[0], scale, pixels, np.arange(top, bottom))
    across = shares(corner[1], scale, pixels, np.arange(left, right))
    return np.clip(down @ image @ across.T, -1, 1)[None]
