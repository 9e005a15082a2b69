"""Compares the daemon's segmentation with a whole-frame scikit-image pipeline on the same fields.

Usage: compare.py FOLDER, with the files that the test `segmentation` wrote there: for each field
`NAME.image.npy` (rows x channels x columns: SRS, TPEF, TRANS), `NAME.truth.npy`, `NAME.found.npy`
(labels) and, in `fields.json`, the pixel sizes in um and the least area of a cell in um2.

The pipeline sees the whole frame at once: background by a paraboloid through the lower envelope,
Gaussian smoothing, the normalised sum of SRS and TPEF, Otsu's threshold, small objects and holes
removed, watershed of the smoothed distance transform from its peaks. Its parameters are chosen on
other fields by `--tune`. Labels of both are matched by the same code. Exit 1 when the daemon's F1
is below scikit-image's or 0.90.

Needs numpy and scikit-image.
"""

import itertools
import json
import pathlib
import sys

import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label
from skimage.morphology import remove_small_holes, remove_small_objects
from skimage.segmentation import watershed
from skimage.transform import downscale_local_mean

DEFAULT = {"smoothing_um": 0.5, "distance_um": 2.0, "separation_um": 13.0}
GRID = {
    "smoothing_um": [0.4, 0.6],
    "distance_um": [1.0, 2.0, 3.0],
    "separation_um": [8.0, 10.0, 13.0],
}


def flatten(image):
    """Subtracts a paraboloid through the lower envelope of the image."""
    rows, columns = image.shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y], -1)
    sample = (slice(None, None, 4),) * 2
    a, b = terms[sample].reshape(-1, 5), image[sample].ravel()
    keep = b <= np.quantile(b, 0.5)
    for _ in range(5):
        fit = np.linalg.lstsq(a[keep], b[keep], rcond=None)[0]
        rest = b - a @ fit
        spread = 1.4826 * np.median(np.abs(rest[keep]))
        keep = rest < 2 * max(spread, 1e-6)
    return image - terms @ fit


def segment(image, um, least_um2, smoothing_um, distance_um, separation_um):
    """Otsu's threshold and distance watershed on the whole frame."""
    bin_px = max(1, int(0.4 / um + 1e-9))
    shape = image[:, 0].shape
    channels = []
    for channel in (0, 1):
        plane = downscale_local_mean(image[:, channel].astype(float), (bin_px, bin_px))
        plane = flatten(gaussian(plane, smoothing_um / (um * bin_px)))
        channels.append(plane / max(np.quantile(plane, 0.95), 1e-9))
    score = np.clip(sum(channels) / 2, -1, 2)
    pixel_um2 = (um * bin_px) ** 2
    level = threshold_otsu(score)
    mask = score > level
    if score[mask].mean() - score[~mask].mean() < 4 * score[~mask].std():
        return np.zeros(shape, int)  # Otsu parts noise as well: there is nothing to see.
    mask = remove_small_objects(mask, max_size=int(least_um2 / pixel_um2))
    mask = remove_small_holes(mask, max_size=int(150 / pixel_um2))
    distance = distance_transform_edt(mask)
    if distance_um > 0:
        distance = gaussian(distance, distance_um / (um * bin_px))
    peaks = peak_local_max(
        distance,
        min_distance=max(1, int(separation_um / (um * bin_px))),
        labels=label(mask),
        exclude_border=False,
    )
    markers = np.zeros(mask.shape, int)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-distance, markers, mask=mask)
    sizes = np.bincount(labels.ravel())
    labels[(sizes < least_um2 / pixel_um2)[labels]] = 0
    labels = np.kron(labels, np.ones((bin_px, bin_px), int))
    return labels[: shape[0], : shape[1]]


def match(truth, found, least):
    """Hits, missed, invented at an intersection over union above one half; see matching.rs."""
    pairs, shared = np.unique(np.stack([truth.ravel(), found.ravel()]), axis=1, return_counts=True)
    true_area = dict(zip(*np.unique(truth, return_counts=True)))
    found_area = dict(zip(*np.unique(found, return_counts=True)))
    counted = {t for t, area in true_area.items() if t != 0 and area >= least}
    hits, on_fragments = set(), {}
    for (t, f), pixels in zip(pairs.T, shared):
        if f == 0 or t == 0:
            continue
        if t not in counted:
            on_fragments[f] = on_fragments.get(f, 0) + pixels
        elif 2 * pixels > true_area[t] + found_area[f] - pixels:
            hits.add(f)
    invented = [
        f
        for f in found_area
        if f != 0 and f not in hits and 2 * on_fragments.get(f, 0) <= found_area[f]
    ]
    return np.array([len(hits), len(counted) - len(hits), len(invented)])


def f1(matches):
    return 2 * matches[0] / max(1, 2 * matches[0] + matches[1] + matches[2])


def load(folder):
    about = json.loads((folder / "fields.json").read_text())
    for name, um in sorted(about["pixel_size_um"].items()):
        arrays = [np.load(folder / f"{name}.{kind}.npy") for kind in ("image", "truth", "found")]
        yield name, um, about["least_um2"], arrays


def main():
    folder = pathlib.Path(sys.argv[1])
    if "--tune" in sys.argv:
        fields = list(load(folder))
        for values in itertools.product(*GRID.values()):
            chosen = dict(zip(GRID, values))
            total = sum(
                match(truth, segment(image, um, least, **chosen), least / um**2)
                for _, um, least, (image, truth, _) in fields
            )
            print(f"{f1(total):.4f}", chosen, flush=True)
        return 0
    ours, theirs, fields = np.zeros(3, int), np.zeros(3, int), 0
    for _, um, least, (image, truth, found) in load(folder):
        fields += 1
        ours += match(truth, found, least / um**2)
        theirs += match(truth, segment(image, um, least, **DEFAULT), least / um**2)
    for name, total in (("senescope", ours), ("scikit-image", theirs)):
        print(
            f"{name:13} F1 {f1(total):.4f}  hits {total[0]}  missed {total[1]}  invented {total[2]}"
        )
    good = fields > 0 and f1(ours) >= 0.90 and f1(ours) >= f1(theirs)
    print(
        f"{fields} fields:", "senescope is not below scikit-image" if good else "senescope is BELOW"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
