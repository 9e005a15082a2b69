"""A control: heads that learn from labels which were exchanged between dishes.

One exchange says little. What a head learns of a thousand exchanged dishes is chance, but it is
laid along the axes on which cells differ most, so that it may be far from 50 % either way. What a
leak would shift is the mean of many exchanges. They share the features of one frozen backbone.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from . import npz
from .contract import SENESCENT
from .methods import pooled, unchanged
from .networks import MEMBERS, build
from .tiles import Tiles
from .train import epoch_generator

EXCHANGES = 200
# As much regularisation as keeps a head from learning each tile.
INVERSE_PENALTY = 1e-3


@dataclass(frozen=True)
class Control:
    """Means over the exchanges, and the standard deviations of one."""

    exchanges: int
    balanced_accuracy: float
    balanced_accuracy_sd: float
    auc: float
    auc_sd: float
    # The same head on labels as they are.
    unchanged_balanced_accuracy: float


def shuffle_by_dish(tiles: Tiles, seed: int) -> Tiles:
    """Give each dish's cells the labels of another dish, repeated when it has fewer."""
    rng = np.random.default_rng(seed)
    names = np.unique(tiles.dishes)
    # A rotation of a shuffled order: no dish keeps its own.
    order = rng.permutation(names)
    classes = tiles.classes.copy()
    for name, other in zip(order, np.roll(order, 1), strict=True):
        mine = np.flatnonzero(tiles.dishes == name)
        theirs = rng.permutation(tiles.classes[tiles.dishes == other])
        classes[mine] = np.resize(theirs, len(mine))
    return replace(tiles, classes=classes)


def features(member: str, tiles: Tiles, path: Path, key: str) -> np.ndarray:
    """Return the features N×C of a frozen backbone, kept at `path` for the same key."""
    beside = path.with_suffix(".key")
    if not (beside.exists() and beside.read_text(encoding="utf-8") == key):
        network = build(MEMBERS[member], 0).eval()
        found = pooled(network, tiles, epoch_generator(0, 0), unchanged).numpy()
        beside.unlink(missing_ok=True)
        npz.write(path, {"features": found})
        beside.write_text(key, encoding="utf-8")
    return npz.read(path)["features"]


def judge(head: object, asked: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return balanced accuracy and area under the curve of a head."""
    senescent = head.predict_proba(asked)[:, 1]
    return balanced_accuracy_score(truth, senescent > 0.5), roc_auc_score(truth, senescent)


def control(training: Tiles, learned: np.ndarray, held_out: Tiles, asked: np.ndarray) -> Control:
    """Train a head for each exchange and judge it on the held-out tiles."""
    truth = held_out.classes == SENESCENT

    def of(classes: np.ndarray) -> tuple[float, float]:
        head = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=300),
        )
        head.fit(learned, classes == SENESCENT)
        return judge(head, asked, truth)

    found = np.array([of(shuffle_by_dish(training, seed).classes) for seed in range(EXCHANGES)])
    (balanced, auc), (balanced_sd, auc_sd) = found.mean(0), found.std(0, ddof=1)
    as_it_is, _ = of(training.classes)
    return Control(EXCHANGES, balanced, balanced_sd, auc, auc_sd, as_it_is)
