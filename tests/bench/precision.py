"""What another engine or precision changes in labels and maps over held-out dishes.

Usage: precision.py SENESCOPE [--dishes N] [--page OUT.md]     see `precision`

The dishes are the first of those on which the recipe judges the ensemble (`models/recipe/run.py`);
cells of which the field shows less than half are left out, as there. ONNX Runtime in f32 is what
the others are compared with.
"""

import argparse
import csv
import pathlib
import subprocess
import tempfile

import markdown
import numpy as np
import processor
from peer.verdict import combine, read_manifest
from sides import ENSEMBLE, Peer

# The recipe's seed, and how far from it the dishes are that nothing was trained on.
HELD_OUT_SEED = 1 + 2_000_000
LEAST_SEEN = 0.5
REFERENCE = ("onnxruntime", "f32")
OTHERS = (("openvino", "f32"), ("openvino", "bf16"))


def judged(tiles: pathlib.Path, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the tiles that count, and the classes of their cells."""
    with (tiles / "tiles.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["class"] and float(row["seen"] or 1) >= LEAST_SEEN
        ]
    index = np.array([int(row["index"]) for row in rows])
    return index, np.array([classes.index(row["class"]) for row in rows])


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each map with its counterpart, NaN for a constant one."""
    one, other = (maps.reshape(len(maps), -1).astype(np.float64) for maps in (one, other))
    one, other = (maps - maps.mean(1, keepdims=True) for maps in (one, other))
    with np.errstate(invalid="ignore"):
        return (one * other).sum(1) / np.sqrt((one**2).sum(1) * (other**2).sum(1))


def changes(manifest: dict, before: dict, after: dict) -> tuple[str, ...]:
    """Return what changes from one answer to another, as the cells of a table."""
    (p, sets), (q, others) = (combine(manifest, answer["logits"]) for answer in (before, after))
    gap = np.abs(p[:, 1] - q[:, 1])
    same = p.argmax(1) == q.argmax(1)
    maps, new = before["maps"][same], after["maps"][same]
    spans = np.maximum(np.ptp(maps, axis=(1, 2)), 1e-7)
    moved = np.abs(maps - new).max((1, 2)) / spans
    alike = correlation(maps, new)
    return (
        f"{(~same).mean():.2%}",
        f"{(sets != others).any(1).mean():.2%}",
        f"{np.median(gap):.1e}",
        f"{gap.max():.1e}",
        f"{np.abs(before['logits'] - after['logits']).max():.1e}",
        f"{np.median(moved):.1e}",
        f"{moved.max():.1e}",
        f"{np.nanmedian(alike):.5f}",
        f"{np.nanmin(alike):.5f}",
    )


def by_member(answers: dict, name: tuple[str, str]) -> list[str]:
    """Return the median and largest change of each member's log-odds."""
    odds = [np.diff(answers[each]["logits"], axis=-1)[..., 0] for each in (REFERENCE, name)]
    gaps = np.abs(odds[0] - odds[1])
    return [f"{np.median(gap):.1e} ({gap.max():.1e})" for gap in gaps.T]


def main() -> None:
    """Make tiles, run the engines and print the page."""
    parser = argparse.ArgumentParser(prog="precision", description=main.__doc__)
    parser.add_argument("senescope", type=pathlib.Path)
    parser.add_argument("--dishes", type=int, default=64)
    parser.add_argument("--page", type=pathlib.Path, help="write the page to this file, too")
    options = parser.parse_args()
    program, manifest = options.senescope.resolve(), read_manifest(ENSEMBLE)
    where = processor.split()
    answers, libraries = {}, []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        simulate = [program, "simulate", "--out", work / "dishes", "--frames", "1"]
        simulate += ["--dishes", str(options.dishes), "--seed", str(HELD_OUT_SEED)]
        cut = [program, "tiles", work / "dishes", "--out", work / "tiles"]
        cut += ["--set", f"ensemble.dir={ENSEMBLE}"]
        for command in (simulate, cut):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        index, truth = judged(work / "tiles", manifest["classes"])
        for engine, precision in (REFERENCE, *OTHERS):
            out = work / f"{engine}-{precision}.npz"
            run = Peer("", where, engine, precision).on_tiles(work / "tiles", out)
            arrays = np.load(out)
            answers[engine, precision] = {name: arrays[name][index] for name in arrays.files}
            libraries.append(f"{run.library} {precision}: {1e3 * run.cpu_s / run.cells:.1f} ms CPU")
            print(libraries[-1], "a tile", flush=True)
    page = markdown.Page("What precision changes")
    page.text(
        f"{len(index)} tiles of {options.dishes} held-out dishes; networks and maps by the Python "
        f"pipelines. Compared with {' '.join(REFERENCE)}; maps where the more probable class is the "
        "same, their change in units of the range of the map."
    )
    page.code(f"tests/bench/precision --dishes {options.dishes}")
    page.points((markdown.machine(), *(f"{text} a tile" for text in libraries)))
    columns = ("engine", "class changed", "conformal set changed", "median |Δp|", "largest |Δp|")
    columns += (
        "largest change of a logit",
        "median change of a map",
        "largest",
        "median r",
        "least r",
    )
    page.table(
        columns,
        [
            (" ".join(name), *changes(manifest, answers[REFERENCE], answers[name]))
            for name in OTHERS
        ],
    )
    members = [member["name"] for member in manifest["members"]]
    page.text("Change of the log-odds of each member, median (largest):")
    page.table(
        ("engine", *members), [(" ".join(name), *by_member(answers, name)) for name in OTHERS]
    )
    page.text("What it does to the labels' quality:")
    rows = []
    for name, answer in answers.items():
        p, sets = combine(manifest, answer["logits"])
        right, held = p.argmax(1) == truth, sets[np.arange(len(truth)), truth]
        one = (sets.sum(1) == 1).mean()
        rows.append((" ".join(name), f"{right.mean():.1%}", f"{held.mean():.1%}", f"{one:.1%}"))
    page.table(("engine", "right class", "true class possible", "named a class"), rows)
    print(f"\n{page}", end="")
    if options.page:
        page.write(options.page)


if __name__ == "__main__":
    main()
