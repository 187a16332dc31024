"""Convolutions that see only rows above, or only what comes earlier in raster order."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.weight_norm import WeightNormConv2d


def down_shift(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Move every row one down; the first becomes zero, the last is lost."""
    return F.pad(features, (0, 0, 1, 0))[:, :, :-1]


def right_shift(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Move every column one to the right; the first becomes zero, the last is lost."""
    return F.pad(features, (1, 0, 0, 0))[..., :-1]


class DownShiftedConv2d(WeightNormConv2d):
    """Sees its own row and the rows above it, as far left as right [DSI: shifted convolution].

    ``y_ij = b + sum_{p<kh, |q|<=kw/2} W_pq x_{i-p, j+q}``.

    Behind a ``down_shift`` it sees rows above alone.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: rows and columns; columns odd.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: tuple[int, int] = (2, 3)) -> None:
        super().__init__(in_channels, out_channels, kernel)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h w"]:
        """Convolve; the size stays."""
        rows, columns = self.kernel
        side = (columns - 1) // 2
        return F.conv2d(F.pad(features, (side, side, rows - 1, 0)), self.weight, self.b)


class DownRightShiftedConv2d(WeightNormConv2d):
    """Sees its own position, what is left of it, and those columns of rows above [DSI: shifted convolution].

    ``y_ij = b + sum_{p<kh, q<kw} W_pq x_{i-p, j-q}``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: rows and columns.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: tuple[int, int] = (2, 2)) -> None:
        super().__init__(in_channels, out_channels, kernel)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h w"]:
        """Convolve; the size stays."""
        rows, columns = self.kernel
        return F.conv2d(F.pad(features, (columns - 1, 0, rows - 1, 0)), self.weight, self.b)
