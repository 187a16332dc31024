"""Weight-normalized layers: a direction and a length for every output channel.

Parameters are named as in the official weights: ``v`` the directions, ``g`` the lengths, ``b`` the bias.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.same_conv import pad_same

INITIAL_SPREAD = 0.05
"""Deviation of fresh directions; there is no data-dependent initialisation."""
SMALLEST_SQUARE = 1e-12
"""What a convolution's squared norm is raised to, as TensorFlow's ``l2_normalize`` does."""


class WeightNormConv2d(nn.Module):
    """A convolution with bias and TensorFlow's ``SAME`` padding [DSI: weight normalization].

    ``w = g v / |v|`` for each output channel.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: rows and columns of the kernel, or its side.
        stride: 1 or 2.
        dilation: distance of the kernel's taps.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | Sequence[int],
        *,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.kernel = (rows, columns)
        self.stride = stride
        self.dilation = dilation
        self.v = nn.Parameter(torch.randn(out_channels, in_channels, rows, columns) * INITIAL_SPREAD)
        self.g = nn.Parameter(torch.ones(out_channels))
        self.b = nn.Parameter(torch.zeros(out_channels))

    @property
    def weight(self) -> Float[Tensor, "o i kh kw"]:
        """The plain weight: direction times length."""
        squares = self.v.square().sum(dim=(1, 2, 3)).clamp(min=SMALLEST_SQUARE)
        return self.v * (self.g * squares.rsqrt())[:, None, None, None]

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Convolve; height and width are divided by the stride and rounded up."""
        padded = pad_same(features, self.kernel, stride=self.stride, dilation=self.dilation)
        return F.conv2d(padded, self.weight, self.b, stride=self.stride, dilation=self.dilation)


class WeightNormLinear(nn.Module):
    """A linear map of every position's channels, "network in network" [DSI: weight normalization].

    ``w = g v / |v|`` for each output channel.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.randn(out_channels, in_channels) * INITIAL_SPREAD)
        self.g = nn.Parameter(torch.ones(out_channels))
        self.b = nn.Parameter(torch.zeros(out_channels))

    @property
    def weight(self) -> Float[Tensor, "o i"]:
        """The plain weight: direction times length; a zero direction has none, as in the official code."""
        return self.v * (self.g * self.v.square().sum(dim=1).rsqrt())[:, None]

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h w"]:
        """Map channels; every position by itself."""
        return F.conv2d(features, self.weight[:, :, None, None], self.b)
