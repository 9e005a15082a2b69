"""Reader of the folder that `senescope tiles` writes: `tiles.npy` and `tiles.csv`.

`tiles.npy` is float32 N×3×128×128 in [−1, 1] and is mapped, not read; row i of the table
describes tile i. `class`, `severity`, `p_oracle` and `seen` are empty where the truth is not known.
"""

import csv
import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from .contract import CLASSES, TILE_PIXELS

UNKNOWN = -1
# Who labels cells does not label one of which the field shows less than half.
LEAST_SEEN = 0.5
COLUMNS = (
    "index",
    "source",
    "dish",
    "frame",
    "cell",
    "class",
    "severity",
    "p_oracle",
    "instrument",
    "x_um",
    "y_um",
    "area_um2",
    "iou",
    "seen",
    "flags",
)


@dataclass(frozen=True)
class Tiles:
    """Tiles with what is known about each; all arrays have the same length.

    `rows` are the tiles' places in `array`; `classes` holds indices into `CLASSES` or −1;
    `p_oracle` is the probability of senescence from the true phenotype, or NaN; `seen` is the
    part of the cell's area that is in the field, or NaN; `sources` are the recordings and
    `centres_um` N×2 the cells' places in them.
    """

    array: np.ndarray
    rows: np.ndarray
    sources: np.ndarray
    centres_um: np.ndarray
    dishes: np.ndarray
    classes: np.ndarray
    p_oracle: np.ndarray
    instruments: np.ndarray
    area_um2: np.ndarray
    seen: np.ndarray
    flags: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: np.ndarray) -> "Tiles":
        """Return the tiles at `chosen` (a mask or indices)."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return Tiles(**{k: v if k == "array" else v[chosen] for k, v in parts.items()})

    def labelled(self) -> "Tiles":
        """Return the tiles whose class is known and of whose cell at least half is seen."""
        return self.take((self.classes != UNKNOWN) & ~(self.seen < LEAST_SEEN))

    def of_dishes(self, dishes: set[str]) -> "Tiles":
        """Return the tiles of the named dishes."""
        return self.take(np.isin(self.dishes, sorted(dishes)))

    def batch(self, chosen: np.ndarray) -> np.ndarray:
        """Read the tiles at `chosen` into memory, len(chosen)×3×128×128."""
        return np.ascontiguousarray(self.array[self.rows[chosen]])


def class_index(text: str) -> int:
    """Return the index of a class, or −1 for an empty cell."""
    if not text:
        return UNKNOWN
    if text not in CLASSES:
        raise ValueError(f"tiles.csv names the class {text!r}, which is none of {CLASSES}")
    return CLASSES.index(text)


def number(text: str) -> float:
    """Return a number, or NaN for an empty cell."""
    return float(text) if text else float("nan")


def load(folder: Path) -> Tiles:
    """Open a folder of tiles; raise ValueError if its two files contradict each other."""
    array = np.load(folder / "tiles.npy", mmap_mode="r", allow_pickle=False)
    if array.dtype != np.float32 or array.shape[1:] != (3, TILE_PIXELS, TILE_PIXELS):
        raise ValueError(f"{folder}/tiles.npy is {array.dtype} {array.shape}, not float32 N×3×128²")
    with (folder / "tiles.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{folder}/tiles.csv lacks the columns {sorted(missing)}")
        table = list(reader)
    if len(table) != len(array):
        raise ValueError(f"{folder}: {len(table)} rows in tiles.csv, {len(array)} in tiles.npy")
    return Tiles(
        array=array,
        rows=np.array([int(row["index"]) for row in table], np.int64),
        sources=np.array([row["source"] for row in table], dtype=str),
        centres_um=np.array([[number(row["x_um"]), number(row["y_um"])] for row in table]),
        dishes=np.array([row["dish"] for row in table], dtype=str),
        classes=np.array([class_index(row["class"]) for row in table], np.int64),
        p_oracle=np.array([number(row["p_oracle"]) for row in table]),
        instruments=np.array([row["instrument"] for row in table], dtype=str),
        area_um2=np.array([number(row["area_um2"]) for row in table]),
        seen=np.array([number(row["seen"]) for row in table]),
        flags=np.array([row["flags"] for row in table], dtype=str),
    )


def write(folder: Path, array: np.ndarray, rows: list[dict[str, object]]) -> None:
    """Write tiles N×3×128×128 and what is known of each; columns that a row lacks are empty."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "tiles.npy", array.astype(np.float32))
    with (folder / "tiles.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({"index": index, **row} for index, row in enumerate(rows))


def digest(folder: Path) -> str:
    """Return the SHA-256 over a folder's two files, in hexadecimal."""
    total = hashlib.sha256()
    for name in ("tiles.npy", "tiles.csv"):
        with (folder / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def folds(dishes: np.ndarray, count: int, seed: int) -> list[set[str]]:
    """Share whole dishes out into `count` folds of nearly equal size."""
    names = np.unique(dishes)
    if len(names) < count:
        raise ValueError(f"{len(names)} dishes cannot be shared out into {count} folds")
    shuffled = np.random.default_rng(seed).permutation(names)
    return [{str(name) for name in shuffled[index::count]} for index in range(count)]
