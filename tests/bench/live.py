"""What the daemon alone makes of a live scan, in each inference library; see `live`.

Latency: frames of 512 x 512 pixels at 20 us with about ten cells each, in real time. `total` is from the
scan of the row that decided a cell (at most the look-ahead below its last one) to its label.

Pressure: frames of 256 x 256 at 4 us with about ten cells each, for minutes. What is not classified is
counted, and the age of labels is bounded by `engine.patience_s`.

Linear: processor time against cells and against pixels. Memory: over many frames.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import markdown
import numpy
import zmq
from compare import ENGINES

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "peers"))
from daemon import Ports  # noqa: E402
from stream import messages_of_run, subscriber  # noqa: E402
from wheels import library  # noqa: E402

# Dishes with about ten cells in a field of 102 um, and in one of 51 um.
LATENCY = {
    "scan.width": 512,
    "scan.height": 512,
    "scan.dwell_ns": 20_000,
    "scan.pixel_size_um": 0.2,
    "sim.seed": 11,
}
PRESSURE = {
    "scan.width": 256,
    "scan.height": 256,
    "scan.dwell_ns": 4_000,
    "scan.pixel_size_um": 0.4,
    "sim.seed": 11,
}
GOALS_MS = {"tract": 400, "onnxruntime": 100}


@dataclass
class Live:
    """A live run: its last statistics, its end, its memory, and how old its labels were."""

    stat: dict
    end: dict
    ready_s: float
    memory_mib: list[int]
    ages_s: list[float]

    def edge(self, name: str) -> dict:
        """Return the counts of an edge."""
        return next(edge for edge in self.end["edges"] if edge["name"] == name)


def engines() -> dict[str, dict]:
    """Return the settings of each engine by its name."""
    found = {"tract f32": {"engine.kind": "tract"}}
    for (_, kind, precision), (package, pattern) in ENGINES.items():
        found[f"{kind} {precision}"] = {
            "engine.kind": kind,
            "engine.precision": precision,
            f"engine.{kind}.library": library(package, pattern),
        }
    return found


def words(settings: dict) -> list[str]:
    """Return settings as arguments."""
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def memory_mib(process: int) -> int:
    """Return what a process has in memory."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def live(context: zmq.Context, program: str, settings: dict, frames: int) -> Live:
    """Run the simulated microscope in real time, or as fast as it goes when the settings say so."""
    ports = Ports()
    labels, maps = subscriber(context, ports.labels), subscriber(context, ports.maps)
    ports.await_subscribers()
    started = time.monotonic()
    process = subprocess.Popen(
        [program, "run", "--frames", str(frames), *words(settings), *ports.arguments()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    process.stdout.readline()
    found = Live({}, {}, time.monotonic() - started, [], [])
    for header, _ in messages_of_run(labels, maps):
        match header["type"]:
            case "stat":
                found.stat = header
                found.memory_mib.append(memory_mib(process.pid))
            case "label":
                found.ages_s.append(header["latency_ns"]["total"] / 1e9)
            case "run" if header["phase"] == "end":
                found.end = header
    process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the daemon ended with {process.returncode}")
    return found


def discarded(edge: dict) -> int:
    """Return how much an edge has discarded."""
    return sum(edge["discarded"].values())


def latencies(page: markdown.Page, context: zmq.Context, options: argparse.Namespace) -> None:
    """Tell how late labels are in a slow scan."""
    rows = []
    for name, engine in engines().items():
        seen = live(context, options.senescope, LATENCY | engine, options.frames)
        total = seen.stat["latency"]["total"]
        goal = GOALS_MS.get(name.split()[0])
        p95 = total["p95_ns"] / 1e6
        met = "" if goal is None else f"≤ {goal}: {'met' if p95 <= goal else 'missed'}"
        shed = discarded(seen.edge("tiles")) + discarded(seen.edge("maps"))
        cells = seen.edge("tiles")["in"] / options.frames
        spent = seen.stat["spent"]
        explain = spent["explain"]["cpu_ns"] / sum(
            max(spent[part]["cpu_ns"], spent[part]["wall_ns"] if part == "infer" else 0)
            for part in ("infer", "combine", "tile", "publish")
        )
        figures = (total["p50_ns"] / 1e6, p95, total["max_ns"] / 1e6)
        rows.append(
            [
                name,
                f"{cells:.1f}",
                *(f"{ms:.0f}" for ms in figures),
                met,
                shed,
                f"{100 * explain:.1f}%",
                f"{seen.ready_s:.2f}",
                max(seen.memory_mib),
            ]
        )
        print("latency", rows[-1], flush=True)
    page.heading("Labels of a slow scan")
    page.text(
        f"512 x 512 pixels at 20 µs, {options.frames} frames in real time, a worker thread a "
        "processor. From the scan of the row that decides a cell (its last one, or at most the "
        "look-ahead below) to its label, in ms. Shed: cells and maps. Maps: their processor time in "
        "units of the labels'. Ready: from the start of the program, in s. Memory: resident, MiB."
    )
    columns = ("engine", "cells a frame", "median", "95 %", "longest", "goal", "shed")
    page.table((*columns, "maps", "ready", "memory"), rows)


def pressure(page: markdown.Page, context: zmq.Context, options: argparse.Namespace) -> None:
    """Tell what a fast scan with many cells does."""
    rows = []
    for name in ("tract f32", "onnxruntime f32"):
        # What is shed shows within a minute; that nothing is, only in all of the time.
        minutes = options.minutes if name != "tract f32" else min(options.minutes, 1)
        frames = int(minutes * 60 / 0.315)
        seen = live(context, options.senescope, PRESSURE | engines()[name], frames)
        tiles, maps, lines = seen.edge("tiles"), seen.edge("maps"), seen.edge("rows")
        ages = numpy.array(seen.ages_s)
        rows.append(
            [
                name,
                seen.end["rows"]["frames"],
                f"{tiles['in'] / max(1, seen.end['rows']['frames']):.1f}",
                seen.end["rows"]["rows_lost"] + discarded(lines),
                f"{discarded(tiles)} ({100 * discarded(tiles) / tiles['in']:.1f}%)",
                f"{discarded(maps)} ({100 * discarded(maps) / max(1, maps['in']):.1f}%)",
                f"{numpy.median(ages):.2f}",
                f"{ages.max():.2f}",
            ]
        )
        print("pressure", rows[-1], flush=True)
    page.heading("A fast scan with many cells")
    page.text(
        f"256 x 256 pixels of 0.4 µm at 4 µs, in real time for {options.minutes:g} minute(s), and one with "
        "the embedded engine. Rows that were lost; cells and maps that there was no time for; median and greatest "
        "age of a label in s, from the scan of the row that decided its cell."
    )
    columns = ("engine", "frames", "cells a frame", "rows lost", "cells shed", "maps shed")
    page.table((*columns, "median age", "greatest age"), rows)


def budget(program: str, settings: dict, frames: int) -> dict:
    """Return what `senescope budget` measures."""
    command = [program, "budget", "--json", "--frames", str(frames), *words(settings)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(said)


def linear(page: markdown.Page, options: argparse.Namespace) -> None:
    """Tell processor time against pixels and against cells."""
    engine = engines()["onnxruntime f32"]
    rows, found = [], []
    sizes = [(256, 0.2, 40), (512, 0.2, 10), (1024, 0.2, 3), (2048, 0.2, 1)]
    sizes += [(2048, 0.5, 1), (2048, 1.0, 1)]
    for edge, pixel_um, frames in sizes:
        scan = {"scan.width": edge, "scan.height": edge, "scan.pixel_size_um": pixel_um, "sim.seed": 11}
        measured = budget(options.senescope, scan | engine, frames)
        cells = measured["cells"] / measured["frames"]
        frame_ms = sum(measured["frame_ms"].values())
        cell_ms = sum(measured["cell_ms"].values())
        found.append((edge * edge, cells, frame_ms, cell_ms))
        rows.append(
            [
                f"{edge} x {edge}, {pixel_um} µm",
                f"{cells:.1f}",
                f"{frame_ms:.1f}",
                f"{1e6 * frame_ms / edge**2:.0f}",
                f"{cell_ms:.2f}",
                f"{frame_ms + cells * cell_ms:.0f}",
            ]
        )
        print("linear", rows[-1], flush=True)
    page.heading("Processor time against pixels and cells")
    pixels, cells, frame_ms, cell_ms = (numpy.array(each, float) for each in zip(*found))
    whole = frame_ms + cells * cell_ms
    slope = numpy.polyfit(numpy.log(cells), numpy.log(cells * cell_ms), 1)[0]
    same = pixels[:4], frame_ms[:4]
    of_pixels = numpy.polyfit(*(numpy.log(each) for each in same), 1)[0]
    page.text(
        "`senescope budget` with ONNX Runtime: analysis a frame and all the rest a cell. The slope of "
        f"the logarithm of the time of all cells against that of their number is {slope:.2f} from "
        f"{cells.min():.0f} to {cells.max():.0f} cells a frame, and that of the analysis against "
        f"pixels of the same size {of_pixels:.2f} from 256² to 2048²: 1 is proportional. The largest "
        f"frame takes {whole.max() / 1e3:.1f} s of one processor."
    )
    columns = ("frame", "cells", "frame, ms", "ns a pixel", "cell, ms", "all, ms")
    page.table(columns, rows)


def memory(page: markdown.Page, context: zmq.Context, options: argparse.Namespace) -> None:
    """Tell memory over many frames."""
    rows = []
    small = {"scan.width": 192, "scan.height": 192, "scan.pixel_size_um": 0.2, "sim.speed": "max"}
    for name in ("tract f32", "onnxruntime f32"):
        seen = live(context, options.senescope, small | engines()[name], options.many)
        of = seen.memory_mib
        tenth = max(1, len(of) // 10)
        rows.append(
            [
                name,
                seen.end["rows"]["frames"],
                seen.edge("tiles")["in"],
                int(numpy.median(of[tenth : 2 * tenth])),
                int(numpy.median(of[-tenth:])),
                max(of),
            ]
        )
        print("memory", rows[-1], flush=True)
    page.heading("Memory over many frames")
    page.text(
        "Resident memory in MiB with seven members and a worker thread a processor, frames of "
        "192 x 192 pixels of 0.2 µm as fast as they go."
    )
    columns = ("engine", "frames", "cells", "second tenth", "last tenth", "greatest")
    page.table(columns, rows)


def rate(context: zmq.Context, program: str, dish: str, settings: dict, processors: int) -> float:
    """Return labels a second of a replay as fast as it goes, on so many of the processors."""
    ports = Ports()
    labels, maps = subscriber(context, ports.labels), subscriber(context, ports.maps)
    ports.await_subscribers()
    there = sorted(os.sched_getaffinity(0))[:processors]
    process = subprocess.Popen(
        [program, "replay", "--publish", *words(settings), *ports.arguments(), dish],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, there),
    )
    runs = [header for header, _ in messages_of_run(labels, maps) if header["type"] == "run"]
    if process.wait() != 0:
        raise SystemExit(f"the replay ended with {process.returncode}")
    start, end = runs[0], runs[-1]
    return end["totals"]["label"]["sent"] / ((end["t_pub_ns"] - start["t_pub_ns"]) / 1e9)


def threads(page: markdown.Page, context: zmq.Context, options: argparse.Namespace) -> None:
    """Tell what a second thread gives."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        simulate = ["simulate", "--out", folder, "--frames", "24", "--seed", "7"]
        subprocess.run([options.senescope, *simulate], check=True, stdout=subprocess.DEVNULL)
        (dish,) = map(str, pathlib.Path(folder).iterdir())
        for name in ("tract f32", "onnxruntime f32"):
            rates = {(1, 1): [], (1, 2): [], (2, 2): []}
            for _ in range(3):
                for (count, processors), of in rates.items():
                    settings = engines()[name] | {"engine.threads": count}
                    of.append(rate(context, options.senescope, dish, settings, processors))
            alone, one, two = (numpy.array(of) for of in rates.values())
            medians = (f"{numpy.median(of):.1f}" for of in rates.values())
            ratios = (f"{numpy.median(two / of):.2f}" for of in (alone, one))
            rows.append([name, *medians, *ratios])
            print("threads", rows[-1], flush=True)
    page.heading("A second thread")
    page.text(
        "Cells a second of a replay as fast as it goes, with one and two worker threads in turn, medians of three "
        "rounds. Whatever is not done by the workers has a thread of its own: where there are two processors and one "
        "worker, the second is not idle either, and cannot be had again."
    )
    columns = (
        "engine",
        "one thread on one processor",
        "one thread on two",
        "two threads on two",
        "ratio to the first",
        "to the second",
    )
    page.table(columns, rows)


def main() -> None:
    """Measure everything and print it as a page."""
    parser = argparse.ArgumentParser(prog="live", description=main.__doc__)
    parser.add_argument("senescope", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--frames", type=int, default=8, help="of the slow scan")
    parser.add_argument("--minutes", type=float, default=5, help="of the fast scan, an engine")
    parser.add_argument("--many", type=int, default=10_000, help="frames for the memory")
    parser.add_argument("--page", type=pathlib.Path, help="write the page to this file, too")
    options = parser.parse_args()
    os.environ.setdefault("SENESCOPE__HTTP__ENABLED", "false")
    page, load = markdown.Page("The daemon in a live scan"), os.getloadavg()[0]
    page.points((markdown.machine(), f"load {load:.1f} before the start"))
    context = zmq.Context()
    latencies(page, context, options)
    pressure(page, context, options)
    threads(page, context, options)
    linear(page, options)
    memory(page, context, options)
    context.destroy(linger=0)
    print(f"\n{page}", end="")
    if options.page:
        page.write(options.page)


if __name__ == "__main__":
    main()
