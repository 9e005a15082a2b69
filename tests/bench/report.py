"""The parts of the page of `compare`: costs, ratios, stages, agreement."""

import pathlib
import statistics
from dataclasses import dataclass

import agreement
import markdown
import numpy as np
from peer.segment import LEAST_UM2
from sides import Run

EMBEDDED = "daemon, embedded engine"
TORCH = "PyTorch + grad-cam"
STAGES = ("read", "segment", "tile", "networks", "verdict", "maps", "publish")


@dataclass(frozen=True)
class Goal:
    """The most that the daemon may need of what the other side needs."""

    ours: str
    theirs: str
    most: float


GOALS = (
    Goal("daemon, ONNX Runtime f32", "Python, ONNX Runtime f32", 0.67),
    Goal("daemon, OpenVINO f32", "Python, OpenVINO f32", 0.8),
    Goal("daemon, OpenVINO bf16", "Python, OpenVINO bf16", 0.8),
    Goal(EMBEDDED, "Python, ONNX Runtime f32", 2.0),
    Goal(EMBEDDED, TORCH, 0.1),
    Goal("daemon, ONNX Runtime f32", TORCH, 0.1),
    Goal("daemon, OpenVINO f32", TORCH, 0.1),
    Goal("daemon, OpenVINO bf16", TORCH, 0.1),
)


def spread(values: list[float], digits: int) -> str:
    """Return the median with least and greatest value."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def cpu(runs: list[Run]) -> list[float]:
    """Return the CPU milliseconds a cell of each round."""
    return [1e3 * run.cpu_s / run.cells for run in runs]


def costs(page: markdown.Page, runs: dict[str, list[Run]]) -> None:
    """Say what each side needs."""
    page.heading("What a cell costs")
    page.text(
        "Median of the rounds (least–greatest), in ms a cell on one thread. Wall time is that of a "
        "machine on which others may have been working."
    )
    wall = {name: [1e3 * run.wall_s / run.cells for run in of] for name, of in runs.items()}
    rows = [
        (name, of[0].cells, spread(cpu(of), 1), spread(wall[name], 1)) for name, of in runs.items()
    ]
    page.table(("side", "cells", "CPU", "wall time"), rows)


def goals(page: markdown.Page, runs: dict[str, list[Run]]) -> None:
    """Say how the daemon compares with its goals."""
    page.heading("Ratios")
    page.text(
        "CPU time a cell of the daemon in units of the other side's, of the same round. To their "
        "advantage, the other sides leave out the comparison with the training set, the faults of a "
        "cell's image, and finding cells while they are being scanned. The ensemble's files are for one tile "
        "at a time, and so the pipelines use them; the daemon lets ONNX Runtime compute up to four tiles "
        "together that wait already."
    )
    rows = []
    for goal in GOALS:
        if not {goal.ours, goal.theirs} <= runs.keys():
            rows.append((goal.ours, goal.theirs, "not measured", f"≤ {goal.most}"))
            continue
        pairs = zip(cpu(runs[goal.ours]), cpu(runs[goal.theirs]), strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        verdict = "met" if statistics.median(ratios) <= goal.most else "missed"
        rows.append((goal.ours, goal.theirs, spread(ratios, 3), f"≤ {goal.most}: {verdict}"))
    page.table(("daemon", "other side", "ratio", "goal"), rows)


def stages(page: markdown.Page, runs: dict[str, list[Run]]) -> None:
    """Say where the pipelines' time goes."""
    page.heading("Where the pipelines' CPU time goes")
    page.text("In ms a cell, medians of the rounds.")
    rows = []
    for name, of in runs.items():
        if of[0].stages:
            each = [
                statistics.median(1e3 * run.stages.get(stage, 0) / run.cells for run in of)
                for stage in STAGES
            ]
            rows.append((name, *(f"{value:.2f}" if value else "–" for value in each)))
    page.table(("side", *STAGES), rows)
    if TORCH in runs:
        page.text(
            f"{TORCH} is given the daemon's tiles, and only its networks and maps are counted. Its "
            "`networks` decide the class with a pass of their own; its `maps` are passes forwards and "
            "backwards."
        )


def agree(page: markdown.Page, runs: dict[str, list[Run]], dish: pathlib.Path) -> None:
    """Say how far all sides find and say the same as the daemon, and as the truth."""
    page.heading("Agreement")
    daemon, known = runs[EMBEDDED][0].labels, agreement.truth(dish, LEAST_UM2)
    found, said = [], []
    for name, of in runs.items():
        labels = of[0].labels
        if not labels:
            continue
        got = agreement.compare(daemon, labels)
        true = len(agreement.matched(labels, known))
        shares = true / len(known), true / len(labels), got.pairs / len(daemon)
        found.append((name, len(labels), *(f"{share:.1%}" for share in shares)))
        if name != EMBEDDED:
            gaps = f"{np.median(got.gaps):.2g}", f"{got.gaps.max():.2g}"
            said.append((name, got.pairs, f"{got.same_class:.1%}", f"{got.same_set:.1%}", *gaps))
    page.text(
        f"Cells are the same when each is the other's nearest within {agreement.NEAR_UM:g} µm. The "
        f"dish has {len(known)} cells of at least {LEAST_UM2:g} µm² in its fields."
    )
    columns = ("side", "cells", "of the true cells found", "of its cells true")
    page.table((*columns, "of the embedded daemon's cells found"), found)
    page.text(f"What is said of the cells that the {EMBEDDED} found, too:")
    columns = ("side", "cells", "same class", "same conformal set", "median |Δp|", "largest |Δp|")
    page.table(columns, said)
    peer = next(name for name in runs if name.startswith("Python"))
    got = agreement.compare(daemon, runs[peer][0].labels)
    alike = abs(got.areas - 1) <= agreement.SAME_AREA
    page.text(
        f"The Python pipelines find cells on their own: Otsu's threshold on the whole frame draws "
        f"them at {np.median(got.areas):.2f} of the daemon's area in the median, the brightness in the "
        "outline scales SRS and TPEF, and the background of TRANS is fitted to the whole frame, where "
        "the daemon knows only the rows scanned so far. So tiles differ, and with them the answers: "
        f"the median difference of the log-odds is {got.odds_gap(alike)} where areas agree within "
        f"{agreement.SAME_AREA:.0%} ({alike.sum()} cells), and {got.odds_gap(~alike)} elsewhere."
    )


def on_same_tiles(
    page: markdown.Page,
    runs: dict[str, list[Run]],
    tiles: pathlib.Path,
    answers: dict[str, pathlib.Path],
) -> None:
    """Say how far networks and maps agree on the daemon's own tiles, by the file of the answers."""
    rows = []
    for other, file in answers.items():
        same_engine = other.replace("Python", "daemon")
        for name in (EMBEDDED, same_engine):
            if name in runs and name != other:
                got = agreement.on_same_tiles(runs[name][0], tiles, file)
                told = f"{got['told']} of {got['answers']}"
                rows.append((name, other, told, f"{got['log_odds']:.1e}", f"{got['map']:.1e}"))
    page.heading("Agreement on the daemon's own tiles")
    page.text(
        "Largest difference of a member's log-odds (the difference of its two logits) and of the "
        "mean map in [0, 1]. Members' probabilities are published as float32, which tell log-odds "
        f"to 1e-4 only within ±{agreement.TOLD_LOG_ODDS:g}: only those answers are counted."
    )
    page.table(("daemon", "other side", "answers", "log-odds", "map"), rows)
