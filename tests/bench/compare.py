"""Compares the daemon with Python pipelines on the same recording; see `compare`.

All sides take turns in each round, on one thread of the same processor, and every ratio is of the
same round. CPU seconds are those of the working process, without loading.
"""

import argparse
import os
import pathlib
import shlex
import subprocess
import tempfile

import markdown
import processor
import report
import zmq
from report import EMBEDDED, TORCH
from sides import Daemon, Peer, Run, Torch
from wheels import library

# Engines that both sides can use: name, precision, and the package and file of the library.
ENGINES = {
    ("ONNX Runtime", "onnxruntime", "f32"): ("onnxruntime", "capi/libonnxruntime.so.*"),
    ("OpenVINO", "openvino", "f32"): ("openvino", "libs/libopenvino_c.so*"),
    ("OpenVINO", "openvino", "bf16"): ("openvino", "libs/libopenvino_c.so*"),
}


def chooses_engines(program: pathlib.Path) -> bool:
    """Return whether the program can use other engines than its own."""
    words = [program, "config", "show", "--set", "engine.kind=tract"]
    return subprocess.run(words, capture_output=True).returncode == 0


def sides(
    options: argparse.Namespace, where: list[str], frame: pathlib.Path
) -> tuple[list[Daemon | Peer | Torch], list[str]]:
    """Return all sides in the order of a round, each daemon beside its peer, and who is left out."""
    found: list[Daemon | Peer | Torch] = [Daemon(EMBEDDED, options.senescope, where)]
    more, left_out = chooses_engines(options.senescope), []
    if not more:
        left_out.append("This program has no other engine than the embedded one.")
    for (title, engine, precision), (package, pattern) in ENGINES.items():
        found.append(Peer(f"Python, {title} {precision}", where, engine, precision))
        if more:
            settings = (
                f"engine.kind={engine}",
                f"engine.precision={precision}",
                f"engine.{engine}.library={library(package, pattern)}",
            )
            name = f"daemon, {title} {precision}"
            daemon = Daemon(name, options.senescope, where, settings)
            if reason := daemon.refusal(frame):
                left_out.append(f"Left out: {name}, which says: {reason}")
            else:
                found.append(daemon)
    if options.torch:
        found.append(Torch(TORCH, where, options.torch))
    return found, left_out


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


def on_tiles(chosen: list[Daemon | Peer | Torch], work: pathlib.Path) -> dict[str, pathlib.Path]:
    """Let every other side answer on the daemon's own tiles; return where the answers are."""
    answers = {}
    for side in chosen:
        if isinstance(side, Torch):
            answers[side.name] = work / "torch.npz"
        elif isinstance(side, Peer):
            answers[side.name] = work / f"{side.engine}-{side.precision}.npz"
            side.on_tiles(work / "tiles", answers[side.name])
    return answers


def main() -> None:
    """Measure everything and print it as a page."""
    parser = argparse.ArgumentParser(prog="compare", description=main.__doc__)
    parser.add_argument("senescope", type=pathlib.Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", type=pathlib.Path, help="Python of models/recipe/setup.sh")
    parser.add_argument("--page", type=pathlib.Path, help="write the page to this file, too")
    options = parser.parse_args()
    options.senescope = options.senescope.resolve()
    where, load = processor.split(), os.getloadavg()[0]
    page = markdown.Page("The daemon beside Python pipelines")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        simulate = ["simulate", "--out", "dishes", "--frames", str(options.frames)]
        simulate += ["--seed", str(options.seed)]
        subprocess.run([options.senescope, *simulate], check=True, cwd=work, capture_output=True)
        (dish,) = (work / "dishes").iterdir()
        chosen, left_out = sides(options, where, dish / "frame-000000.ome.tif")
        print("\n".join(left_out), flush=True)
        chosen[0].tiles(dish, work / "tiles")
        runs = measure(options, chosen, dish, work)
        answers = on_tiles(chosen, work)
        page.text(
            f"A simulated dish (`senescope {shlex.join(simulate)}`: {options.frames} frames, "
            f"{runs[EMBEDDED][0].cells} cells) is read from its files, segmented, classified by "
            "the seven networks and explained, and labels and maps are published to a subscriber. "
            f"In each of {options.rounds} round(s) all sides take turns, each on one thread."
        )
        libraries = {run.library for of in runs.values() for run in of if run.library}
        version = subprocess.check_output([options.senescope, "--version"], text=True).strip()
        command = f"tests/bench/compare --frames {options.frames} --seed {options.seed}"
        page.code(f"{command} --rounds {options.rounds}")
        busy = f"load {load:.1f} before the start"
        page.points((markdown.machine(), busy, version, *sorted(libraries)))
        for reason in left_out:
            page.text(reason)
        report.costs(page, runs)
        report.goals(page, runs)
        report.stages(page, runs)
        report.agree(page, runs, dish)
        report.on_same_tiles(page, runs, work / "tiles", answers)
    print(f"\n{page}", end="")
    if options.page:
        page.write(options.page)


if __name__ == "__main__":
    main()
