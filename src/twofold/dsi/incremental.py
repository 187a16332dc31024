"""The autoregressive network, row by row and a few positions at a time, nothing computed twice.

A structure's features are matrices [rows, channels] here, one row for each sample and position. What a
position takes from the rows above is computed for a whole row of all samples at once (``begin_row``);
what it takes from the positions left of it, for a window of positions of each sample (``window``).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.folded import FoldedLayer, FoldedPixelCnn, TiledLayer
from twofold.dsi.folded_linear import FoldedLinear
from twofold.dsi.left_stream import LeftStream, pairs
from twofold.dsi.upper_rows import UpperRows, six_taps

ROWS_OF_CONDITION = 256
"""Positions whose condition is mapped at once; more would need more memory and gain nothing."""


class IncrementalPixelCnn(LeftStream):
    """Computes logits along the raster order for several samples of one condition.

    Usage: ``begin_row(0, ...)``; ``window`` until every position of the row has been computed with the
    right codes left of it; ``begin_row(1, ...)``; and so on.

    Args:
        weights: of the network.
        condition: features of the condition network, shared by the samples.
        samples: number of samples.
        tiles: the upper stream's weights for minimal filtering, where ``tiles_pay``.
    """

    def __init__(
        self,
        weights: FoldedPixelCnn,
        condition: Float[Tensor, "1 c h w"],
        samples: int,
        *,
        tiles: list[TiledLayer] | None = None,
    ) -> None:
        device = condition.device
        super().__init__(weights, samples, (condition.shape[2], condition.shape[3]), device)
        self.condition = ConditionTerms(weights, condition)
        self.upper = UpperRows(weights, samples, self.width, tiles=tiles, device=device)
        self.vectors = self.left.new_zeros(samples, 2, self.width + 2, weights.vectors.shape[1])

    def begin_row(self, row: int, codes_above: Int[Tensor, "n w"] | None) -> None:
        """Compute all that the positions of a row take from the rows above.

        Args:
            row: the row after the last one begun, or 0.
            codes_above: final codes of the row above; None for the first row.
        """
        self.open_row(row)
        up = self._codes_above(codes_above)
        self.upper.open_row()
        up_terms, left_terms = self.condition.row(row)
        self.upper.write(0, up)
        for number, layer in enumerate(self.weights.layers):
            self.upper.write(2 * number + 1, self.upper.convolved(2 * number))
            gated = self.upper.convolved(2 * number + 1, self._repeated(up_terms[number]))
            up = up + F.glu(gated, dim=1)
            self.upper.write(2 * number + 2, up)
            self._above(number, layer, left_terms[number])

    def _codes_above(self, codes_above: Int[Tensor, "n w"] | None) -> Float[Tensor, "nw c"]:
        """The upper stream's input; sets that of the left stream but for the left neighbour's code."""
        if codes_above is None:
            return torch.zeros_like(self.start)
        self.vectors[:, 0] = self.vectors[:, 1]
        self.vectors[:, 1, 1:-1] = F.embedding(codes_above, self.weights.vectors)
        both = self.weights.rows_above(six_taps(self.vectors))
        up, left = both.chunk(2, dim=1)
        self.start.copy_(left)
        return up

    def _repeated(self, terms: Float[Tensor, "w c"]) -> Float[Tensor, "nw c"]:
        """Terms of the condition for every sample."""
        return terms if self.samples == 1 else terms.repeat(self.samples, 1)

    def _above(self, number: int, layer: FoldedLayer, terms: Float[Tensor, "w c"]) -> None:
        """What the left stream of a layer takes from the row above and from the upper stream."""
        upper = self.upper.own(2 * number + 2)
        first, second = (
            pairs(self.left[2 * number + k], self.samples, self.width).flatten(0, 1) for k in (0, 1)
        )
        self.above_first[number] = layer.above_first(torch.cat([first, upper], dim=1))
        self.above_second[number] = layer.above_second(second, self._repeated(terms))


class ConditionTerms:
    """What the condition adds in every layer, a few rows at a time."""

    def __init__(self, weights: FoldedPixelCnn, condition: Float[Tensor, "1 c h w"]) -> None:
        self.maps: list[FoldedLinear] = []
        for layer in weights.layers:
            self.maps += [layer.up_condition, layer.left_condition]
        features = condition[0].float().permute(1, 2, 0)  # h w c
        self.elu = F.elu(torch.cat([features, -features], dim=-1)).to(weights.dtype)
        self.chunk = max(1, ROWS_OF_CONDITION // features.shape[1])
        self.first_row = -1
        self.terms: list[Tensor] = []

    def row(self, row: int) -> tuple[list[Tensor], list[Tensor]]:
        """Terms [w c] of every layer's upper, then left stream."""
        first_row = row // self.chunk * self.chunk
        if first_row != self.first_row:
            rows = self.elu[first_row : first_row + self.chunk]
            flat = rows.reshape(-1, rows.shape[-1])
            self.terms = [linear(flat).view(len(rows), rows.shape[1], -1) for linear in self.maps]
            self.first_row = first_row
        terms = [term[row - first_row] for term in self.terms]
        return terms[0::2], terms[1::2]
