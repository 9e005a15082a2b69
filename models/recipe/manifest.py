"""The ensemble's manifest: preprocessing, members with their digests, calibration, provenance."""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from . import RECIPE_VERSION
from .contract import CHANNELS, CLASSES, COVERAGE, ENSEMBLE_DIR, NORMALISATION, TILE

# Stands where a digest will be, in a manifest that describes preprocessing only.
NO_DIGEST = "0" * 64

UNCALIBRATED = {
    "temperature": 1.0,
    "conformal": {"coverage": COVERAGE, "limits": dict.fromkeys(CLASSES, 0.5)},
}

UNTRAINED = {
    "recipe": RECIPE_VERSION,
    "seed": 0,
    "simulated": True,
    "tiles_sha256": NO_DIGEST,
    "tiles": 0,
    "dishes": 0,
    "pixel_size_um": [0.1, 0.4],
}


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry(path: Path) -> dict[str, str]:
    """Name a file of the ensemble's folder and its digest."""
    return {"file": path.name, "sha256": digest(path)}


def describe(
    members: list[dict[str, Any]],
    golden: dict[str, str],
    ood: dict[str, Any] | None = None,
    version: str = "0.0.0",
    calibration: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Compose a manifest from its parts."""
    return {
        "format": 1,
        "name": "senescope",
        "version": version,
        "classes": list(CLASSES),
        "channels": list(CHANNELS),
        "tile": TILE,
        "normalisation": NORMALISATION,
        **(calibration or UNCALIBRATED),
        "members": members,
        "golden": golden,
        "ood": ood,
        "training": training or UNTRAINED,
    }


def preprocessing() -> dict[str, Any]:
    """Describe how tiles are cut and normalised, before there is any member."""
    member = {"name": "none", "file": "none.onnx", "sha256": NO_DIGEST, "cam": True}
    return describe([member], {"file": "golden.npz", "sha256": NO_DIGEST})


def of_folder(
    ensemble: Path,
    version: str,
    calibration: dict[str, Any],
    ood_limit: float | None,
    training: dict[str, Any],
) -> dict[str, Any]:
    """Describe the files that are in an ensemble's folder."""
    members = sorted(ensemble.glob("*.onnx"))
    if not members:
        raise FileNotFoundError(f"{ensemble} has no .onnx file; run recipe.export first")
    ood = None
    if ood_limit is not None:
        ood = {**entry(ensemble / "ood.npz"), "limit": ood_limit}
    return describe(
        [{"name": path.stem, **entry(path), "cam": True} for path in members],
        entry(ensemble / "golden.npz"),
        ood,
        version,
        calibration,
        training,
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file written by another step."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file as people and `git diff` read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write manifest.json from the files in the ensemble's folder and the steps' results."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--calibration", type=Path, help="written by recipe.calibrate")
    parser.add_argument("--ood", type=Path, help="written by recipe.ood")
    parser.add_argument("--training", type=Path, help="written by recipe.train for any member")
    parser.add_argument("--preprocessing", action="store_true", help="only how tiles are cut")
    options = parser.parse_args()
    if options.preprocessing:
        write_json(options.ensemble / "manifest.json", preprocessing())
        return
    manifest = of_folder(
        options.ensemble,
        options.version,
        read_json(options.calibration)["manifest"] if options.calibration else UNCALIBRATED,
        read_json(options.ood)["limit"] if options.ood else None,
        read_json(options.training)["manifest"] if options.training else UNTRAINED,
    )
    path = options.ensemble / "manifest.json"
    write_json(path, manifest)
    print(f"{path}: {len(manifest['members'])} member(s)")


if __name__ == "__main__":
    main()
