"""The reader refuses contradictions; folds share out whole dishes."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from recipe.tiles import digest, folds, load


def test_load_keeps_rows_without_truth_apart(tile_folder: Path) -> None:
    tiles = load(tile_folder)
    assert len(tiles) == 28
    assert len(tiles.labelled()) == 26
    assert np.isnan(tiles.p_oracle[-2:]).all()
    assert tiles.batch(np.array([3, 1])).shape == (2, 3, 128, 128)


def test_folds_have_no_dish_in_common_and_lose_none(tile_folder: Path) -> None:
    tiles = load(tile_folder)
    shares = folds(tiles.dishes, 3, seed=1)
    assert sum(len(share) for share in shares) == len(set.union(*shares)) == 7
    for share in shares:
        training = tiles.of_dishes(set.union(*shares) - share)
        validation = tiles.of_dishes(share)
        assert not set(training.dishes) & set(validation.dishes)
        assert not set(training.rows) & set(validation.rows)
        assert len(training) + len(validation) == len(tiles)


def test_folds_follow_the_seed(tile_folder: Path) -> None:
    dishes = load(tile_folder).dishes
    assert folds(dishes, 3, seed=1) == folds(dishes, 3, seed=1)
    assert folds(dishes, 3, seed=1) != folds(dishes, 3, seed=2)
    with pytest.raises(ValueError, match="cannot be shared out"):
        folds(dishes, 8, seed=1)


def edited(folder: Path, target: Path, column: str, value: str) -> Path:
    """Copy a folder of tiles with one cell of the table changed."""
    shutil.copytree(folder, target)
    with (target / "tiles.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0][column] = value
    with (target / "tiles.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return target


def test_an_unknown_class_is_refused(tile_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="quiescent"):
        load(edited(tile_folder, tmp_path / "edited", "class", "quiescent"))


def test_fewer_rows_than_tiles_are_refused(tile_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "short"
    shutil.copytree(tile_folder, target)
    lines = (target / "tiles.csv").read_text().splitlines()
    (target / "tiles.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match="27 rows"):
        load(target)


def test_the_digest_sees_the_table(tile_folder: Path, tmp_path: Path) -> None:
    changed = edited(tile_folder, tmp_path / "edited", "area_um2", "1")
    assert digest(changed) != digest(tile_folder)
