"""The horizontal stack of the autoregressive network, along a row, for a window of positions at a time.

A structure's features are matrices [rows, channels] here, one row for each sample and position.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.fast.kv_cache import KvCache, causal_mask
from twofold.dsi.fast.vertical import ConcatElu
from twofold.dsi.fast.weights import FusedPixelCnn


class HorizontalStack:
    """What positions take from those left of them in a row, and the logits that follow.

    What the rows above give is set by ``IncrementalPixelCnn``, or borrowed from a stack of another precision.

    Args:
        weights: of the network, whose precision this works in.
        samples: number of samples.
        size: rows and columns of the grid.
        device: where everything is.

    Attributes:
        elu: of both convolutions' inputs in every layer, ``concat_elu`` with the column that pads them.
        start: what positions take from the codes above; set for every row, like the next two.
        above_first: what the first convolution of every layer takes from above.
        above_second: the same of the second one.
    """

    def __init__(
        self, weights: FusedPixelCnn, samples: int, size: tuple[int, int], device: torch.device
    ) -> None:
        self.weights = weights
        self.samples = samples
        self.height, self.width = height, width = size
        layers, channels = len(weights.layers), weights.channels

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=weights.dtype, device=device)

        self.elu = zeros(2 * layers, samples * (width + 1), 2 * channels)
        self.start = zeros(samples * width, channels)
        self.above_first = zeros(layers, samples * width, channels)
        self.above_second = zeros(layers, samples * width, 2 * channels)
        self._caches = {
            number: KvCache(layer.attention, samples, height * width, self.start)
            for number, layer in enumerate(weights.layers)
            if layer.attention is not None
        }
        self._scratch = zeros(self.elu.numel())
        # What the attention of each position found when it was last looked at.
        self._found = {number: torch.zeros_like(self.start) for number in self._caches}
        self._windows: dict[tuple[int, int], tuple[Tensor, list[WindowInput]]] = {}
        self.open_row(0)

    def open_row(self, row: int) -> None:
        """Go on to a row."""
        self.row = row
        self._mask = causal_mask(row, self.width, self.start)

    def borrow_row(self, other: HorizontalStack) -> None:
        """Go on to the row of a stack of another precision, with what that one knows of the rows above."""
        self.open_row(other.row)
        self.above_first.copy_(other.above_first)
        self.above_second.copy_(other.above_second)
        self.start.copy_(other.start)
        for number, cache in self._caches.items():
            cache.copy_row(other._caches[number], self.row - 1, self.width)

    def borrow_found(self, other: HorizontalStack) -> None:
        """Take over what another stack's attention found."""
        for number, found in self._found.items():
            found.copy_(other._found[number])

    def window(
        self,
        codes_left: Int[Tensor, "m w"],
        samples: Int[Tensor, " m"],
        columns: Int[Tensor, "m w"],
        *,
        look: bool = True,
    ) -> Float[Tensor, "m w k"]:
        """Logits of neighbouring positions of the row, given guesses of the codes left of each.

        What is computed for a position is right if all codes left of it in the row were, and replaces what
        was computed for it before.

        Args:
            codes_left: code of each position's left neighbour; the number of codes in the first column.
            samples: which samples to go on with.
            columns: neighbouring columns of each sample; all left of the first have been computed.
            look: False saves the attention and takes what it found last time, which is nearly right.
        """
        features = self.features(codes_left, samples, columns, look=look)
        for mix in self.weights.out_layers:
            features = mix(F.elu(features), features)
        logits = self.weights.to_logits(F.elu(features.float()))
        return logits.view(*columns.shape, -1)

    def features(
        self,
        codes_left: Int[Tensor, "m w"],
        samples: Int[Tensor, " m"],
        columns: Int[Tensor, "m w"],
        *,
        look: bool = True,
    ) -> Float[Tensor, "mw c"]:
        """What ``window`` computes up to the layers before the logits: all that later positions need."""
        count, width = columns.shape
        weights = self.weights
        flat = (columns + samples[:, None] * self.width).view(-1)
        padded = columns + samples[:, None] * (self.width + 1)  # of the column left of each
        place = samples.tolist(), columns[:, 0].tolist()
        whole = count * width == self.samples * self.width
        local, inputs = self._local(count, width)
        if not whole:
            local[:, :, 0] = self.elu.index_select(1, padded[:, 0])
        above_first = (self.above_first if whole else self.above_first.index_select(1, flat)).unbind()
        above_second = (self.above_second if whole else self.above_second.index_select(1, flat)).unbind()
        features = self.start.index_select(0, flat)
        features += weights.beside.index_select(0, codes_left.reshape(-1))
        for number, layer in enumerate(weights.layers):
            hidden = layer.left_first(inputs[2 * number](features), above_first[number])
            hidden = layer.left_second(inputs[2 * number + 1](hidden), above_second[number])
            hidden = F.glu(hidden, dim=1)
            features += hidden
            if number in self._caches:
                if look:
                    found = self._caches[number].attend(hidden, *place, self._mask)
                    self._found[number][flat] = found
                else:
                    found = self._found[number][flat]
                features += found
        if not whole:
            self.elu.index_copy_(1, padded.view(-1) + 1, local[:, :, 1:].flatten(1, 2))
        return features

    def _local(self, count: int, width: int) -> tuple[Float[Tensor, "l2 m w1 c2"], list[WindowInput]]:
        """Where a window's features lie while it is computed; the first column is what is left of it.

        Whole rows of all samples are computed where they belong.
        """
        if (count, width) not in self._windows:
            shape = (len(self.elu), count, width + 1, self.elu.shape[2])
            place = self.elu if count * width == self.samples * self.width else self._scratch
            local = place.view(-1)[: math.prod(shape)].view(shape)
            self._windows[count, width] = (local, [WindowInput(features) for features in local])
        return self._windows[count, width]


class WindowInput:
    """A convolution's input in a window: writes features, reads them beside their left neighbours'."""

    def __init__(self, local: Float[Tensor, "m w1 c2"]) -> None:
        count, padded, size = local.shape
        self.shape = (count, padded - 1, size // 2)
        self.write = ConcatElu(local[:, 1:])
        self.pairs = pairs(local, count, padded - 1)

    def __call__(self, features: Float[Tensor, "mw c"]) -> Float[Tensor, "mw c4"]:
        """Write ``concat_elu`` of the features."""
        self.write(features.view(self.shape))
        return self.pairs.flatten(0, 1)


def pairs(rows: Float[Tensor, "*b c"], samples: int, width: int) -> Float[Tensor, "n w c2"]:
    """For every position the column left of it and its own, side by side; a view."""
    size = rows.shape[-1]
    shape, strides = (samples, width, 2 * size), ((width + 1) * size, size, 1)
    return rows.as_strided(shape, strides, rows.storage_offset())
