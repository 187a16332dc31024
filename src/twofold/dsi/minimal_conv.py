"""A convolution over two rows, three columns wide, with a third less multiplications.

Winograd's minimal filtering F(2, 3): two neighbouring columns of the answer take four products of sums of
inputs and of weights instead of six. Sums and products are exact in real numbers; in float32 the result
differs from the plain sum's by as much as that differs under another order of summation.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.dsi.folded_linear import FoldedLinear

TAPS = 4
"""Products for two columns."""


class MinimalConv:
    """Weights of such a convolution; takes what ``write_tiles`` has written.

    Args:
        weight: plain weights: outputs, rows, columns, inputs.
        bias: None adds none.
    """

    def __init__(self, weight: Float[Tensor, "o 2 3 i"], bias: Float[Tensor, " o"] | None = None) -> None:
        left, middle, right = weight.unbind(dim=2)
        outer = left + right
        # The bias belongs to the first column's and to the second column's own product.
        self.left = FoldedLinear(left.flatten(1), bias)
        self.sum = FoldedLinear(((outer + middle) / 2).flatten(1))
        self.difference = FoldedLinear(((outer - middle) / 2).flatten(1))
        self.right = FoldedLinear(-right.flatten(1), bias)

    def __call__(
        self, tiles: Float[Tensor, "4 m i2"], plus: Float[Tensor, "m2 o"] | None = None
    ) -> Float[Tensor, "m2 o"]:
        """The convolution, and ``plus``; rows 2 k and 2 k + 1 of the answer are the columns of tile k."""
        added, subtracted = self.sum(tiles[1]), self.difference(tiles[2])
        first = self.left(tiles[0], added + subtracted)
        second = self.right(tiles[3], added - subtracted)
        answer = torch.stack([first, second], dim=1).flatten(0, 1)
        return answer if plus is None else answer.add_(plus)


def write_tiles(row: Float[Tensor, "n w2 i"], tiles: Float[Tensor, "4 n t i"]) -> None:
    """The sums of a row's columns that four products of ``MinimalConv`` take.

    Args:
        row: features of a row with a column of padding on either side; an even number of columns.
        tiles: is written; half as many as the row has columns without padding.
    """
    even, odd = row[:, 0::2], row[:, 1::2]
    torch.sub(even[:, :-1], even[:, 1:], out=tiles[0])
    torch.add(odd[:, :-1], even[:, 1:], out=tiles[1])
    torch.sub(even[:, 1:], odd[:, :-1], out=tiles[2])
    torch.sub(odd[:, :-1], odd[:, 1:], out=tiles[3])
