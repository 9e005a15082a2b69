"""Where published weights are found, and evidence that a backbone was rebuilt around them.

Evidence looks at the features of one photograph of a cat. Architecture, weights and input
scaling belong together if the published ImageNet classifier names the cat or, where none was
published, if the features are those that the original program computes.
"""

import hashlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import npz

# Maps the photograph's last feature map 1×C×h×w to a sentence; raises ValueError.
Evidence = Callable[[Tensor], str]

# ImageNet-1k: tabby, tiger cat, Egyptian cat.
CAT_CLASSES = (281, 282, 285)
PHOTOGRAPH_PIXELS = 224
# Rounding to 8 bits leaves 0.9996 of MobileNetV1, one transposed 3×3 layer 0.994.
SAME_COSINE = 0.997

WEIGHTS_VARIABLE = "SENESCOPE_WEIGHTS"
REPOSITORY = Path(__file__).resolve().parents[2]


def require_digest(path: Path, sha256: str) -> Path:
    """Return `path` if its content has this digest."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(f"{path.name} has sha256 {found}, expected {sha256}")
    return path


def packaged_file(package: str, relative: str, sha256: str) -> Path:
    """Return a file inside an installed package after checking its digest."""
    module = importlib.import_module(package)
    if module.__file__ is None:
        raise FileNotFoundError(f"package {package} has no files; run setup.sh again")
    return require_digest(Path(module.__file__).parent / relative, sha256)


def weights_folder() -> Path:
    """Return the folder of the weights that no package registry carries."""
    default = REPOSITORY.parent / "shared" / "weights"
    return Path(os.environ.get(WEIGHTS_VARIABLE) or default)


def shared_file(name: str, source: str, sha256: str) -> Path:
    """Return a file of `weights_folder` after checking its digest; `source` published it."""
    path = weights_folder() / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{name} is not in {path.parent}: take it from {source} and set {WEIGHTS_VARIABLE} "
            "to its folder"
        )
    return require_digest(path, sha256)


def photograph() -> np.ndarray:
    """Return a cat, RGB 224×224×3 in [0, 1]."""
    from skimage import data, transform

    image = data.chelsea()
    edge = min(image.shape[:2])
    left = (image.shape[1] - edge) // 2
    shape = (PHOTOGRAPH_PIXELS, PHOTOGRAPH_PIXELS)
    return transform.resize(image[:edge, left : left + edge], shape, anti_aliasing=True)


def photograph_tile() -> Tensor:
    """Return the photograph as the networks take tiles, 1×3×224×224 in [−1, 1]."""
    return torch.from_numpy(photograph().transpose(2, 0, 1)[None]).float() * 2 - 1


def names_a_cat(classifier: Callable[[Tensor], Tensor]) -> Evidence:
    """Expect a cat's class of the ImageNet logits 1×1000 that follow from the features."""

    def check(features: Tensor) -> str:
        found = int(classifier(features).argmax())
        if found not in CAT_CLASSES:
            raise ValueError(
                f"a cat's photograph is named ImageNet class {found}, not one of {CAT_CLASSES}"
            )
        return f"a cat's photograph is ImageNet class {found}"

    return check


def linear_classifier(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the classifier that is one dense layer after the pool."""
    return lambda features: features.mean((2, 3)) @ weight.T + bias


def resembles(reference: Path) -> Evidence:
    """Expect the pooled features that the original program computed, in `pooled` 1×C."""
    wanted = torch.from_numpy(npz.read(reference)["pooled"])

    def check(features: Tensor) -> str:
        cosine = float(torch.cosine_similarity(features.mean((2, 3)), wanted)[0])
        if not cosine >= SAME_COSINE:
            raise ValueError(
                f"a photograph's features have cosine {cosine:.3f} with {reference.name}, "
                f"expected at least {SAME_COSINE}"
            )
        return f"a photograph's features have cosine {cosine:.4f} with the original program's"

    return check
