"""Compares the daemon with Python pipelines on the same recording; see `compare`.

All sides take turns in each round, on one thread of the same processor, and every ratio is of the
same round. CPU seconds are those of the working process, without loading.
"""

import argparse
import importlib.util
import pathlib
import shlex
import statistics
import subprocess
import tempfile
from dataclasses import dataclass

import agreement
import markdown
import processor
import zmq
from sides import Daemon, Peer, Run, Torch

EMBEDDED = "daemon, embedded engine"
TORCH = "PyTorch + grad-cam"
STAGES = ("read", "segment", "tile", "networks", "verdict", "maps", "publish")
# Engines that both sides can use: name, precision, and the package and file of the library.
ENGINES = {
    ("ONNX Runtime", "onnxruntime", "f32"): ("onnxruntime", "capi/libonnxruntime.so.*"),
    ("OpenVINO", "openvino", "f32"): ("openvino", "libs/libopenvino_c.so*"),
    ("OpenVINO", "openvino", "bf16"): ("openvino", "libs/libopenvino_c.so*"),
}


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


def library(package: str, pattern: str) -> pathlib.Path:
    """Return the shared library that a wheel brings."""
    folder = importlib.util.find_spec(package).submodule_search_locations[0]
    return min(pathlib.Path(folder).glob(pattern))


def chooses_engines(program: pathlib.Path) -> bool:
    """Return whether the program can use other engines than its own."""
    words = [program, "config", "show", "--set", "engine.kind=tract"]
    return subprocess.run(words, capture_output=True).returncode == 0


def sides(options: argparse.Namespace, where: list[str]) -> list[Daemon | Peer | Torch]:
    """Return all sides in the order of a round: each daemon beside its peer."""
    daemon = Daemon(EMBEDDED, options.senescope, where)
    found: list[Daemon | Peer | Torch] = [daemon]
    more = chooses_engines(options.senescope)
    if not more:
        print("this program has no other engine than the embedded one", flush=True)
    for (title, engine, precision), (package, pattern) in ENGINES.items():
        found.append(Peer(f"Python, {title} {precision}", where, engine, precision))
        if more:
            settings = (
                f"engine.kind={engine}",
                f"engine.precision={precision}",
                f"engine.library={library(package, pattern)}",
            )
            name = f"daemon, {title} {precision}"
            found.append(Daemon(name, options.senescope, where, settings))
    if options.torch:
        found.append(Torch(TORCH, where, options.torch))
    return found


def measure(
    options: argparse.Namespace,
    chosen: list[Daemon | Peer | Torch],
    dish: pathlib.Path,
    work: pathlib.Path,
) -> dict[str, list[Run]]:
    """Run every side in each round."""
    context = zmq.Context()
    runs: dict[str, list[Run]] = {side.name: [] for side in chosen}
    for turn in range(options.rounds):
        for side in chosen:
            if isinstance(side, Torch):
                run = side.on_tiles(work / "tiles", work / "torch.npz")
            else:
                run = side.run(context, dish)
            runs[side.name].append(run)
            cost = 1e3 * run.cpu_s / run.cells
            print(f"round {turn + 1}: {side.name}: {cost:.1f} ms CPU a cell", flush=True)
    context.destroy(linger=0)
    return runs


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
    page.text("Median of the rounds (least–greatest), in ms a cell on one thread.")
    wall = {name: [1e3 * run.wall_s / run.cells for run in of] for name, of in runs.items()}
    rows = [
        (name, of[0].cells, spread(cpu(of), 1), spread(wall[name], 1)) for name, of in runs.items()
    ]
    page.table(("side", "cells", "CPU", "wall time"), rows)


