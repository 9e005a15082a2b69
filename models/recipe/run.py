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

from .contract import ENSEMBLE_DIR
from .steps import Step, run

MODELS = Path(__file__).resolve().parents[1]
# Far from the training dishes' seeds, so that no dish and no instrument is drawn twice.
HELD_OUT_SEED_OFFSET = 1_000_000
# In the work folder: a manifest that says how tiles are cut.
PREPROCESSING = "preprocessing"


@dataclass(frozen=True)
class Size:
    """How much is simulated and how long is trained."""

    dishes: int
    held_out_dishes: int
    frames: int
    epochs: int
    folds: int


FULL = Size(dishes=300, held_out_dishes=80, frames=1, epochs=8, folds=7)
SMALL = Size(dishes=24, held_out_dishes=8, frames=1, epochs=1, folds=3)


def default_work() -> Path:
    """Return the folder for intermediate files."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "senescope" / "recipe"


def data_steps(name: str, dishes: int, seed: int, options: argparse.Namespace) -> list[Step]:
    """Simulate dishes and cut their tiles with the program's own stages.

    The program runs in the work folder on relative paths, so that the table of tiles, and with it
    its digest, does not depend on where that folder is.
    """
    work, program = options.work, str(options.senescope)
    recordings, tiles = Path("dishes") / name, Path("tiles") / name
    simulate = [program, "simulate", "--out", str(recordings), "--dishes", str(dishes)]
    simulate += ["--frames", str(options.size.frames), "--seed", str(seed)]
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


def model_steps(train: Path, held_out: Path, options: argparse.Namespace) -> list[Step]:
    """Train, export and judge on two folders of tiles."""
    work, out, size, member = options.work, options.out, options.size, options.member
    sources = sorted((MODELS / "recipe").glob("*.py"))
    trained = work / "members" / member
    onnx, ood_npz, golden = out / f"{member}.onnx", out / "ood.npz", out / "golden.npz"
    weights, training = trained / "weights.pt", trained / "training.json"
    calibration, ood = work / "calibration.json", work / "ood.json"
    seen, unseen = work / "predictions" / "train", work / "predictions" / "held-out"
    fit = ["--tiles", train, "--predictions", seen, "--training", training]
    report = ["--tiles", held_out, "--predictions", unseen]
    report += ["--calibration", calibration, "--ood", ood]
    train_options = ["--tiles", train, "--out", trained, "--member", member]
    train_options += ["--epochs", size.epochs, "--folds", size.folds, "--seed", options.seed]
    train_options += ["--threads", options.threads]
    if options.real:
        train_options.append("--real")
    manifest = ["--calibration", calibration, "--ood", ood, "--training", training]

    def step(
        name: str, module: str, arguments: list[object], inputs: list[Path], outputs: list[Path]
    ) -> Step:
        code = [*sources, *inputs]
        return Step(name, python(module, *arguments), code, outputs)

    to_out: list[object] = ["--ensemble", out]
    return [
        step("train", "train", train_options, [train], [weights, training]),
        step(
            "export",
            "export",
            ["--member", member, "--weights", weights, "--out", onnx],
            [weights],
            [onnx],
        ),
        step(
            "predict-train",
            "predict",
            [*to_out, "--tiles", train, "--out", seen],
            [onnx, train],
            [seen],
        ),
        step(
            "predict-held-out",
            "predict",
            [*to_out, "--tiles", held_out, "--out", unseen],
            [onnx, held_out],
            [unseen],
        ),
        step("calibrate", "calibrate", [*fit, "--out", calibration], [seen], [calibration]),
        step(
            "ood",
            "ood",
            [*to_out, "--tiles", train, "--training", training, "--out", ood],
            [train, training],
            [ood, ood_npz],
        ),
        step("golden", "golden", [*to_out, "--tiles", held_out], [onnx, held_out], [golden]),
        step(
            "report",
            "report",
            [*to_out, *report],
            [onnx, unseen, calibration, ood],
            [out / "report.json"],
        ),
        step(
            "manifest",
            "manifest",
            [*to_out, *manifest],
            [onnx, golden, ood_npz, training, calibration],
            [out / "manifest.json"],
        ),
        step(
            "model-card",
            "model_card",
            to_out,
            [out / "report.json", out / "manifest.json"],
            [out / "MODEL_CARD.md"],
        ),
        step("verify-golden", "golden", [*to_out, "--verify"], [], []),
    ]


def main() -> int:
    """Make an ensemble with one command."""
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--senescope", type=Path, required=True, help="the program's binary")
    parser.add_argument("--small", action="store_true", help="minutes instead of an hour")
    parser.add_argument("--member", default="efficientnet-lite0")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, default=default_work(), help="intermediate files")
    parser.add_argument("--out", type=Path, default=ENSEMBLE_DIR, help="the ensemble's folder")
    parser.add_argument("--train-tiles", type=Path, help="own tiles instead of simulated ones")
    parser.add_argument("--held-out-tiles", type=Path, help="own tiles of other dishes")
    parser.add_argument("--real", action="store_true", help="own tiles are of real cells")
    options = parser.parse_args()
    if (options.train_tiles is None) != (options.held_out_tiles is None):
        parser.error("--train-tiles and --held-out-tiles belong together: give both or neither")
    options.size = SMALL if options.small else FULL
    for name in ("senescope", "work", "out", "train_tiles", "held_out_tiles"):
        if getattr(options, name) is not None:
            setattr(options, name, getattr(options, name).resolve())

    steps = [Step("pretrained", python("networks"))]
    train, held_out = options.train_tiles, options.held_out_tiles
    if train is None:
        train, held_out = options.work / "tiles" / "train", options.work / "tiles" / "held-out"
        held_seed = options.seed + HELD_OUT_SEED_OFFSET
        folder = options.work / PREPROCESSING
        describe = python("manifest", "--preprocessing", "--ensemble", folder)
        steps.append(Step("preprocessing", describe, [], [folder / "manifest.json"]))
        steps += data_steps("train", options.size.dishes, options.seed, options)
        steps += data_steps("held-out", options.size.held_out_dishes, held_seed, options)
    steps += model_steps(train, held_out, options)
    steps.append(Step("check", [str(options.senescope), "ensemble", "check", str(options.out)]))
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        run(steps, options.work / "stamps")
    except subprocess.CalledProcessError as error:
        print(f"run.sh: {' '.join(error.cmd)} ended with {error.returncode}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
