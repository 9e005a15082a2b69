"""Augmentation of training tiles: what a microscope may change without changing the class.

Geometry: flips, quarter turns, a small rotation and a small scale. Intensity, each channel by
itself: gain, offset, noise and defocus. The background stays exactly 0 and values stay in
[−1, 1], as the program's own tiles have them.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

BLUR_RADIUS_PX = 4


@dataclass(frozen=True)
class Strength:
    """How far each change may go.

    `rotation_rad`, `scale` (relative) and `gain` (natural logarithm) and `offset` are bounds of
    uniform draws; `noise` bounds a standard deviation; `blur_px` bounds the standard deviation
    of a Gaussian, applied to the share `blur_share` of the tiles.
    """

    rotation_rad: float = 0.26
    scale: float = 0.08
    gain: float = 0.2
    offset: float = 0.03
    noise: float = 0.05
    blur_px: float = 1.5
    blur_share: float = 0.5


def uniform(shape: tuple[int, ...], low: float, high: float, rng: Generator) -> Tensor:
    """Draw uniformly from [low, high)."""
    return torch.rand(shape, generator=rng) * (high - low) + low


def geometry(tiles: Tensor, strength: Strength, rng: Generator) -> Tensor:
    """Flip, turn and scale each tile about its centre; what enters is background."""
    count = len(tiles)
    quarter = torch.randint(0, 4, (count,), generator=rng) * (math.pi / 2)
    angle = quarter + uniform((count,), -strength.rotation_rad, strength.rotation_rad, rng)
    zoom = uniform((count,), 1 - strength.scale, 1 + strength.scale, rng)
    flip = torch.randint(0, 2, (count,), generator=rng) * 2.0 - 1.0
    cos, sin, zero = torch.cos(angle) / zoom, torch.sin(angle) / zoom, torch.zeros(count)
    rows = torch.stack([cos * flip, -sin, zero, sin * flip, cos, zero], 1)
    grid = functional.affine_grid(rows.view(-1, 2, 3), list(tiles.shape), align_corners=False)
    return functional.grid_sample(tiles, grid, padding_mode="zeros", align_corners=False)


def blur(tiles: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur each channel N×3 of each tile by its own Gaussian; σ ≤ 0 leaves it as it is."""
    count, channels, height, width = tiles.shape
    axis = torch.arange(-BLUR_RADIUS_PX, BLUR_RADIUS_PX + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (axis / sigma_px.clamp(min=1e-3).reshape(-1, 1)) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    planes = count * channels
    flat = tiles.reshape(1, planes, height, width)
    pad = BLUR_RADIUS_PX
    flat = functional.conv2d(flat, kernel.view(planes, 1, -1, 1), padding=(pad, 0), groups=planes)
    flat = functional.conv2d(flat, kernel.view(planes, 1, 1, -1), padding=(0, pad), groups=planes)
    return flat.reshape(tiles.shape)


def intensity(tiles: Tensor, strength: Strength, rng: Generator) -> Tensor:
    """Defocus, amplify, shift and disturb the inside of each cell."""
    inside = (tiles != 0).any(1, keepdim=True)
    shape = (len(tiles), tiles.shape[1], 1, 1)
    blurred = uniform((len(tiles), 1), 0, 1, rng) < strength.blur_share
    sigma = uniform((len(tiles), tiles.shape[1]), 0, strength.blur_px, rng) * blurred
    gain = torch.exp(uniform(shape, -strength.gain, strength.gain, rng))
    offset = uniform(shape, -strength.offset, strength.offset, rng)
    noise = uniform(shape, 0, strength.noise, rng) * torch.randn(tiles.shape, generator=rng)
    changed = blur(tiles, sigma) * gain + offset + noise
    return (changed * inside).clamp(-1, 1)


def augment(tiles: Tensor, rng: Generator, strength: Strength | None = None) -> Tensor:
    """Return changed copies of tiles N×3×128×128."""
    strength = strength or Strength()
    return intensity(geometry(tiles, strength, rng), strength, rng)
