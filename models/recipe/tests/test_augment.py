"""Augmentation keeps shape, range and background, and follows its generator."""

from pathlib import Path

import torch

from recipe.augment import Strength, augment, blur, geometry
from recipe.tiles import load

NONE = Strength(0, 0, 0, 0, 0, 0, 0)


def some(folder: Path) -> torch.Tensor:
    """Read a few tiles."""
    tiles = load(folder)
    return torch.from_numpy(tiles.batch(torch.arange(8).numpy()))


def rng(seed: int = 1) -> torch.Generator:
    """Make a generator."""
    return torch.Generator().manual_seed(seed)


def test_shape_range_and_background(tile_folder: Path) -> None:
    tiles = some(tile_folder)
    changed = augment(tiles, rng())
    assert changed.shape == tiles.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= -1 and changed.max() <= 1
    assert (changed[:, :, 0, 0] == 0).all()
    outside = (geometry(tiles, Strength(), rng()) == 0).all(1, keepdim=True)
    assert (changed[outside.expand_as(changed)] == 0).all()


def test_the_same_generator_gives_the_same_tiles(tile_folder: Path) -> None:
    tiles = some(tile_folder)
    assert torch.equal(augment(tiles, rng()), augment(tiles, rng()))
    assert not torch.equal(augment(tiles, rng()), augment(tiles, rng(2)))


def test_without_strength_only_flips_and_quarter_turns_remain(tile_folder: Path) -> None:
    tiles = some(tile_folder)
    for before, after in zip(tiles, augment(tiles, rng(), NONE), strict=True):
        images = [
            torch.rot90(image, turn, (1, 2))
            for image in (before, before.flip(2))
            for turn in range(4)
        ]
        assert min(float((after - image).abs().max()) for image in images) < 1e-3


def test_blur_keeps_the_sum_and_zero_sigma_changes_nothing(tile_folder: Path) -> None:
    tiles = some(tile_folder)
    sigma = torch.full(tiles.shape[:2], 1.2)
    blurred = blur(tiles, sigma)
    assert torch.allclose(blurred.sum((2, 3)), tiles.sum((2, 3)), rtol=1e-3, atol=1e-2)
    assert (blurred - tiles).abs().max() > 0.01
    assert torch.allclose(blur(tiles, sigma * 0), tiles, atol=1e-6)
