"""The paper's table: what pretraining, fine-tuning, augmentation and an ensemble are worth.

Sorrentino et al. (Front. Chem. 11:1213981, 2023) fine-tune seven pretrained networks on few cells.
Here networks from scratch, on a frozen backbone, fine-tuned, and an ensemble of fine-tuned ones are
trained on 50, 100, 200, 500, 1 000 and all labelled tiles, with and without augmentation, and
judged on the same held-out dishes; single networks are EfficientNet-Lite0. On real cells a frozen
and a fine-tuned network are trained on all dishes but one, each left out in turn. As a control, one
network, and many heads, learn labels that were exchanged between dishes.

What each run answered is kept in the work folder, so that the same command goes on after an
interruption. Writes `simulator.csv`, `real_cells.csv`, `README.md` and `comparison.png`.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import RECIPE_VERSION, npz
from .combine import softmax_senescent
from .comparison_page import write_page
from .comparison_table import Cell, RealCell, judge, judge_each, write_csv
from .contract import ENSEMBLE_DIR, SENESCENT
from .control import Control, control, features, shuffle_by_dish
from .manifest import digest as file_digest
from .methods import METHODS, answer
from .networks import MEMBERS
from .predict import predict
from .public_cells import SETS, write_set
from .tiles import Tiles, digest, load

SINGLE = "efficientnet-lite0"
SIZES = (50, 100, 200, 500, 1000)
ALL = 0
SIMULATOR = "simulator"
CONTROL = "labels exchanged between dishes"


@dataclass(frozen=True)
class Run:
    """One training: `tiles` is 0 for all there are; `left_out` is a dish of real cells."""

    method: str
    member: str
    augmented: bool
    tiles: int = ALL
    data: str = SIMULATOR
    left_out: str = ""
    shuffled: bool = False

    def file(self) -> str:
        """Name the file of what it answered."""
        parts = [self.data, self.left_out, self.method, self.member, str(self.tiles or "all")]
        parts += ["augmented"] * self.augmented + ["shuffled"] * self.shuffled
        return "-".join(part for part in parts if part).replace(" ", "-") + ".npz"


def some(tiles: Tiles, count: int, seed: int) -> Tiles:
    """Return the first `count` tiles of an order that `seed` gives: fewer are among the more."""
    order = np.random.default_rng(seed).permutation(len(tiles))
    return tiles.take(np.sort(order[: count or None]))


def simulated_runs() -> Iterator[Run]:
    """List the runs on simulated cells, the cheapest and the most telling first.

    On all tiles and with augmentation the shipped members stand for the fine-tuned ones.
    """
    for augmented in (True, False):
        yield from (Run("frozen backbone", SINGLE, augmented, size) for size in (*SIZES, ALL))
    for augmented in (True, False):
        for size in SIZES:
            yield from (Run("fine-tuned", member, augmented, size) for member in MEMBERS)
    yield Run("fine-tuned", SINGLE, True, shuffled=True)
    for augmented in (True, False):
        yield from (Run("from scratch", SINGLE, augmented, size) for size in (*SIZES, ALL))
    yield from (Run("fine-tuned", member, False) for member in MEMBERS)


def real_runs(data: str, tiles: Tiles) -> Iterator[Run]:
    """List the runs on real cells."""
    for method in ("frozen backbone", "fine-tuned"):
        for augmented in (True, False):
            for dish in np.unique(tiles.dishes):
                yield Run(method, SINGLE, augmented, data=data, left_out=str(dish))


class Study:
    """The tiles, and what the runs answered."""

    def __init__(self, options: argparse.Namespace):
        self.seed, self.work = options.seed, options.work
        self.training = load(options.tiles).labelled()
        self.held_out = load(options.held_out_tiles).labelled()
        self.real = {name: load(options.real / name).labelled() for name in SETS}
        # What an answer depends on beside its run: those of other tiles are made anew.
        simulated = digest(options.tiles) + digest(options.held_out_tiles)
        self.given = {SIMULATOR: simulated}
        self.given |= {name: digest(options.real / name) for name in SETS}

    def material(self, run: Run) -> tuple[Tiles, Tiles]:
        """Return what a run learns from and what it is asked."""
        if run.data != SIMULATOR:
            tiles = self.real[run.data]
            mine = tiles.dishes == run.left_out
            return tiles.take(~mine), tiles.take(mine)
        training = some(self.training, run.tiles, self.seed)
        if run.shuffled:
            training = shuffle_by_dish(training, self.seed)
        return training, self.held_out

    def key(self, run: Run, member: str = "") -> str:
        """Return what the answers of a run depend on; `member` is the digest of a shipped one."""
        return f"{RECIPE_VERSION} {self.seed} {self.given[run.data]} {member}"

    def keep(self, path: Path, key: str, logits: np.ndarray) -> None:
        """Keep answers whole or not at all, the key last."""
        path.with_suffix(".key").unlink(missing_ok=True)
        npz.write(path, {"logits": logits})
        path.with_suffix(".key").write_text(key, encoding="utf-8")

    def done(self, path: Path, key: str) -> bool:
        """Return whether the answers are there."""
        beside = path.with_suffix(".key")
        return path.exists() and beside.exists() and beside.read_text(encoding="utf-8") == key

    def do(self, run: Run) -> None:
        """Train and keep the answers, unless that was done."""
        path, key = self.work / run.file(), self.key(run)
        if self.done(path, key):
            return
        begin = time.monotonic()
        training, asked = self.material(run)
        logits = answer(run.method, run.member, training, asked, self.seed, run.augmented)
        self.keep(path, key, logits)
        right = float((logits.argmax(1) == asked.classes).mean())
        spent = time.monotonic() - begin
        print(f"{path.stem}: {len(training)} tiles, {right:.3f} right, {spent:.0f} s", flush=True)

    def ship(self, ensemble: Path, threads: int) -> None:
        """Let the shipped members answer for the fine-tuned ones on all tiles, augmented."""
        for member in MEMBERS:
            run, shipped = Run("fine-tuned", member, True), ensemble / f"{member}.onnx"
            path, key = self.work / run.file(), self.key(run, file_digest(shipped))
            if not self.done(path, key):
                self.keep(path, key, predict(shipped, self.held_out, threads)["logits"])

    def senescent(self, runs: list[Run]) -> np.ndarray:
        """Return the mean probability N of the runs' networks."""
        logits = [npz.read(self.work / run.file())["logits"] for run in runs]
        return np.mean([softmax_senescent(found) for found in logits], axis=0)

    def cell(self, row: str, runs: list[Run]) -> Cell:
        """Judge the mean of some networks that learned from the same tiles."""
        training, asked = self.material(runs[0])
        truth = asked.classes == SENESCENT
        found = judge(self.senescent(runs), truth, asked.dishes, self.seed)
        return Cell(row, runs[0].augmented, len(training), found)

    def simulated(self) -> list[Cell]:
        """Judge the cells of the table of simulated cells."""
        cells = []
        for augmented in (False, True):
            for size in (*SIZES, ALL):
                for method in METHODS:
                    cells.append(self.cell(method, [Run(method, SINGLE, augmented, size)]))
                seven = [Run("fine-tuned", member, augmented, size) for member in MEMBERS]
                cells.append(self.cell("ensemble of seven", seven))
        control = [Run("fine-tuned", SINGLE, True, shuffled=True)]
        return [*cells, self.cell(CONTROL, control)]

    def control(self) -> Control:
        """Judge heads that learned from labels exchanged between dishes."""

        def of(name: str, tiles: Tiles) -> np.ndarray:
            path = self.work / f"control-{name}.npz"
            return features(SINGLE, tiles, path, f"{RECIPE_VERSION} {self.given[SIMULATOR]}")

        learned, asked = of("training", self.training), of("held-out", self.held_out)
        return control(self.training, learned, self.held_out, asked)

    def of_real_cells(self) -> list[RealCell]:
        """Judge networks on the dish that each had not seen."""
        cells = []
        for data, tiles in self.real.items():
            runs = list(real_runs(data, tiles))
            for method, augmented in dict.fromkeys((run.method, run.augmented) for run in runs):
                mine = [run for run in runs if (run.method, run.augmented) == (method, augmented)]
                answers = [
                    (self.senescent([run]), self.material(run)[1].classes == SENESCENT)
                    for run in mine
                ]
                cells.append(RealCell(data, method, augmented, len(tiles), judge_each(answers)))
        return cells


def main() -> None:
    """Train what is missing; write the table, its page and its plot."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True, help="simulated tiles to train on")
    parser.add_argument("--held-out-tiles", type=Path, required=True)
    parser.add_argument("--real", type=Path, required=True, help="a folder for public cells")
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--work", type=Path, required=True, help="answers of each run")
    parser.add_argument("--out", type=Path, default=ENSEMBLE_DIR.parent / "comparison")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in SETS:
        if not (options.real / name / "tiles.csv").exists():
            write_set(name, options.real / name)
    study = Study(options)
    study.ship(options.ensemble, options.threads)
    plan = [run for data, tiles in study.real.items() for run in real_runs(data, tiles)]
    for run in (*plan, *simulated_runs()):
        study.do(run)
    simulated, real = study.simulated(), study.of_real_cells()
    write_csv(options.out / "simulator.csv", simulated)
    write_csv(options.out / "real_cells.csv", real)
    write_page(options.out, simulated, real, study.control())


if __name__ == "__main__":
    main()
