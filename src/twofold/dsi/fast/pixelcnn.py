"""The autoregressive network, row by row and a few positions at a time, nothing computed twice.

A structure's features are matrices [rows, channels] here, one row for each sample and position. What a
position takes from the rows above is computed for a whole row of all samples at once (``begin_row``);
what it takes from the positions left of it, for a window of positions of each sample (``horizontal``).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.fast.horizontal import HorizontalStack, pairs
from twofold.dsi.fast.linear import PrepackedLinear
from twofold.dsi.fast.vertical import VerticalStack, six_taps
from twofold.dsi.fast.weights import FusedLayer, FusedPixelCnn


class IncrementalPixelCnn:
    """Computes logits along the raster order for several samples of one condition.

    Usage: ``begin_row(0, ...)``; ``horizontal.window`` until every position of the row has been computed
    with the right codes left of it; ``begin_row(1, ...)``; and so on.

    Args:
        weights: of the network.
        condition: features of the condition network, shared by the samples.
        samples: number of samples.
    """

    def __init__(self, weights: FusedPixelCnn, condition: Float[Tensor, "1 c h w"], samples: int) -> None:
        height, self.width = condition.shape[2:]
        self.weights, self.samples = weights, samples
        self.horizontal = HorizontalStack(weights, samples, (height, self.width), condition.device)
        self._terms = _condition_terms(weights, condition)
        self._vertical = VerticalStack(weights, samples, self.width, condition.device)
        self._vectors = self.horizontal.start.new_zeros(samples, 2, self.width + 2, weights.vectors.shape[1])

    def begin_row(self, row: int, codes_above: Int[Tensor, "n w"] | None) -> None:
        """Compute all that the positions of a row take from the rows above.

        Args:
            row: the row after the last one begun, or 0.
            codes_above: final codes of the row above; None for the first row.
        """
        self.horizontal.open_row(row)
        up = self._codes_above(codes_above)
        self._vertical.open_row()
        self._vertical.write(0, up)
        for number, layer in enumerate(self.weights.layers):
            up_terms, left_terms = (self._repeated(terms[row]) for terms in self._terms[number])
            self._vertical.write(2 * number + 1, self._vertical.convolved(2 * number))
            gated = self._vertical.convolved(2 * number + 1, up_terms)
            up = up + F.glu(gated, dim=1)
            self._vertical.write(2 * number + 2, up)
            self._above(number, layer, left_terms)

    def _codes_above(self, codes_above: Int[Tensor, "n w"] | None) -> Float[Tensor, "nw c"]:
        """The vertical stack's input; sets the horizontal one's but for the left neighbour's code."""
        if codes_above is None:
            return torch.zeros_like(self.horizontal.start)
        self._vectors[:, 0] = self._vectors[:, 1]
        self._vectors[:, 1, 1:-1] = F.embedding(codes_above, self.weights.vectors)
        both = self.weights.rows_above(six_taps(self._vectors))
        up, left = both.chunk(2, dim=1)
        self.horizontal.start.copy_(left)
        return up

    def _repeated(self, terms: Float[Tensor, "w c"]) -> Float[Tensor, "nw c"]:
        """Terms of the condition for every sample."""
        return terms if self.samples == 1 else terms.repeat(self.samples, 1)

    def _above(self, number: int, layer: FusedLayer, terms: Float[Tensor, "nw c"]) -> None:
        """What the horizontal stack of a layer takes from the row above and from the vertical one."""
        horizontal = self.horizontal
        first, second = (
            pairs(horizontal.elu[2 * number + k], self.samples, self.width).flatten(0, 1) for k in (0, 1)
        )
        seen = torch.cat([first, self._vertical.own(2 * number + 2)], dim=1)
        horizontal.above_first[number] = layer.above_first(seen)
        horizontal.above_second[number] = layer.above_second(second, terms)


def _condition_terms(
    weights: FusedPixelCnn, condition: Float[Tensor, "1 c h w"]
) -> list[tuple[Float[Tensor, "h w c2"], Float[Tensor, "h w c2"]]]:
    """What the condition adds in every layer to the vertical and to the horizontal stack."""
    features = condition[0].float().permute(1, 2, 0)  # h w c
    elu = F.elu(torch.cat([features, -features], dim=-1)).to(weights.dtype).flatten(0, 1)

    def mapped(linear: PrepackedLinear) -> Tensor:
        return linear(elu).view(*features.shape[:2], -1)

    return [(mapped(layer.up_condition), mapped(layer.left_condition)) for layer in weights.layers]
