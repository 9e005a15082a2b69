"""A training that was interrupted ends as one that was not; steps run once."""

import sys
from pathlib import Path

import pytest
import torch

from recipe.networks import MEMBERS, build
from recipe.steps import Step, run, sources
from recipe.tiles import Tiles, load
from recipe.train import Settings, fit

SETTINGS = Settings(epochs=1, batch=8, patience=9)


def trained(training: Tiles, validation: Tiles, out: Path, settings: Settings) -> dict:
    """Train in `out` and return the last state and the history."""
    out.mkdir(exist_ok=True)
    network = build(MEMBERS["efficientnet-lite0"], 1)
    history = fit(network, training, validation, settings, out, "key")
    return {"state": network.state_dict(), "history": history}


def test_a_continued_training_equals_an_uninterrupted_one(
    tile_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = load(tile_folder).labelled()
    names = sorted(set(tiles.dishes))
    training, validation = tiles.of_dishes(set(names[:4])), tiles.of_dishes(set(names[4:]))
    whole = trained(training, validation, tmp_path / "whole", SETTINGS)

    import recipe.train as module

    original = module.train_epoch

    def stop_before_second(*arguments: object) -> float:
        if arguments[4] == 1:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(module, "train_epoch", stop_before_second)
    with pytest.raises(KeyboardInterrupt):
        trained(training, validation, tmp_path / "broken", SETTINGS)
    monkeypatch.setattr(module, "train_epoch", original)
    continued = trained(training, validation, tmp_path / "broken", SETTINGS)

    for found, wanted in zip(continued["history"], whole["history"], strict=True):
        assert found == pytest.approx(wanted, rel=1e-4)
    for name, value in whole["state"].items():
        assert torch.allclose(continued["state"][name].float(), value.float(), atol=1e-3), name
    assert (tmp_path / "broken" / "weights.pt").exists()


def test_a_step_is_skipped_until_its_input_changes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("a")
    code = f"open({str(target)!r}, 'a').write('x')"
    steps = [Step("append", [sys.executable, "-c", code], [source], [target])]
    for _ in range(2):
        run(steps, tmp_path / "stamps")
    assert target.read_text() == "x"
    source.write_text("b")
    run(steps, tmp_path / "stamps")
    assert target.read_text() == "xx"
    target.unlink()
    run(steps, tmp_path / "stamps")
    assert target.read_text() == "x"


def test_a_step_depends_on_the_modules_that_it_imports() -> None:
    package = Path(__file__).parents[1]
    names = {path.stem for path in sources(package / "train.py")}
    assert {"train", "networks", "tiles", "augment", "__init__"} <= names
    assert not {"run", "model_card", "comparison"} & names
