"""How far two sides say the same of the same cells."""

import csv
import json
import pathlib
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

# Centres further apart than this are of different cells.
NEAR_UM = 4.0
# A float32 close to 0 or 1 does not tell log-odds beyond this to 1e-4.
TOLD_LOG_ODDS = 6.0
# Areas that differ by more than this are of cells that were outlined differently.
SAME_AREA = 0.1


def matched(ours: dict, theirs: dict) -> list[tuple[tuple, tuple]]:
    """Return pairs of cells that are each other's nearest, by labels of two runs."""
    pairs = []
    for frame in sorted({frame for frame, _ in ours} & {frame for frame, _ in theirs}):
        sides = [[key for key in side if key[0] == frame] for side in (ours, theirs)]
        places = [
            np.array([labels[key]["centroid_um"] for key in keys])
            for labels, keys in zip((ours, theirs), sides, strict=True)
        ]
        distance, there = cKDTree(places[1]).query(places[0], distance_upper_bound=NEAR_UM)
        _, back = cKDTree(places[0]).query(places[1])
        for index, (far, other) in enumerate(zip(distance, there, strict=True)):
            if np.isfinite(far) and back[other] == index:
                pairs.append((sides[0][index], sides[1][other]))
    return pairs


def truth(dish: pathlib.Path, least_um2: float) -> dict:
    """Return the true cells of a simulated dish that are at least as large as `least_um2`."""
    found = {}
    for path in sorted(dish.glob("truth-??????.json")):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["area_um2"] >= least_um2:
                found[int(path.stem.split("-")[1]), cell["index"]] = cell
    return found


def log_odds(label: dict) -> float:
    """Return the logarithm of a label's odds, as far as float32 tells."""
    p = np.clip(label["p"][1], 1e-7, 1 - 1e-7)
    return float(np.log(p / (1 - p)))


@dataclass(frozen=True)
class Agreement:
    """What two sides say of the cells that both found; arrays have a value a pair."""

    pairs: int
    same_class: float
    same_set: float
    gaps: np.ndarray
    odds_gaps: np.ndarray
    areas: np.ndarray

    def odds_gap(self, chosen: np.ndarray) -> str:
        """Return the median difference of the log-odds of some pairs."""
        return f"{np.median(self.odds_gaps[chosen]):.2g}" if chosen.any() else "unknown"


def compare(ours: dict, theirs: dict) -> Agreement:
    """Compare the labels of two runs."""
    both = [(ours[one], theirs[other]) for one, other in matched(ours, theirs)]
    return Agreement(
        pairs=len(both),
        same_class=np.mean([np.argmax(a["p"]) == np.argmax(b["p"]) for a, b in both]),
        same_set=np.mean([list(a["set"]) == list(b["set"]) for a, b in both]),
        gaps=np.array([abs(a["p"][1] - b["p"][1]) for a, b in both]),
        odds_gaps=np.array([abs(log_odds(a) - log_odds(b)) for a, b in both]),
        areas=np.array([b["area_um2"] / a["area_um2"] for a, b in both]),
    )


def cells_of(tiles: pathlib.Path) -> list[tuple[int, int]]:
    """Return frame and cell of each tile of a folder."""
    with (tiles / "tiles.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {int(row["index"]): (int(row["frame"]), int(row["cell"])) for row in rows}
    return [names[index] for index in range(len(names))]


def on_same_tiles(run, tiles: pathlib.Path, answers: pathlib.Path) -> dict:
    """Compare a run of the daemon with a peer's answers on its tiles: log-odds and maps."""
    names, peer = cells_of(tiles), np.load(answers)
    odds = np.diff(peer["logits"].astype(np.float64), axis=-1)[..., 0]
    p = np.array([run.labels[name]["members"] for name in names], np.float64)[..., 1]
    with np.errstate(divide="ignore"):
        gap = np.abs(np.log(p) - np.log1p(-p) - odds)
    told = np.abs(odds) <= TOLD_LOG_ODDS
    maps = [abs(run.maps[name] - cam).max() for name, cam in zip(names, peer["maps"], strict=True)]
    return {
        "answers": odds.size,
        "told": int(told.sum()),
        "log_odds": gap[told].max(),
        "map": max(maps),
    }
