"""Tiles of public cells that people labelled, in the place of senescent and proliferating ones.

They let `senescope train`, `senescope evaluate` and the paper's table be tried on real cells.
Looked for where `SENESCOPE_DATA` says, by default in `../shared/data` beside the repository.

* T cells: NAD(P)H autofluorescence of 852 single cells, activated or quiescent, of six donors,
  which take the place of dishes. Wang et al., J. Biophotonics 13:e201960050 (2020); the images of
  gitter-lab/t-cell-classification (Clear BSD). The one channel is shown twice as it was acquired
  and once relative to the cell's own mean: brightness tells activated cells too.
* Cells in the cell cycle: imaging flow cytometry in bright field, DNA stain and dark field. Images
  of minh-doan/MLCP (BSD-3). One file a phase holds the cells in rows, and fills its sheet with one
  empty image; a third of its cells takes the place of a dish. Each phase has a file of its own, so
  that what is particular to a file tells its phase too.

All cells of a set are enlarged alike, because size tells the classes apart; what is larger than a
tile is cut at its edges.
"""

import argparse
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage import io as images
from skimage import transform

from .contract import CLASSES, TILE_PIXELS
from .tiles import write

T_CELLS = "tcell_nadh/sample_images.zip"
STATES = {"quiescent": CLASSES[0], "activated": CLASSES[1]}
CYCLE = "mlcp"
CYCLE_CHANNELS = ("Ch3", "Ch4", "Ch6")
# Cells of each phase, without the images that fill the sheet.
PHASES = {"G1": 900, "S_phase": 900, "G2": 900, "Prophase": 606}
CYCLE_EDGE = 40
REGIONS = 3
ENLARGEMENT = 3.0
# As for cells of the microscope: four times the mean is 1, and 40 % from the background is 1.
SPAN = 4.0
CONTRAST = 0.4

Row = dict[str, object]
Sets = tuple[list[np.ndarray], list[Row]]


def find(name: str, source: str) -> Path:
    """Return a file or folder of the data; raise FileNotFoundError where it was looked for."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    path = Path(os.environ.get("SENESCOPE_DATA", beside)) / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: get it from {source}, "
            "or set SENESCOPE_DATA to the folder that has it"
        )
    return path


def framed(image: np.ndarray) -> np.ndarray:
    """Enlarge an image H×W and show its middle in 128×128 pixels; what is around it is 0."""
    shape = [round(edge * ENLARGEMENT) for edge in image.shape]
    large = transform.resize(image.astype(float), shape, order=1, anti_aliasing=False)
    top, left = (max(0, edge - TILE_PIXELS) // 2 for edge in shape)
    large = large[top : top + TILE_PIXELS, left : left + TILE_PIXELS]
    result = np.zeros((TILE_PIXELS, TILE_PIXELS), np.float32)
    top, left = ((TILE_PIXELS - edge) // 2 for edge in large.shape)
    result[top : top + large.shape[0], left : left + large.shape[1]] = np.clip(large, -1, 1)
    return result


def t_cell(image: np.ndarray) -> np.ndarray:
    """Make a tile 3×128×128 in [−1, 1] of counts H×W."""
    background = np.percentile(image, 5)
    relative = (image - background) / (SPAN * (image.mean() - background))
    acquired = framed(image / np.iinfo(np.uint8).max)
    return np.stack([acquired, framed(relative), acquired])


def t_cells() -> Sets:
    """Return the T cells."""
    tiles, rows = [], []
    archive = find(T_CELLS, "gitter-lab/t-cell-classification")
    with zipfile.ZipFile(archive) as opened:
        for name in sorted(opened.namelist()):
            if not name.endswith(".png"):
                continue
            *_, donor, state, file = name.split("/")
            tiles.append(t_cell(images.imread(io.BytesIO(opened.read(name)))))
            rows.append({"source": file, "dish": donor, "class": STATES[state]})
    return tiles, rows


def sheet(path: Path) -> np.ndarray:
    """Return the images of a sheet, N×40×40 counts."""
    counts = images.imread(path).astype(np.float32)
    across = counts.shape[1] // CYCLE_EDGE
    cells = counts.reshape(-1, CYCLE_EDGE, across, CYCLE_EDGE).swapaxes(1, 2)
    return cells.reshape(-1, CYCLE_EDGE, CYCLE_EDGE)


def once(cells: np.ndarray) -> np.ndarray:
    """Return the rows N×… that occur once, in their order."""
    _, place, count = np.unique(
        cells.reshape(len(cells), -1), axis=0, return_inverse=True, return_counts=True
    )
    return cells[count[place.ravel()] == 1]


def phase(name: str) -> np.ndarray:
    """Return the cells of a phase, N×3×40×40 counts."""
    folder = find(CYCLE, "minh-doan/MLCP") / name
    paths = [path for c in CYCLE_CHANNELS for path in sorted(folder.glob(f"{c}_*.tif"))]
    cells = once(np.stack([sheet(path) for path in paths], axis=1))
    if len(cells) != PHASES[name]:
        raise ValueError(f"{folder} has {len(cells)} different cells, not {PHASES[name]}")
    return cells


def cell_cycle(negative: tuple[str, ...], positive: tuple[str, ...]) -> Sets:
    """Return cells in some phases against cells in others.

    Stain and scattered light are scaled by all cells and not by each one: how much DNA a cell has
    is what tells its phase.
    """
    cells = {name: phase(name).swapaxes(0, 1) for name in (*negative, *positive)}
    whole = np.concatenate(list(cells.values()), axis=1)
    bright = np.median(whole[0])
    ranges = [np.percentile(channel, [5, 99.9]) for channel in whole[1:]]
    tiles, rows = [], []
    for name, channels in cells.items():
        planes = [(channels[0] / bright - 1) / CONTRAST]
        for channel, (low, high) in zip(channels[1:], ranges, strict=True):
            planes.append((channel - low) / (high - low))
        for index, cell in enumerate(zip(*planes, strict=True)):
            tiles.append(np.stack([framed(plane) for plane in cell]))
            region = index * REGIONS // len(planes[0])
            of_class = CLASSES[name in positive]
            rows.append({"source": f"{name} {index}", "dish": f"{region}", "class": of_class})
    return tiles, rows


SETS: dict[str, Callable[[], Sets]] = {
    "t-cells": t_cells,
    "g1-g2": lambda: cell_cycle(("G1",), ("G2",)),
    "prophase": lambda: cell_cycle(("G1", "S_phase", "G2"), ("Prophase",)),
}


def available(name: str) -> bool:
    """Return whether the data of a set are there."""
    try:
        find(T_CELLS if name == "t-cells" else CYCLE, "")
    except FileNotFoundError:
        return False
    return True


def write_set(name: str, out: Path) -> None:
    """Write the folder of tiles of a set."""
    tiles, rows = SETS[name]()
    write(out, np.stack(tiles), rows)
    print(f"{len(tiles)} tiles of {len({row['dish'] for row in rows})} dishes in {out}")


def main() -> None:
    """Write the folder of tiles of a set."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--set", choices=SETS, default="t-cells")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write_set(options.set, options.out)


if __name__ == "__main__":
    main()
