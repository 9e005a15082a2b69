"""Temperature, combination, metrics and the out-of-distribution score obey their laws."""

from pathlib import Path

import numpy as np
import pytest

from recipe.calibrate import conformal_limit, fit_temperature
from recipe.combine import combine, log_odds, softmax_senescent
from recipe.corrupt import CORRUPTIONS
from recipe.ood import QUANTILE, describe, fit, score
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


def test_a_conformal_limit_covers_what_it_states() -> None:
    rng = np.random.default_rng(4)
    p_true = 1 - rng.random(5000) ** 2
    limit = conformal_limit(p_true, 0.9)
    assert 0.9 <= (1 - p_true <= limit).mean() < 0.91
    assert 0.88 < (1 - (1 - rng.random(5000) ** 2) <= limit).mean() < 0.92
    # Nine cells cannot show a coverage of 95 %.
    assert conformal_limit(p_true[:9], 0.95) == 1.0


def test_the_limit_lets_the_quantile_pass_and_stops_strangers() -> None:
    rng = np.random.default_rng(6)
    scales = np.exp(rng.normal(0, 1, 18))
    # Strangers deviate in the statistic that varies least.
    scales[-1] = 0.01

    def own(count: int) -> np.ndarray:
        return rng.normal(0, 1, (count, 18)) * scales

    reference = fit(own(2000))
    limit = np.quantile(score(own(2000), reference), QUANTILE)
    assert 0.98 < (score(own(4000), reference) <= limit).mean() < 1.0
    assert (score(own(200) + 0.2 * np.eye(18)[-1], reference) > limit).mean() > 0.9


def test_the_score_is_one_on_average_for_its_own_kind() -> None:
    rng = np.random.default_rng(7)
    rows = rng.normal(0, 1, (5000, 18)) @ rng.normal(0, 1, (18, 18))
    assert score(rows, fit(rows)).mean() == pytest.approx(1.0, abs=0.05)


def test_statistics_are_those_of_their_definition() -> None:
    tile = np.zeros((3, 128, 128), np.float32)
    tile[:, 32:96, 32:96] = np.array([0.1, 0.2, 0.3])[:, None, None]
    tile[1, 32:96, 32:96:2] += 0.2
    row = describe(tile)
    assert len(row) == 18
    assert row[0] == pytest.approx(0.1, abs=1e-6)
    # Half of the columns are 0.2 higher: the spread is 0.1, the Laplacian inside alternates ±0.4.
    assert row[5] == pytest.approx(0.3, abs=1e-6)
    assert np.exp(row[6]) == pytest.approx(0.1, abs=1e-6)
    assert np.exp(row[7]) == pytest.approx(0.4, rel=0.05)
    assert row[9] == pytest.approx(0, abs=1e-6)
    # Constant channels correlate with nothing.
    assert row[15:] == pytest.approx([0, 0, 0], abs=1e-6)


def test_corruptions_keep_shape_range_and_input(tile_folder: Path) -> None:
    tiles = load(tile_folder)
    batch = tiles.batch(np.arange(4))
    before = batch.copy()
    for name, corruption in CORRUPTIONS.items():
        changed = corruption(batch, np.random.default_rng(9))
        assert changed.shape == batch.shape, name
        assert np.abs(changed).max() <= 1, name
        assert not np.array_equal(changed, before), name
        assert np.array_equal(batch, before), name
