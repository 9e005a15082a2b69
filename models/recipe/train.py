"""Fine-tuning of one member on tiles of known class.

The dishes of one fold are kept for validation: they stop the training early, and later fit the
temperature and the limit of the out-of-distribution score. First the head alone is trained on
the frozen backbone, then everything but the backbone's first layers, by AdamW. Each epoch draws its
randomness from (seed, epoch), so that a run continued from its checkpoint ends as if it had
never stopped.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from . import RECIPE_VERSION
from .augment import augment
from .manifest import write_json
from .networks import MEMBERS, Network, build
from .tiles import Tiles, digest, folds, load

# Share of the fine-tuning over which the learning rate rises: large first steps would undo the
# pretrained weights.
RISE = 0.06


@dataclass(frozen=True)
class Settings:
    """What decides the result of a training run, beside the tiles."""

    member: str = "efficientnet-lite0"
    seed: int = 1
    fold: int = 0
    folds: int = 7
    warmup_epochs: int = 1
    epochs: int = 9
    patience: int = 4
    batch: int = 32
    head_rate: float = 2e-3
    backbone_rate: float = 5e-4
    weight_decay: float = 0.02


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """Make the random generator of one epoch."""
    entropy = np.random.SeedSequence([seed, epoch]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(entropy))


def to_tensor(batch: np.ndarray) -> Tensor:
    """Make a tensor in the memory order that CPU convolutions are fast in."""
    return torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)


def set_rates(
    optimiser: torch.optim.Optimizer, network: Network, settings: Settings, progress: float
) -> None:
    """Set the learning rates: a short rise, then half a cosine; `progress` is in [0, 1]."""
    factor = min(1.0, (progress + 1e-3) / RISE) * 0.5 * (1 + math.cos(math.pi * progress))
    rates = (settings.head_rate, settings.backbone_rate * network.relative_rate)
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate * factor


def train_epoch(
    network: Network,
    optimiser: torch.optim.Optimizer,
    tiles: Tiles,
    settings: Settings,
    epoch: int,
    change: Callable[[Tensor, torch.Generator], Tensor] = augment,
) -> float:
    """Train one epoch on what `change` makes of the tiles, and return its mean loss."""
    rng = epoch_generator(settings.seed, epoch)
    torch.manual_seed(rng.initial_seed())
    frozen = epoch < settings.warmup_epochs
    network.set_trainable(backbone=not frozen)
    order = torch.randperm(len(tiles), generator=rng).numpy()
    batches = [order[i : i + settings.batch] for i in range(0, len(order), settings.batch)]
    # BatchNorm has no statistics of a batch of one.
    batches = [batch for batch in batches if len(batch) > 1]
    total = 0.0
    for index, chosen in enumerate(tqdm(batches, desc=f"epoch {epoch + 1}", disable=None)):
        passed = epoch - settings.warmup_epochs + index / len(batches)
        progress = RISE if frozen else passed / settings.epochs
        set_rates(optimiser, network, settings, progress)
        batch = change(to_tensor(tiles.batch(chosen)), rng)
        batch = batch.contiguous(memory_format=torch.channels_last)
        loss = nn.functional.cross_entropy(network(batch), torch.from_numpy(tiles.classes[chosen]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += float(loss) * len(chosen)
    return total / sum(len(batch) for batch in batches)


def evaluate_logits(network: Network, tiles: Tiles, batch: int) -> Tensor:
    """Return the logits N×2 of tiles."""
    network.eval()
    logits = []
    with torch.no_grad():
        for start in range(0, len(tiles), batch):
            chosen = np.arange(start, min(start + batch, len(tiles)))
            logits.append(network(to_tensor(tiles.batch(chosen))))
    return torch.cat(logits)


def evaluate(network: Network, tiles: Tiles, batch: int) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy."""
    found, classes = evaluate_logits(network, tiles, batch), torch.from_numpy(tiles.classes)
    accuracy = float((found.argmax(1) == classes).float().mean())
    return float(nn.functional.cross_entropy(found, classes)), accuracy


def make_optimiser(network: Network, settings: Settings) -> torch.optim.Optimizer:
    """Make AdamW with a group for the head and one for the backbone."""
    head = [*network.dense1.parameters(), *network.dense2.parameters()]
    groups = [{"params": head}, {"params": list(network.backbone.parameters())}]
    return torch.optim.AdamW(groups, lr=0.0, weight_decay=settings.weight_decay)


def fit(
    network: Network, training: Tiles, validation: Tiles, settings: Settings, out: Path, key: str
) -> list[dict[str, float]]:
    """Train from the start or from a checkpoint of the same `key`; keep the best weights.

    Writes `checkpoint.pt` after every epoch and `weights.pt` whenever the validation loss falls.
    Returns one record an epoch.
    """
    optimiser = make_optimiser(network, settings)
    state: dict[str, Any] = {"key": key, "history": []}
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu")
        if saved["key"] == key:
            state = saved
            network.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
    history: list[dict[str, float]] = state["history"]
    for epoch in range(len(history), settings.warmup_epochs + settings.epochs):
        if history and len(history) - 1 - best_epoch(history) >= settings.patience:
            break
        loss = train_epoch(network, optimiser, training, settings, epoch)
        validation_loss, accuracy = evaluate(network, validation, settings.batch)
        history.append(
            {"loss": loss, "validation_loss": validation_loss, "validation_accuracy": accuracy}
        )
        print(
            f"epoch {epoch + 1}: loss {loss:.4f}, validation loss {validation_loss:.4f}, "
            f"validation accuracy {accuracy:.4f}",
            flush=True,
        )
        if best_epoch(history) == epoch:
            torch.save(network.state_dict(), out / "weights.pt")
        state = {
            "key": key,
            "history": history,
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        partial = checkpoint.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(checkpoint)
    return history


def best_epoch(history: list[dict[str, float]]) -> int:
    """Return the index of the epoch with the lowest validation loss."""
    return min(range(len(history)), key=lambda index: history[index]["validation_loss"])


def main() -> None:
    """Fine-tune one member; write weights.pt and training.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tiles", type=Path, required=True, help="folder of `senescope tiles`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pixel-size-um", type=float, nargs=2, default=(0.1, 0.4))
    parser.add_argument("--real", action="store_true", help="the tiles are not simulated")
    for name, default in asdict(Settings()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = parser.parse_args()
    settings = Settings(**{name: getattr(options, name) for name in asdict(Settings())})
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)

    tiles = load(options.tiles).labelled()
    tiles_sha256 = digest(options.tiles)
    held = folds(tiles.dishes, settings.folds, settings.seed)[settings.fold]
    training = tiles.of_dishes({str(dish) for dish in np.unique(tiles.dishes)} - held)
    validation = tiles.of_dishes(held)
    print(f"{len(training)} tiles to train on, {len(validation)} of {len(held)} dishes to validate")
    network = build(MEMBERS[settings.member], settings.seed)
    network = network.to(memory_format=torch.channels_last)
    key = f"{RECIPE_VERSION} {tiles_sha256} {settings}"
    history = fit(network, training, validation, settings, options.out, key)
    write_json(
        options.out / "training.json",
        {
            "settings": asdict(settings),
            "validation_dishes": sorted(held),
            "history": history,
            "best_epoch": best_epoch(history),
            "manifest": {
                "recipe": RECIPE_VERSION,
                "seed": settings.seed,
                "simulated": not options.real,
                "tiles_sha256": tiles_sha256,
                "tiles": len(tiles),
                "dishes": len(np.unique(tiles.dishes)),
                "pixel_size_um": list(options.pixel_size_um),
            },
        },
    )


if __name__ == "__main__":
    main()
