"""The keys and values of causal attention at all positions so far."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.dsi.fast.weights import FusedAttention


class KvCache:
    """Keys and values of one attention layer.

    The first key is nobody's: its value is zero, and the first position of all attends to it alone.

    Args:
        attention: weights of the layer.
        samples: number of samples.
        positions: of the grid.
        like: of the cache's precision, where the cache is to be.
    """

    def __init__(self, attention: FusedAttention, samples: int, positions: int, like: Tensor) -> None:
        self.attention = attention
        lines = (samples, attention.heads, positions + 1)
        self.keys = like.new_zeros(*lines, attention.key_channels)
        self.values = like.new_zeros(*lines, attention.value_channels)

    def copy_row(self, other: KvCache, row: int, width: int) -> None:
        """Take over the keys and values of a row; there are none above the first."""
        if row >= 0:
            here = slice(1 + row * width, 1 + (row + 1) * width)
            self.keys[:, :, here] = other.keys[:, :, here]
            self.values[:, :, here] = other.values[:, :, here]

    def attend(
        self,
        features: Float[Tensor, "mw c"],
        samples: Sequence[int],
        columns: Sequence[int],
        mask: Float[Tensor, "row_width visible"],
    ) -> Float[Tensor, "mw c"]:
        """Store a window's keys and values; what it finds at earlier positions, as features.

        Args:
            features: of neighbouring positions of m samples.
            samples: their numbers.
            columns: the first column of each one's window.
            mask: ``causal_mask`` of the row.
        """
        attention, heads = self.attention, self.attention.heads
        mapped = attention.inputs(features)
        count, visible = len(samples), mask.shape[1]
        sizes = [heads * attention.key_channels] * 2 + [heads * attention.value_channels]
        # m heads w channels
        queries, keys, values = (
            part.view(count, -1, heads, part.shape[1] // heads).transpose(1, 2)
            for part in torch.split(mapped, sizes, dim=1)
        )
        width = queries.shape[2]
        found = features.new_empty(count, width, heads, attention.value_channels)
        for number, (sample, column) in enumerate(zip(samples, columns, strict=True)):
            # One sample after the other: its keys are read where they lie.
            first = visible - len(mask) + column
            own_keys, own_values = self.keys[sample], self.values[sample]
            own_keys[:, first : first + width] = keys[number]
            own_values[:, first : first + width] = values[number]
            scores = torch.baddbmm(
                mask[column : column + width], queries[number], own_keys[:, :visible].transpose(1, 2)
            )
            weighed = torch.bmm(scores.softmax(dim=-1), own_values[:, :visible])
            found[number] = weighed.transpose(0, 1)
        return attention.output(found.view(count * width, -1))


def causal_mask(row: int, width: int, like: Tensor) -> Float[Tensor, "width visible"]:
    """For every column of a row, minus infinity at all keys of a ``KvCache`` that are not earlier."""
    mask = like.new_zeros(width, 1 + (row + 1) * width)
    mask[:, 1 + row * width :] = like.new_full((width, width), float("-inf")).triu()
    mask[:, 0] = float("-inf")
    if row == 0:
        mask[0, 0] = 0.0
    return mask
