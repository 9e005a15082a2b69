"""The two sides of the comparison: the daemon and the Python pipelines, run and measured alike.

CPU seconds are those of the process that works, from the start of the run to its end: without
loading, and without the subscriber, which is this process.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from dataclasses import dataclass, field

import cbor2
import processor
import zmq

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "peers"))
from daemon import Ports, free_address  # noqa: E402
from stream import messages_of_run, read_map, subscriber  # noqa: E402

ENSEMBLE = ROOT / "models" / "ensemble"


@dataclass
class Run:
    """One run: what it cost and what it said. Labels and maps by frame and cell."""

    cpu_s: float
    wall_s: float
    cells: int
    labels: dict = field(default_factory=dict)
    maps: dict = field(default_factory=dict)
    stages: dict = field(default_factory=dict)
    library: str = ""


def key(header: dict) -> tuple[int, int]:
    """Return the name of a cell."""
    return header["frame"], header["cell"]


@dataclass(frozen=True)
class Daemon:
    """The daemon with some settings of its engine."""

    name: str
    program: pathlib.Path
    where: list[str]
    settings: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return the settings as arguments."""
        return [word for setting in self.settings for word in ("--set", setting)]

    def refusal(self, frame: pathlib.Path) -> str:
        """Return why the daemon does not classify a frame so, or nothing when it does."""
        words = [*self.where, str(self.program), "replay", str(frame), *self.arguments()]
        said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        return said.stderr.strip().splitlines()[-1] if said.returncode else ""

    def run(self, context: zmq.Context, dish: pathlib.Path) -> Run:
        """Replay a recording on one thread."""
        ports = Ports()
        labels, maps = subscriber(context, ports.labels), subscriber(context, ports.maps)
        ports.await_subscribers()
        command = [*self.where, str(self.program), "replay", "--publish", "--threads", "1"]
        process = subprocess.Popen(
            [*command, str(dish), *ports.arguments(), *self.arguments()],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        found = Run(0, 0, 0)
        for header, payload in messages_of_run(labels, maps):
            match header["type"], header.get("phase"):
                case "run", "start":
                    cpu, wall = processor.cpu_seconds(process.pid), time.perf_counter()
                case "run", "end":
                    found.cpu_s = processor.cpu_seconds(process.pid) - cpu
                    found.wall_s = time.perf_counter() - wall
                case "label", _:
                    found.labels[key(header)] = header
                case "cam", _:
                    found.maps[key(header)] = read_map(header, payload)
        if process.wait() != 0:
            raise SystemExit(f"{self.name} ended with {process.returncode}")
        found.cells = len(found.labels)
        return found

    def tiles(self, dish: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
        """Write the tiles that the daemon classifies; return their folder."""
        subprocess.run(
            [self.program, "tiles", str(dish), "--out", str(out)],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        return out


@dataclass(frozen=True)
class Peer:
    """The Python pipeline with an engine."""

    name: str
    where: list[str]
    engine: str
    precision: str = "f32"

    def command(self, module: str, *arguments: object) -> list[str]:
        """Return the command of a module of the peer."""
        options = ["--ensemble", ENSEMBLE, "--engine", self.engine, "--precision", self.precision]
        words = [*self.where, sys.executable, "-m", module, *arguments, *options]
        return [str(word) for word in words]

    def run(self, context: zmq.Context, dish: pathlib.Path) -> Run:
        """Run the pipeline over a recording."""
        endpoint = f"tcp://{free_address()}"
        process = subprocess.Popen(
            self.command("peer", dish, "--publish", endpoint),
            cwd=HERE,
            env=os.environ | processor.ONE_THREAD,
            stdout=subprocess.PIPE,
        )
        if process.stdout.readline() != b"ready\n":
            raise SystemExit(f"{self.name} did not start")
        found = Run(0, 0, 0)
        with contextlib.closing(subscriber(context, endpoint)) as socket:
            while True:
                _, header, *payload = socket.recv_multipart()
                header = cbor2.loads(header)
                if header["type"] == "run":
                    break
                if header["type"] == "label":
                    found.labels[key(header)] = header
                else:
                    found.maps[key(header)] = read_map(header, payload)
        report = json.loads(process.communicate()[0])
        return Run(labels=found.labels, maps=found.maps, **report)

    def on_tiles(self, tiles: pathlib.Path, out: pathlib.Path) -> Run:
        """Run networks and maps over a folder of tiles; the answers are in `out`."""
        return report_of(self.command("peer.on_tiles", tiles, "--out", out))


@dataclass(frozen=True)
class Torch:
    """PyTorch with the package grad-cam, on the daemon's tiles."""

    name: str
    where: list[str]
    python: pathlib.Path

    def on_tiles(self, tiles: pathlib.Path, out: pathlib.Path) -> Run:
        """Run networks and maps over a folder of tiles; the answers are in `out`."""
        words = [*self.where, self.python, "-m", "peer.gradcam_torch", tiles]
        words += ["--ensemble", ENSEMBLE, "--out", out]
        return report_of([str(word) for word in words], PYTHONPATH=str(ROOT / "models"))


def report_of(command: list[str], **environment: str) -> Run:
    """Run a command of the peer that reports what it cost."""
    answer = subprocess.check_output(
        command, cwd=HERE, env=os.environ | processor.ONE_THREAD | environment
    )
    return Run(**json.loads(answer))
