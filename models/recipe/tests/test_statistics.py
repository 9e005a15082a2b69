"""Temperature, combination, metrics and the out-of-distribution score obey their laws."""

from pathlib import Path

import numpy as np
import pytest

from recipe.calibrate import fit_temperature
from recipe.combine import combine, log_odds, softmax_senescent
from recipe.corrupt import EXPOSED, UNSEEN
from recipe.metrics import calibration_error, judge
from recipe.ood import QUANTILE, fit, score
from recipe.tiles import load


def test_the_true_temperature_is_found() -> None:
    rng = np.random.default_rng(1)
    odds = rng.normal(0, 2, 20_000)
    classes = (rng.random(len(odds)) < 1 / (1 + np.exp(-odds))).astype(int)
    assert fit_temperature(odds * 2.5, classes) == pytest.approx(2.5, rel=0.05)


def test_one_member_at_temperature_one_is_its_softmax() -> None:
    logits = np.random.default_rng(2).normal(size=(50, 2))
    wanted = np.exp(logits[:, 1]) / np.exp(logits).sum(1)
    assert combine([logits], 1.0) == pytest.approx(wanted)
    assert log_odds(softmax_senescent(logits)) == pytest.approx(logits[:, 1] - logits[:, 0])


def test_temperature_keeps_decisions_and_order() -> None:
    members = list(np.random.default_rng(3).normal(size=(3, 40, 2)))
    cold, warm = combine(members, 1.0), combine(members, 2.0)
    assert ((cold > 0.5) == (warm > 0.5)).all()
    assert (np.argsort(cold) == np.argsort(warm)).all()
    assert (np.abs(warm - 0.5) <= np.abs(cold - 0.5)).all()


def test_intervals_hold_the_value_and_one_class_is_refused() -> None:
    rng = np.random.default_rng(4)
    classes = rng.integers(0, 2, 300)
    p = np.clip(classes * 0.4 + rng.random(300) * 0.6, 0, 1)
    dishes = np.repeat([f"dish{i}" for i in range(10)], 30)
    for row in judge(classes, p, dishes, seed=1, resamples=100).values():
        assert row["low"] <= row["high"]
    found = judge(classes, p, dishes, seed=1, resamples=100)["auc"]
    assert found["low"] <= found["value"] <= found["high"]
    with pytest.raises(ValueError, match="one class"):
        judge(np.zeros(300), p, dishes, seed=1)


def test_calibration_error_of_a_calibrated_probability_is_small() -> None:
    rng = np.random.default_rng(5)
    p = rng.random(50_000)
    classes = (rng.random(len(p)) < p).astype(int)
    assert calibration_error(classes, p) < 0.01
    assert calibration_error(1 - classes, p) > 0.3


def test_the_limit_lets_the_quantile_pass_and_stops_strangers() -> None:
    rng = np.random.default_rng(6)
    scales = np.exp(rng.normal(0, 1, 100))
    # Strangers deviate along a direction in which the training set hardly varies.
    scales[-1] = 0.01
    stray = np.eye(100)[-1]

    def strangers(count: int) -> np.ndarray:
        return rng.normal(0, 1, (count, 100)) * scales + 0.2 * stray

    def own(count: int) -> np.ndarray:
        return rng.normal(0, 1, (count, 100)) * scales

    statistics = fit(own(2000), strangers(200))
    limit = np.quantile(score(own(2000), statistics), QUANTILE)
    assert 0.985 < (score(own(4000), statistics) <= limit).mean() < 1.0
    assert (score(strangers(200), statistics) > limit).mean() > 0.9


def test_the_score_is_one_on_average_for_its_own_kind() -> None:
    rng = np.random.default_rng(7)
    statistics = fit(rng.normal(3, 1, (5000, 80)), rng.normal(4, 2, (200, 80)))
    assert score(rng.normal(3, 1, (5000, 80)), statistics).mean() == pytest.approx(1.0, abs=0.05)


def test_a_direction_without_variance_is_left_out() -> None:
    rng = np.random.default_rng(8)
    pooled = rng.normal(0, 1, (200, 40))
    pooled[:, -1] = 0
    statistics = fit(pooled, rng.normal(0, 1, (50, 40)))
    assert np.isfinite(statistics["components"]).all()
    assert statistics["inv_std"].max() < 100


def test_corruptions_keep_shape_range_and_input(tile_folder: Path) -> None:
    tiles = load(tile_folder)
    batch = tiles.batch(np.arange(4))
    before = batch.copy()
    for name, corruption in {**EXPOSED, **UNSEEN}.items():
        changed = corruption(batch, np.random.default_rng(9))
        assert changed.shape == batch.shape, name
        assert np.abs(changed).max() <= 1, name
        assert not np.array_equal(changed, before), name
        assert np.array_equal(batch, before), name
