"""ONNX file of a trained member, with what exact Grad-CAM needs.

Input `tile` float32 1×3×128×128 in [−1, 1]. Outputs: `logits` 1×2, `probs` 1×2 (softmax of the
logits, before the ensemble's temperature), `features` 1×C×h×w (last map A), `cam_weights`
1×2×C with cam_weights[k, c] = ∂logit_k/∂pooled_c /(h·w), the Grad-CAM weight of channel c
(Selvaraju et al. 2017). Large weights are stored as float16 and cast to float32 in the graph.
"""

import argparse
import io
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from .contract import TILE_PIXELS
from .networks import MEMBERS, Network, build
from .onnx_passes import (
    drop_unused_initializers,
    explicit_pool_sizes,
    fold_constants,
    fold_pads,
    halve_weights,
    infer_shapes,
    merge_equal_initializers,
)

OPSET = 13
OUTPUTS = ("logits", "probs", "features", "cam_weights")


class ExplainedNetwork(nn.Module):
    """A network whose outputs include its last map and the Grad-CAM weights of each class."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, tile: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return logits, probs, features and cam_weights of one tile."""
        network = self.network
        features = network.features(tile)
        pooled = torch.flatten(nn.functional.adaptive_avg_pool2d(features, 1), 1)
        hidden = network.dense1(pooled)
        logits = network.dense2(torch.relu(hidden))
        active = (hidden > 0).to(torch.float32).unsqueeze(1)
        area = float(features.shape[2] * features.shape[3])
        weights = torch.matmul(active * (network.dense2.weight / area), network.dense1.weight)
        return logits, torch.softmax(logits, 1), features, weights


def to_onnx(network: Network) -> onnx.ModelProto:
    """Convert a trained network; BatchNorm is folded into the convolutions."""
    network = network.eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracer warns of fixed shapes, which are what is wanted here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            ExplainedNetwork(network).eval(),
            (torch.zeros(1, 3, TILE_PIXELS, TILE_PIXELS),),
            buffer,
            input_names=["tile"],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
        )
    model = onnx.load_from_string(buffer.getvalue())
    fold_constants(model)
    fold_pads(model.graph)
    explicit_pool_sizes(model)
    drop_unused_initializers(model.graph)
    merge_equal_initializers(model.graph)
    halve_weights(model.graph)
    model = infer_shapes(model)
    model.producer_name, model.producer_version = "senescope-recipe", ""
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Export a member from its checkpoint (or, without one, with an untrained head)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--member", choices=sorted(MEMBERS), default="efficientnet-lite0")
    parser.add_argument("--weights", type=Path, help="state dict written by recipe.train")
    parser.add_argument("--seed", type=int, default=1, help="of the head when untrained")
    parser.add_argument("--out", type=Path, required=True, help="the .onnx file to write")
    options = parser.parse_args()
    network = build(MEMBERS[options.member], options.seed)
    if options.weights is not None:
        network.load_state_dict(torch.load(options.weights, map_location="cpu"))
    model = to_onnx(network)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(options.out))
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
