"""How far two sides say the same of the same cells."""

import csv
import pathlib

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


def compare(ours: dict, theirs: dict) -> dict:
    """Return shares and differences of the cells that both sides found."""
    pairs = matched(ours, theirs)
    both = [(ours[one], theirs[other]) for one, other in pairs]
    gaps = np.array([abs(one["p"][1] - other["p"][1]) for one, other in both])
    areas = np.array([other["area_um2"] / one["area_um2"] for one, other in both])
    alike = np.abs(areas - 1) <= SAME_AREA
    whole = np.array([not one["flags"]["touches_border"] for one, _ in both])

    def median(chosen: np.ndarray) -> float:
        return float(np.median(gaps[chosen])) if chosen.any() else float("nan")

    return {
        "ours": len(ours),
        "theirs": len(theirs),
        "pairs": len(pairs),
        "class": np.mean([np.argmax(a["p"]) == np.argmax(b["p"]) for a, b in both]),
        "set": np.mean([list(a["set"]) == list(b["set"]) for a, b in both]),
        "largest": gaps.max(),
        "median": np.median(gaps),
        "alike": int(alike.sum()),
        "median_alike": median(alike),
        "median_unlike": median(~alike),
        "whole": int(whole.sum()),
        "median_whole": median(whole),
        "median_cut": median(~whole),
        "area": np.median(areas),
    }


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
        "cells": len(names),
        "answers": int(told.sum()),
        "log_odds": gap[told].max(),
        "map": max(maps),
    }