def goals(page: markdown.Page, runs: dict[str, list[Run]]) -> None:
    """Say how the daemon compares with its goals."""
    page.heading("Ratios")
    page.text("CPU time a cell of the daemon in units of the other side's, of the same round.")
    rows = []
    for goal in GOALS:
        if not {goal.ours, goal.theirs} <= runs.keys():
            rows.append((goal.ours, goal.theirs, "not measured", f"≤ {goal.most}"))
            continue
        pairs = zip(cpu(runs[goal.ours]), cpu(runs[goal.theirs]), strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        verdict = "met" if statistics.median(ratios) <= goal.most else "missed"
        rows.append((goal.ours, goal.theirs, spread(ratios, 2), f"≤ {goal.most}: {verdict}"))
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
    page.text(
        f"{TORCH} is given the daemon's tiles, and only its networks and maps are counted. Its "
        "`networks` decide the class with a pass of their own; its `maps` are passes forwards and "
        "backwards."
    )


def say_agreement(page: markdown.Page, runs: dict[str, list[Run]]) -> None:
    """Say how far the pipelines find and say the same as the daemon."""
    page.heading("Agreement")
    daemon = runs[EMBEDDED][0]
    rows, notes = [], []
    for name, of in runs.items():
        if name == EMBEDDED or not of[0].labels:
            continue
        got = agreement.compare(daemon.labels, of[0].labels)
        shares = f"{got['pairs'] / got['ours']:.1%}", f"{got['pairs'] / got['theirs']:.1%}"
        gaps = f"{got['median']:.2g}", f"{got['largest']:.2g}"
        rows.append((name, *shares, f"{got['class']:.1%}", f"{got['set']:.1%}", *gaps))
        if not notes and name.startswith("Python"):
            notes = [
                f"{got['alike']} of {got['pairs']} matched cells have areas within "
                f"{agreement.SAME_AREA:.0%} of each other; the median |Δp| is "
                f"{got['median_alike']:.2g} for them and {got['median_unlike']:.2g} for the others.",
                f"It is {got['median_whole']:.2g} for cells wholly in the field and "
                f"{got['median_cut']:.2g} for those that its border cuts.",
                f"The pipeline's areas are {got['area']:.2f} of the daemon's in the median.",
            ]
    page.text(
        f"With the {EMBEDDED}. Cells are the same when each is the other's nearest within "
        f"{agreement.NEAR_UM:g} µm. The Python pipelines find cells on their own, on whole frames: "
        "outlines differ, and with them the tiles, so that probabilities differ too."
    )
    columns = ("side", "daemon's cells matched", "its cells matched")
    columns += ("same class", "same conformal set", "median |Δp|", "largest |Δp|")
    page.table(columns, rows)
    page.points(notes)


def on_same_tiles(
    page: markdown.Page,
    chosen: list[Daemon | Peer | Torch],
    runs: dict[str, list[Run]],
    work: pathlib.Path,
) -> None:
    """Say how far networks and maps agree on the daemon's own tiles."""
    rows = []
    for side in chosen:
        if isinstance(side, Daemon):
            continue
        out = work / "torch.npz"
        if isinstance(side, Peer):
            out = work / f"{side.engine}-{side.precision}.npz"
            side.on_tiles(work / "tiles", out)
        ours = runs.get(side.name.replace("Python", "daemon"))
        for name, of in ((EMBEDDED, runs[EMBEDDED]), (side.name.replace("Python", "daemon"), ours)):
            if of and (name == EMBEDDED or name != side.name):
                got = agreement.on_same_tiles(of[0], work / "tiles", out)
                answers = f"{got['answers']} of {7 * got['cells']}"
                rows.append(
                    (name, side.name, answers, f"{got['log_odds']:.1e}", f"{got['map']:.1e}")
                )
    page.heading("Agreement on the daemon's own tiles")
    page.text(
        "Largest difference of a member's log-odds (the difference of its two logits) and of the "
        "mean map in [0, 1]. Members' probabilities are published as float32, which tell log-odds "
        f"to 1e-4 only within ±{agreement.TOLD_LOG_ODDS:g}: only those answers are counted."
    )
    page.table(("daemon", "other side", "answers", "log-odds", "map"), rows)


def main() -> None:
    """Measure everything and print it as a page."""
    parser = argparse.ArgumentParser(prog="compare", description=main.__doc__)
    parser.add_argument("senescope", type=pathlib.Path)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", type=pathlib.Path, help="Python of models/recipe/setup.sh")
    parser.add_argument("--page", type=pathlib.Path, help="write the page to this file, too")
    options = parser.parse_args()
    options.senescope = options.senescope.resolve()
    where = processor.split()
    page = markdown.Page("The daemon beside Python pipelines")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        simulate = ["simulate", "--out", "dishes", "--frames", str(options.frames)]
        simulate += ["--seed", str(options.seed)]
        subprocess.run([options.senescope, *simulate], check=True, cwd=work, capture_output=True)
        (dish,) = (work / "dishes").iterdir()
        chosen = sides(options, where)
        chosen[0].tiles(dish, work / "tiles")
        runs = measure(options, chosen, dish, work)
        page.text(
            f"A simulated dish (`senescope {shlex.join(simulate)}`: {options.frames} frames, "
            f"{runs[EMBEDDED][0].cells} cells) is read from its files, segmented, classified by "
            "the seven networks and explained, and labels and maps are published to a subscriber. "
            f"{options.rounds} rounds in which all sides take turns, each on one thread."
        )
        libraries = {run.library for of in runs.values() for run in of if run.library}
        version = subprocess.check_output([options.senescope, "--version"], text=True).strip()
        command = f"tests/bench/compare --frames {options.frames} --seed {options.seed}"
        page.code(f"{command} --rounds {options.rounds}")
        page.points((markdown.machine(), version, *sorted(libraries)))
        costs(page, runs)
        goals(page, runs)
        stages(page, runs)
        say_agreement(page, runs)
        on_same_tiles(page, chosen, runs, work)
    print(f"\n{page}", end="")
    if options.page:
        page.write(options.page)


if __name__ == "__main__":
    main()
