"""Tiles of public T cells: NAD(P)H autofluorescence of 852 single cells of six donors.

Source: Wang et al., J. Biophotonics 13:e201960050 (2020), the images of
gitter-lab/t-cell-classification (Clear BSD), looked for where `SENESCOPE_DATA` says, by default in
`../shared/data` beside the repository. Activated cells take the place of senescent ones and a donor
that of a dish, so that `senescope train` and `senescope evaluate` can be tried on real cells that
people labelled. The one channel is shown as all three; every cell is enlarged alike, because
activated cells are larger.
"""

import argparse
import io
import os
import zipfile
from pathlib import Path

import numpy as np
from skimage import io as images
from skimage import transform

from .contract import TILE_PIXELS
from .tiles import write

ARCHIVE = "tcell_nadh/sample_images.zip"
ENLARGEMENT = 3.0
CLASSES = {"quiescent": "proliferating", "activated": "senescent"}
# As for cells of the microscope: four times the mean is 1.
SPAN = 4.0


def archive() -> Path:
    """Return the archive of images; raise FileNotFoundError where it was looked for."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    path = Path(os.environ.get("SENESCOPE_DATA", beside)) / ARCHIVE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: get it from gitter-lab/t-cell-classification, "
            "or set SENESCOPE_DATA to the folder that has it"
        )
    return path


def tile(image: np.ndarray) -> np.ndarray:
    """Enlarge an image H×W of counts to the middle of a tile 3×128×128 in [−1, 1]."""
    shape = [min(TILE_PIXELS, round(edge * ENLARGEMENT)) for edge in image.shape]
    large = transform.resize(image.astype(float), shape, order=1, anti_aliasing=False)
    background = np.percentile(image, 5)
    signal = np.clip((large - background) / (SPAN * (image.mean() - background)), -1, 1)
    result = np.zeros((TILE_PIXELS, TILE_PIXELS), np.float32)
    top, left = ((TILE_PIXELS - edge) // 2 for edge in signal.shape)
    result[top : top + shape[0], left : left + shape[1]] = signal
    return np.repeat(result[None], 3, axis=0)


def main() -> None:
    """Write the folder of tiles."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tiles, rows = [], []
    with zipfile.ZipFile(archive()) as opened:
        for name in sorted(opened.namelist()):
            if not name.endswith(".png"):
                continue
            *_, donor, state, file = name.split("/")
            tiles.append(tile(images.imread(io.BytesIO(opened.read(name)))))
            rows.append({"source": file, "dish": donor, "class": CLASSES[state]})
    write(options.out, np.stack(tiles), rows)
    print(f"{len(tiles)} tiles of {len({row['dish'] for row in rows})} donors in {options.out}")


if __name__ == "__main__":
    main()
