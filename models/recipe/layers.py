"""Layers that more than one backbone consists of."""

from torch import Tensor, nn
from torch.nn import functional


def relu6(x: Tensor) -> Tensor:
    """Clamp to [0, 6]; unlike `functional.relu6` it is exported as one operation."""
    return functional.hardtanh(x, 0.0, 6.0)


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding for even input sizes."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
    ):
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve; stride 2 pads (k−2)//2 before and the rest after."""
        if self.stride[0] == 2:
            total = self.kernel_size[0] - 2
            before, after = total // 2, total - total // 2
            x = functional.pad(x, (before, after, before, after))
        return super().forward(x)
