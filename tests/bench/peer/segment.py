"""Finds the cells of a whole frame with scikit-image.

The steps and their settings are those of `tests/segmentation/compare.py`, whose settings were
tuned: averaging to the daemon's working pixel, a Gaussian, a paraboloid as background, the
normalised sum of SRS and TPEF, Otsu's threshold, small objects and holes removed, and a watershed
of the smoothed distance from its peaks.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label, regionprops
from skimage.morphology import remove_small_holes, remove_small_objects
from skimage.segmentation import watershed
from skimage.transform import downscale_local_mean

from .recording import Frame

WORKING_UM, SMOOTHING_UM, DISTANCE_UM, SEPARATION_UM = 0.4, 0.5, 2.0, 13.0
LEAST_UM2, HOLE_UM2 = 60.0, 150.0
BRIGHT = ("SRS", "TPEF")
# Every how many working pixels the background is fitted.
STEP = 4


@dataclass(frozen=True)
class Cell:
    """A cell in pixels of the frame: left, top, the mask from there, its middle and background."""

    left: int
    top: int
    mask: np.ndarray
    centroid: tuple[float, float]
    background: dict[str, float]


@cache
def paraboloid(shape: tuple[int, int]) -> np.ndarray:
    """Return the terms of a paraboloid at each pixel, rows x columns x 5."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.stack([np.ones_like(x), x, y, x * x, y * y], -1)


def background(plane: np.ndarray, bright: bool) -> np.ndarray:
    """Fit the background: below the cells when they are `bright`, else in the middle."""
    terms = paraboloid(plane.shape)[::STEP, ::STEP].reshape(-1, 5)
    values = plane[::STEP, ::STEP].ravel()
    keep = values <= np.quantile(values, 0.5) if bright else np.ones(len(values), bool)
    for _ in range(5):
        fit = np.linalg.lstsq(terms[keep], values[keep], rcond=None)[0]
        rest = values - terms @ fit
        spread = max(1.4826 * np.median(np.abs(rest[keep])), 1e-6)
        keep = (rest if bright else np.abs(rest)) < 2 * spread
    return paraboloid(plane.shape) @ fit


def label_cells(score: np.ndarray, working_um: float) -> np.ndarray:
    """Return the label image of a score of working pixels."""
    area = working_um**2
    level = threshold_otsu(score)
    mask = score > level
    if score[mask].mean() - score[~mask].mean() < 4 * score[~mask].std():
        return np.zeros(score.shape, int)  # Otsu parts noise as well.
    mask = remove_small_objects(mask, max_size=int(LEAST_UM2 / area))
    mask = remove_small_holes(mask, max_size=int(HOLE_UM2 / area))
    distance = gaussian(distance_transform_edt(mask), DISTANCE_UM / working_um)
    peaks = peak_local_max(
        distance,
        min_distance=max(1, int(SEPARATION_UM / working_um)),
        labels=label(mask),
        exclude_border=False,
    )
    markers = np.zeros(mask.shape, int)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=mask)


def segment(frame: Frame) -> list[Cell]:
    """Return the cells of a frame."""
    edge = max(1, int(WORKING_UM / frame.pixel_size_um + 1e-9))
    working_um = edge * frame.pixel_size_um
    planes, backgrounds = {}, {}
    for name, counts in frame.counts.items():
        rows, columns = (length - length % edge for length in counts.shape)
        plane = downscale_local_mean(counts[:rows, :columns].astype(np.float32), (edge, edge))
        planes[name] = gaussian(plane, SMOOTHING_UM / working_um)
        backgrounds[name] = background(planes[name], name in BRIGHT)
    rest = [planes[name] - backgrounds[name] for name in BRIGHT]
    score = sum(plane / max(np.quantile(plane, 0.95), 1e-9) for plane in rest) / len(rest)
    labels = label_cells(np.clip(score, -1, 2), working_um)
    cells = []
    for region in regionprops(labels):
        if region.area * working_um**2 < LEAST_UM2:
            continue
        top, left = region.bbox[:2]
        row, column = region.centroid
        middle = (round(row), round(column))
        cells.append(
            Cell(
                left=left * edge,
                top=top * edge,
                mask=region.image.repeat(edge, 0).repeat(edge, 1),
                centroid=((column + 0.5) * edge - 0.5, (row + 0.5) * edge - 0.5),
                background={name: plane[middle] for name, plane in backgrounds.items()},
            )
        )
    return cells
