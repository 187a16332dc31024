"""Gated convolutions, the layers of the texture generator."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.same_conv import SameConv2d


class GatedConv2d(nn.Module):
    """A convolution whose every value has a gate of its own [DSI: gated convolution].

    ``y = elu(W_f * x) sigmoid(W_g * x)``.

    One convolution makes both: the features are the first half of its channels, the gates the second.

    Args:
        in_channels: channels of the input.
        out_channels: channels that come out; the convolution inside has twice as many.
        kernel: side of the kernel.
        stride: 1 or 2.
        dilation: distance of the kernel's taps.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(in_channels, 2 * out_channels, kernel, stride=stride, dilation=dilation)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Convolve and gate; height and width are divided by the stride and rounded up."""
        values, gate = self.conv(features).chunk(2, dim=1)
        return F.elu(values) * gate.sigmoid()


class GatedUp(GatedConv2d):
    """Repeats every pixel twice down and across, then convolves 3x3 and gates."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Double height and width."""
        return super().forward(F.interpolate(features, scale_factor=2, mode="nearest"))
