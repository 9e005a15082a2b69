"""Are the networks of `senescope train` valid, and does ONNX Runtime say the same as the program?

usage: retrained.py ENSEMBLE

The golden vectors of a retrained ensemble are what the program's own engine says of some tiles.
"""

import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

# Of logits as they are, and of weights against the greatest.
TOLERANCE = 1e-4


def main() -> None:
    """Compare every member; stop at the first that differs."""
    folder = Path(sys.argv[1])
    golden = numpy.load(folder / "golden.npz", allow_pickle=False)
    members = sorted(folder.glob("*.onnx"))
    assert members, f"{folder} has no network"
    for path in members:
        onnx.checker.check_model(onnx.load(str(path)), full_check=True)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = ["logits", "probs", "features", "cam_weights"]
        answers = [session.run(names, {"tile": tile[None]}) for tile in golden["tiles"]]
        logits, probs, _, weights = (numpy.concatenate(part) for part in zip(*answers, strict=True))
        off = numpy.abs(logits - golden[f"{path.stem}.logits"]).max()
        assert off <= TOLERANCE, f"{path.name}: a logit is {off:.2g} off"
        expected = golden[f"{path.stem}.cam_weights"]
        off_weights = numpy.abs(weights - expected).max() / numpy.abs(expected).max()
        assert off_weights <= TOLERANCE, f"{path.name}: a weight is {off_weights:.2g} off"
        whole = numpy.allclose(probs.sum(1), 1, atol=1e-6)
        assert whole, f"{path.name}: probabilities do not sum to 1"
        print(f"{path.stem}: valid; logits within {off:.1e}, weights within {off_weights:.1e}")


if __name__ == "__main__":
    main()
