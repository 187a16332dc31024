"""What the vertical stack of the autoregressive network keeps of two rows, and its convolutions of them."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.fast.weights import FusedPixelCnn


class VerticalStack:
    """``concat_elu`` of what every convolution of the vertical stack sees: the row above and its own row.

    A structure's features are matrices [samples x width, channels]. Convolution 2 l is the first of layer
    l, convolution 2 l + 1 its second; the last input of all is nobody's but the horizontal stack's.

    Args:
        weights: of the network.
        samples: number of samples.
        width: columns of the grid.
        device: where everything is.
    """

    def __init__(self, weights: FusedPixelCnn, samples: int, width: int, device: torch.device) -> None:
        self.samples, self.width = samples, width
        self.convs = [conv for layer in weights.layers for conv in (layer.up_first, layer.up_second)]
        shape = (len(self.convs) + 1, samples, 2, width + 2, 2 * weights.channels)
        self.rows = torch.zeros(shape, dtype=weights.dtype, device=device)
        self.written = [ConcatElu(own[:, 1, 1:-1]) for own in self.rows]

    def open_row(self) -> None:
        """What was the own row is the row above now."""
        self.rows[:, :, 0] = self.rows[:, :, 1]

    def write(self, index: int, features: Float[Tensor, "nw c"]) -> None:
        """Give the input of a convolution in the own row."""
        self.written[index](features.view(self.samples, self.width, -1))

    def own(self, index: int) -> Float[Tensor, "nw c2"]:
        """What was written."""
        return self.written[index].target.flatten(0, 1)

    def convolved(self, index: int, plus: Float[Tensor, "nw o"] | None = None) -> Float[Tensor, "nw o"]:
        """What a convolution makes of both rows, and ``plus``."""
        return self.convs[index](six_taps(self.rows[index]), plus)


class ConcatElu:
    """Writes ``elu`` of features and of their negatives, side by side, always to the same place.

    Args:
        target: is written.
    """

    def __init__(self, target: Float[Tensor, "n w c2"]) -> None:
        self.target = target
        self.plain, self.negative = target.chunk(2, dim=2)

    def __call__(self, features: Float[Tensor, "n w c"]) -> None:
        """Write those of these features."""
        self.plain.copy_(features)
        torch.neg(features, out=self.negative)
        F.elu_(self.target)


def six_taps(rows: Float[Tensor, "n 2 w2 c"]) -> Float[Tensor, "nw c6"]:
    """For every position the row above and its own row, each at three columns, side by side."""
    samples, _, padded, size = rows.shape
    width, strides = padded - 2, rows.stride()
    taps = rows.as_strided(
        (samples, width, 2, 3 * size), (strides[0], size, strides[1], 1), rows.storage_offset()
    )
    return taps.reshape(samples * width, 6 * size)
