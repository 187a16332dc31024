"""What the upper stream of the autoregressive network keeps of two rows, and its convolutions of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.folded import FoldedPixelCnn, TiledLayer
from twofold.dsi.minimal_conv import TAPS, write_tiles

TILED_ROWS = 128
"""Positions of all samples in a row from which on tiles save time; below, weights are read too often."""

MANY = 2**13
"""Numbers from which on an exponential costs more than calling three more operators."""


class UpperRows:
    """``concat_elu`` of what every convolution of the upper stream sees: the row above and its own row.

    A structure's features are matrices [samples x width, channels]. Convolution 2 l is the first of layer
    l, convolution 2 l + 1 its second; the last input of all is nobody's but the left stream's.

    Args:
        weights: of the network.
        samples: number of samples.
        width: columns of the grid.
        tiles: the same weights for minimal filtering, for even widths; None sums taps one by one.
        device: where everything is.
    """

    def __init__(
        self,
        weights: FoldedPixelCnn,
        samples: int,
        width: int,
        *,
        tiles: list[TiledLayer] | None,
        device: torch.device,
    ) -> None:
        self.samples, self.width = samples, width
        self.convs = [conv for layer in tiles or weights.layers for conv in (layer.up_first, layer.up_second)]
        inputs, size = len(self.convs) + 1, 2 * weights.channels
        # The row above is kept only where taps are summed one by one: tiles have their own of it.
        rows = 2 if tiles is None else 1
        self.rows = torch.zeros(inputs, samples, rows, width + 2, size, dtype=weights.dtype, device=device)
        self.written = [ConcatElu(own[:, -1, 1:-1]) for own in self.rows]
        shape = (inputs - 1, TAPS, samples, width // 2, 2, size)
        self.tiles = None if tiles is None else torch.zeros(shape, dtype=weights.dtype, device=device)

    def open_row(self) -> None:
        """What was the own row is the row above now."""
        if self.tiles is None:
            self.rows[:, :, 0] = self.rows[:, :, 1]
        else:
            self.tiles[..., 0, :] = self.tiles[..., 1, :]

    def write(self, index: int, features: Float[Tensor, "nw c"]) -> None:
        """Give the input of a convolution in the own row."""
        self.written[index](features.view(self.samples, self.width, -1))
        if self.tiles is not None and index < len(self.tiles):
            write_tiles(self.rows[index, :, -1], self.tiles[index, :, :, :, 1])

    def own(self, index: int) -> Float[Tensor, "nw c2"]:
        """What was written."""
        return self.written[index].target.flatten(0, 1)

    def convolved(self, index: int, plus: Float[Tensor, "nw o"] | None = None) -> Float[Tensor, "nw o"]:
        """What a convolution makes of both rows, and ``plus``."""
        if self.tiles is None:
            inputs = six_taps(self.rows[index])
        else:
            inputs = self.tiles[index].flatten(3).flatten(1, 2)
        return self.convs[index](inputs, plus)


def tiles_pay(weights: FoldedPixelCnn, samples: int, width: int) -> bool:
    """Whether minimal filtering saves time, and leaves float32's precision as it is."""
    return weights.dtype == torch.float32 and width % 2 == 0 and samples * width >= TILED_ROWS


class ConcatElu:
    """Writes ``elu`` of features and of their negatives, side by side, always to the same place.

    Args:
        target: is written.
    """

    def __init__(self, target: Float[Tensor, "n w c2"]) -> None:
        self.target = target
        self.plain, self.negative = target.chunk(2, dim=2)
        self.many = self.plain.numel() >= MANY

    def __call__(self, features: Float[Tensor, "n w c"]) -> None:
        """Write those of these features.

        Where there are many, both take the same exponential: of a number and its negative, the one above 0
        is its own ELU.
        """
        if self.many:
            below = features.abs().neg_().expm1_()
            torch.maximum(features, below, out=self.plain)
            torch.maximum(features.neg(), below, out=self.negative)
        else:
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
