"""Figures of merit of the paper's table, and its files."""

import csv
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

RESAMPLINGS = 1000
# Bounds of a 95 % interval.
BOUNDS = (2.5, 97.5)


@dataclass(frozen=True)
class Found:
    """Figures on held-out dishes; `low` and `high` bound the accuracy (dishes resampled)."""

    accuracy: float
    low: float
    high: float
    balanced_accuracy: float
    auc: float


@dataclass(frozen=True)
class Cell:
    """One cell of the table: what was trained on how many simulated tiles."""

    row: str
    augmented: bool
    tiles: int
    found: Found

    def record(self) -> dict[str, object]:
        """Return the columns of the file; `row` names a line of a plot."""
        name = f"{self.row}, augmented" if self.augmented else self.row
        return {"row": name, "tiles": self.tiles, **rounded(asdict(self.found))}


@dataclass(frozen=True)
class FoundEach:
    """Means over dishes, each left out in turn; `auc_low` and `auc_high` are the extremes."""

    accuracy: float
    auc: float
    auc_low: float
    auc_high: float


@dataclass(frozen=True)
class RealCell:
    """One cell of the table of real cells."""

    data: str
    row: str
    augmented: bool
    tiles: int
    found: FoundEach

    def record(self) -> dict[str, object]:
        """Return the columns of the file."""
        name = f"{self.row}, augmented" if self.augmented else self.row
        own = {"data": self.data, "row": name, "tiles": self.tiles}
        return {**own, **rounded(asdict(self.found))}


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Keep the digits that a thousand tiles can tell."""
    return {name: round(figure, 4) for name, figure in figures.items()}


def judge(senescent: np.ndarray, truth: np.ndarray, dishes: np.ndarray, seed: int) -> Found:
    """Judge probabilities N of tiles whose class is known, resampling whole dishes."""
    right = (senescent > 0.5) == truth
    _, dish = np.unique(dishes, return_inverse=True)
    counts, hits = np.bincount(dish), np.bincount(dish, right)
    drawn = np.random.default_rng(seed).integers(0, len(counts), (RESAMPLINGS, len(counts)))
    low, high = np.percentile(hits[drawn].sum(1) / counts[drawn].sum(1), BOUNDS)
    return Found(
        float(right.mean()),
        float(low),
        float(high),
        float(balanced_accuracy_score(truth, senescent > 0.5)),
        float(roc_auc_score(truth, senescent)),
    )


def judge_each(answers: list[tuple[np.ndarray, np.ndarray]]) -> FoundEach:
    """Judge probabilities and truths of each dish by itself, and average over the dishes."""
    accuracies = [((senescent > 0.5) == truth).mean() for senescent, truth in answers]
    areas = [roc_auc_score(truth, senescent) for senescent, truth in answers]
    return FoundEach(
        float(np.mean(accuracies)), float(np.mean(areas)), float(min(areas)), float(max(areas))
    )


def write_csv(path: Path, cells: list[Cell] | list[RealCell]) -> None:
    """Write a record a cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [cell.record() for cell in cells]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
