"""The paper's table: draws, controls and figures are what they are called."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from recipe import control as exchanges
from recipe import methods
from recipe.comparison import CONTROL, Run, simulated_runs, some
from recipe.comparison_page import COLOURS, write_page
from recipe.comparison_table import Cell, Found, FoundEach, RealCell, judge, judge_each, write_csv
from recipe.control import Control, shuffle_by_dish
from recipe.public_cells import once
from recipe.tiles import Tiles, load


def test_fewer_tiles_are_among_the_more(tile_folder: Path) -> None:
    tiles = load(tile_folder).labelled()
    few, more = some(tiles, 10, 3), some(tiles, 25, 3)
    assert len(few) == 10 and set(few.rows) < set(more.rows)
    assert set(some(tiles, 10, 4).rows) != set(few.rows)
    assert len(some(tiles, 0, 3)) == len(tiles)


def test_each_dish_gets_the_labels_of_another(tile_folder: Path) -> None:
    tiles = load(tile_folder).labelled()
    shuffled = shuffle_by_dish(tiles, 1)
    assert (shuffled.rows == tiles.rows).all() and (shuffled.classes != tiles.classes).any()
    # The labels of a dish say nothing about its cells: in the mean they are right by chance.
    right = [(shuffle_by_dish(tiles, seed).classes == tiles.classes).mean() for seed in range(60)]
    share = (tiles.classes == 1).mean()
    assert np.mean(right) == pytest.approx(share**2 + (1 - share) ** 2, abs=0.05)


def test_every_run_has_a_file_of_its_own() -> None:
    names = [run.file() for run in simulated_runs()]
    assert len(names) == len(set(names))
    assert Run("frozen backbone", "m", True).file() != Run("frozen backbone", "m", False).file()


@pytest.mark.parametrize(
    ("method", "share"), [("from scratch", 1), ("frozen backbone", 1), ("fine-tuned", 1.25)]
)
def test_few_tiles_are_looked_at_as_long_as_many(
    tile_folder: Path, monkeypatch: pytest.MonkeyPatch, method: str, share: float
) -> None:
    monkeypatch.setattr(methods, "LEAST_VIEWS", 96)
    seen = 0

    def count(tiles: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        nonlocal seen
        seen += len(tiles)
        return tiles

    tiles = some(load(tile_folder).labelled(), 12, 1)
    methods.METHODS[method]("mobilenet-v2", tiles, 1, count)
    assert seen == share * 96


def test_filling_images_are_no_cells() -> None:
    cells = np.arange(5 * 3 * 4).reshape(5, 3, 4)
    cells[3] = cells[1]
    assert (once(cells) == cells[[0, 2, 4]]).all()


def test_judging_finds_what_is_there() -> None:
    rng = np.random.default_rng(1)
    truth, dishes = rng.random(400) < 0.4, np.repeat(np.arange(20), 20).astype(str)
    perfect = judge(np.where(truth, 0.9, 0.1), truth, dishes, 1)
    assert (perfect.accuracy, perfect.low, perfect.high, perfect.auc) == (1, 1, 1, 1)
    blind = judge(rng.random(400), truth, dishes, 1)
    assert blind.low < blind.accuracy < blind.high
    assert abs(blind.auc - 0.5) < 0.1 and abs(blind.balanced_accuracy - 0.5) < 0.1
    each = judge_each(
        [(np.array([0.1, 0.9]), np.array([0, 1])), (np.array([0.9, 0.1]), np.array([0, 1]))]
    )
    assert (each.accuracy, each.auc, each.auc_low, each.auc_high) == (0.5, 0.5, 0, 1)


def test_the_page_says_what_the_table_says(tmp_path: Path) -> None:
    found = Found(0.8123, 0.79, 0.83, 0.8, 0.9)
    rows = [
        Cell(row, changed, n, found)
        for row in COLOURS
        for changed in (False, True)
        for n in (50, 99)
    ]
    cells = [*rows, Cell(CONTROL, True, 99, Found(0.6, 0.5, 0.7, 0.498, 0.51))]
    real = [RealCell("t-cells", "fine-tuned", True, 852, FoundEach(0.9, 0.95, 0.9, 0.99))]
    write_page(tmp_path, cells, real, Control(100, 0.501, 0.06, 0.512, 0.08, 0.887))
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "81.2 (79–83)" in page and "49.8 %" in page and "0.950 (0.900–0.990)" in page
    assert "50.1 ± 0.6 %" in page and "88.7 %" in page
    assert (tmp_path / "comparison.png").stat().st_size > 10_000
    write_csv(tmp_path / "simulator.csv", cells)
    lines = (tmp_path / "simulator.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("row,tiles,accuracy,low,high") and len(lines) == 1 + len(cells)


def test_the_control_is_chance_and_sees_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "EXCHANGES", 60)
    rng = np.random.default_rng(3)
    dishes = np.repeat(np.arange(40), 10).astype(str)
    # Dishes differ in the share of their cells that are senescent.
    classes = (rng.random(400) < np.repeat(rng.uniform(0.1, 0.9, 40), 10)).astype(np.int64)
    arrays = {field.name: np.zeros(400) for field in fields(Tiles)}
    tiles = Tiles(**{**arrays, "classes": classes, "dishes": dishes})
    told = rng.normal(size=(400, 8)) + 2 * classes[:, None]
    found = exchanges.control(tiles, told, tiles, told)
    assert found.unchanged_balanced_accuracy > 0.95
    assert abs(found.balanced_accuracy - 0.5) < 4 * found.balanced_accuracy_sd / 60**0.5
    # What is asked carries the labels that were learned.
    monkeypatch.setattr(exchanges, "shuffle_by_dish", lambda tiles, seed: tiles)
    assert exchanges.control(tiles, told, tiles, told).balanced_accuracy > 0.95


def test_a_frozen_backbone_learns_what_is_easily_told(
    tile_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "LEAST_VIEWS", 100)
    tiles = load(tile_folder).labelled()
    before = methods.build(methods.MEMBERS["mobilenet-v2"], 1).backbone.state_dict()
    network = methods.frozen("mobilenet-v2", tiles, 1, methods.unchanged)
    after = network.backbone.state_dict()
    assert all((after[name] == value).all() for name, value in before.items())
    logits = methods.evaluate_logits(network, tiles, 16).numpy()
    assert (logits.argmax(1) == tiles.classes).mean() > 0.8
