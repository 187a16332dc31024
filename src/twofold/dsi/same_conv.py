"""Convolutions padded as TensorFlow pads them with ``SAME``, which the official weights depend on."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def same_padding(length: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after an axis so that a convolution gives ``ceil(length / stride)`` values.

    An odd total puts the larger half behind, a quirk that the official weights depend on: a 3x3
    convolution of stride 2 pads nothing above and one row below.
    """
    out = -(-length // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
    return total // 2, total - total // 2


def pad_same(
    features: Float[Tensor, "b c h w"], kernel: Sequence[int], *, stride: int = 1, dilation: int = 1
) -> Float[Tensor, "b c h2 w2"]:
    """Pad height and width with zeros for a ``SAME`` convolution of this kernel (rows, columns)."""
    height, width = features.shape[-2:]
    top, bottom = same_padding(height, kernel[0], stride=stride, dilation=dilation)
    left, right = same_padding(width, kernel[1], stride=stride, dilation=dilation)
    return F.pad(features, (left, right, top, bottom)) if top or bottom or left or right else features


class SameConv2d(nn.Conv2d):
    """A square convolution with bias and TensorFlow's ``SAME`` padding.

    Fresh weights are drawn from a normal distribution cut at two deviations, as the official code does.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: side of the kernel.
        stride: 1 or 2.
        dilation: distance of the kernel's taps.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, dilation=dilation)
        spread = (kernel * kernel * in_channels) ** -0.5
        nn.init.trunc_normal_(self.weight, std=spread, a=-2 * spread, b=2 * spread)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]  # this convolution has a bias

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Convolve; height and width are divided by the stride and rounded up."""
        (stride, _), (dilation, _) = self.stride, self.dilation
        return super().forward(pad_same(features, self.kernel_size, stride=stride, dilation=dilation))
