"""What each member answered on the dishes of its own validation fold, which it never trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import npz
from .manifest import read_json
from .tiles import Tiles


@dataclass(frozen=True)
class Member:
    """A member's answers on all tiles; `validation` marks the tiles of its validation dishes."""

    name: str
    logits: np.ndarray
    validation: np.ndarray


def collect(tiles: Tiles, predictions: Path, trainings: list[Path]) -> list[Member]:
    """Join the members' predictions on `tiles` with the folds named in their training.json."""
    members = []
    for path in trainings:
        training = read_json(path)
        name = training["settings"]["member"]
        arrays = npz.read(predictions / f"{name}.npz")
        validation = np.isin(tiles.dishes, training["validation_dishes"])
        members.append(Member(name, arrays["logits"], validation))
    return members
