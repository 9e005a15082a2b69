"""Answers of the shipped ONNX members on a folder of tiles, by ONNX Runtime.

Writes one NPZ a member with `logits` N×2 in the order of the tiles' table. Calibration and the
report start from these, so that they describe the files that are shipped.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
from tqdm import tqdm

from . import npz
from .contract import ENSEMBLE_DIR
from .tiles import Tiles, load


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Open a member."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def answer(member: onnxruntime.InferenceSession, batch: np.ndarray) -> np.ndarray:
    """Return logits N×2 of tiles N×3×128×128."""
    return np.stack([member.run(["logits"], {"tile": tile[None]})[0][0] for tile in batch])


def predict(path: Path, tiles: Tiles, threads: int) -> dict[str, np.ndarray]:
    """Run one member over all tiles."""
    member = session(path, threads)
    blocks = np.array_split(np.arange(len(tiles)), max(1, len(tiles) // 64))
    rows = [answer(member, tiles.batch(b)) for b in tqdm(blocks, desc=path.stem, disable=None)]
    return {"logits": np.concatenate(rows)}


def main() -> None:
    """Run every member of an ensemble over a folder of tiles."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ensemble", type=Path, default=ENSEMBLE_DIR)
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for <member>.npz")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    tiles = load(options.tiles)
    for path in sorted(options.ensemble.glob("*.onnx")):
        npz.write(options.out / f"{path.stem}.npz", predict(path, tiles, options.threads))
        print(f"{path.stem}: {len(tiles)} tiles")


if __name__ == "__main__":
    main()
