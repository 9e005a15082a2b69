"""The page and the plot of the paper's table."""

from pathlib import Path

from matplotlib.figure import Figure

from .comparison_table import Cell, RealCell
from .control import Control

INTRODUCTION = """\
# What pretraining, fine-tuning, augmentation and an ensemble are worth

Made by `python -m recipe.comparison` (see its `--help`); the figures are in `simulator.csv` and
`real_cells.csv`. It repeats on other data the comparison that motivates the ensemble of Sorrentino
et al., Front. Chem. 11:1213981 (2023).

Each network sees about as many views, max(2 000, 3 × tiles), whatever the number of tiles; a
fine-tuned one a quarter more, with which its head begins, and the head on a frozen backbone
passes ten times over its. Single networks are EfficientNet-Lite0; an ensemble is the mean
probability of seven fine-tuned members. On all tiles and with augmentation the members are those
that are shipped, each of which keeps a seventh of the dishes for ending its training. Tiles are
drawn over all dishes, and fewer are among the more. One draw and one seed: differences of a point
or two at few tiles are the draw's.

## Simulated cells

Accuracy on held-out dishes in per cent, with 95 % intervals from resampling dishes.
"""

CONTROL = """\
Control: labels exchanged between dishes. Heads on a frozen backbone that learned from {exchanges}
such exchanges have a mean balanced accuracy of {balanced:.1f} ± {error:.1f} % and a mean area under
the ROC curve of {auc:.3f} ± {auc_error:.3f} (standard errors) on the same held-out dishes: nothing
leaks from the dishes that are learned from into those that are judged on. With labels as they are
the same head has {unchanged:.1f} %. A single exchange is far from 50 % by chance, by {sd:.1f}
points (standard deviation), because what is learned by chance lies along the axes on which cells
differ most: the one that a fine-tuned network learned from gave it {one:.1f} % and {one_auc:.3f}.
(That the instrument does not tell the class is another control, in the model card.)
"""

REAL = """\
## Real cells

Each dish left out in turn: donors of the T cells (activated against quiescent), thirds of a file
for cells in the cycle (G1 against G2; prophase against the rest). Means over the dishes, and in
brackets the lowest and the highest. Size and DNA content tell much of this, and what is
particular to a file may help, since each phase has its own; what is compared is the way of
learning. `senescope train` does the same with seven frozen backbones.
"""

COLOURS = {
    "from scratch": "#999999",
    "frozen backbone": "#0072b2",
    "fine-tuned": "#d55e00",
    "ensemble of seven": "#009e73",
}
NAMES = {"t-cells": "T cells", "g1-g2": "G1 / G2", "prophase": "prophase / rest"}


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Write a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def grid(cells: list[Cell]) -> str:
    """Write the table of simulated cells: a row a way, a column a number of tiles."""
    sizes = sorted({cell.tiles for cell in cells})
    rows = []
    for row in COLOURS:
        for augmented in (False, True):
            line = [f"{row}, augmented" if augmented else row]
            for size in sizes:
                found = next(
                    cell.found
                    for cell in cells
                    if (cell.row, cell.augmented, cell.tiles) == (row, augmented, size)
                )
                low, high = 100 * found.low, 100 * found.high
                line.append(f"{100 * found.accuracy:.1f} ({low:.0f}–{high:.0f})")
            rows.append(line)
    return markdown(["tiles", *(str(size) for size in sizes)], rows)


def real_grid(cells: list[RealCell]) -> str:
    """Write the table of real cells."""
    rows = []
    for cell in cells:
        found = cell.found
        rows.append(
            [
                NAMES[cell.data],
                f"{cell.row}, augmented" if cell.augmented else cell.row,
                f"{100 * found.accuracy:.1f} %",
                f"{found.auc:.3f} ({found.auc_low:.3f}–{found.auc_high:.3f})",
            ]
        )
    return markdown(["cells", "", "accuracy", "area under the ROC curve"], rows)


def plot(path: Path, cells: list[Cell]) -> None:
    """Draw accuracy against the number of labelled tiles."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for row, colour in COLOURS.items():
        for augmented, style in ((False, ":"), (True, "-")):
            line = [c for c in cells if (c.row, c.augmented) == (row, augmented)]
            line.sort(key=lambda cell: cell.tiles)
            tiles = [cell.tiles for cell in line]
            label = row if augmented else None
            found = [100 * cell.found.accuracy for cell in line]
            axes.plot(tiles, found, style, marker="o", ms=4, color=colour, label=label)
            if augmented:
                low = [100 * cell.found.low for cell in line]
                high = [100 * cell.found.high for cell in line]
                axes.fill_between(tiles, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.plot([], [], ":", color="black", label="without augmentation")
    sizes = sorted({cell.tiles for cell in cells})
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size}" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("labelled cells to learn from")
    axes.set_ylabel("accuracy on held-out dishes, %")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    # Without a date, so that the same table gives the same file.
    figure.savefig(path, dpi=130, metadata={"Software": None})


def write_page(out: Path, simulated: list[Cell], real: list[RealCell], control: Control) -> None:
    """Write README.md and comparison.png."""
    *cells, one = simulated
    plot(out / "comparison.png", cells)
    root = control.exchanges**0.5
    said = CONTROL.format(
        exchanges=control.exchanges,
        balanced=100 * control.balanced_accuracy,
        error=100 * control.balanced_accuracy_sd / root,
        auc=control.auc,
        auc_error=control.auc_sd / root,
        unchanged=100 * control.unchanged_balanced_accuracy,
        sd=100 * control.balanced_accuracy_sd,
        one=100 * one.found.balanced_accuracy,
        one_auc=one.found.auc,
    )
    picture = "![accuracy against the number of labelled cells](comparison.png)\n"
    parts = [INTRODUCTION, grid(cells), picture, said, REAL, real_grid(real)]
    (out / "README.md").write_text("\n".join(parts), encoding="utf-8")
