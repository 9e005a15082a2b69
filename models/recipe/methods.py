"""Ways to make a classifier from labelled tiles, which the paper's table compares.

All see about as many views, max(2 000, 3 × tiles), whatever the number of tiles, so that few
labelled cells are looked at more often and not less long. Fine-tuning sees a quarter more, with
which the head begins; the head on a frozen backbone passes `HEAD_EPOCHS` times over its views.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor, nn

from .augment import augment
from .networks import MEMBERS, Network, build
from .tiles import Tiles
from .train import (
    Settings,
    epoch_generator,
    evaluate_logits,
    make_optimiser,
    to_tensor,
    train_epoch,
)

LEAST_VIEWS = 2000
LEAST_EPOCHS = 3
# Part of the epochs in which the head alone is trained before the backbone follows.
WARMUP_SHARE = 4
# With nothing to preserve, all layers learn as fast as a head.
SCRATCH_RATE = 2e-3
HEAD_EPOCHS = 10
BATCH = 32

Change = Callable[[Tensor, Generator], Tensor]


def unchanged(tiles: Tensor, _: Generator) -> Tensor:
    """Augment nothing."""
    return tiles


def epochs(tiles: int) -> int:
    """Return how often each tile is looked at."""
    return max(LEAST_EPOCHS, round(LEAST_VIEWS / tiles))


def forget(network: Network) -> None:
    """Draw all weights anew, and train all layers."""
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        if reset is not None:
            reset()
    network.early = lambda _: []
    network.relative_rate = 1.0


def tune(network: Network, tiles: Tiles, settings: Settings, change: Change) -> None:
    """Train head and backbone for all epochs; nothing is held back to stop earlier."""
    optimiser = make_optimiser(network, settings)
    for epoch in range(settings.warmup_epochs + settings.epochs):
        train_epoch(network, optimiser, tiles, settings, epoch, change)


def scratch(member: str, tiles: Tiles, seed: int, change: Change) -> Network:
    """Train a network that has seen nothing before."""
    network = build(MEMBERS[member], seed).to(memory_format=torch.channels_last)
    forget(network)
    count = epochs(len(tiles))
    settings = Settings(member, seed, epochs=count, warmup_epochs=0, backbone_rate=SCRATCH_RATE)
    tune(network, tiles, settings, change)
    return network


def fine_tuned(member: str, tiles: Tiles, seed: int, change: Change) -> Network:
    """Train the head, then all but the first layers of a pretrained network."""
    network = build(MEMBERS[member], seed).to(memory_format=torch.channels_last)
    count = epochs(len(tiles))
    warmup = max(1, count // WARMUP_SHARE)
    tune(network, tiles, Settings(member, seed, epochs=count, warmup_epochs=warmup), change)
    return network


def pooled(network: Network, tiles: Tiles, rng: Generator, change: Change) -> Tensor:
    """Return the pooled features N×C of one view of each tile."""
    rows = []
    with torch.no_grad():
        for start in range(0, len(tiles), BATCH):
            chosen = np.arange(start, min(start + BATCH, len(tiles)))
            batch = change(to_tensor(tiles.batch(chosen)), rng)
            batch = batch.contiguous(memory_format=torch.channels_last)
            rows.append(network.features(batch).mean((2, 3)))
    return torch.cat(rows)


def frozen(member: str, tiles: Tiles, seed: int, change: Change) -> Network:
    """Train a head on the features of a pretrained network that stays as it is."""
    network = build(MEMBERS[member], seed).to(memory_format=torch.channels_last).eval()
    rng = epoch_generator(seed, 0)
    looks = 1 if change is unchanged else epochs(len(tiles))
    features = torch.cat([pooled(network, tiles, rng, change) for _ in range(looks)])
    classes = torch.from_numpy(np.tile(tiles.classes, looks))
    # Without augmentation the same features come as often as views would.
    passes = HEAD_EPOCHS * (epochs(len(tiles)) if change is unchanged else 1)
    optimiser = torch.optim.AdamW(
        [*network.dense1.parameters(), *network.dense2.parameters()],
        lr=Settings.head_rate,
        weight_decay=Settings.weight_decay,
    )
    steps = passes * -(-len(features) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    torch.manual_seed(rng.initial_seed())
    network.dropout.train()
    for _ in range(passes):
        for chosen in torch.randperm(len(features), generator=rng).split(BATCH):
            loss = nn.functional.cross_entropy(network.head(features[chosen]), classes[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    return network


METHODS = {"from scratch": scratch, "frozen backbone": frozen, "fine-tuned": fine_tuned}


def answer(method: str, member: str, training: Tiles, asked: Tiles, seed: int, augmented: bool):
    """Train by a method and return the logits N×2 of the asked tiles."""
    change = augment if augmented else unchanged
    network = METHODS[method](member, training, seed, change)
    return evaluate_logits(network, asked, BATCH).numpy()
