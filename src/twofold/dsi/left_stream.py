"""The part of the autoregressive network that runs along a row, for a window of positions at a time.

A structure's features are matrices [rows, channels] here, one row for each sample and position.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.folded import FoldedAttention, FoldedPixelCnn
from twofold.dsi.upper_rows import ConcatElu


class LeftStream:
    """What positions take from those left of them in a row, and the logits that follow.

    Works in the precision of its weights. What the rows above give is set by ``IncrementalPixelCnn``, or
    borrowed from one of another precision.

    Args:
        weights: of the network.
        samples: number of samples.
        size: rows and columns of the grid.
        device: where everything is.
    """

    def __init__(
        self, weights: FoldedPixelCnn, samples: int, size: tuple[int, int], device: torch.device
    ) -> None:
        self.weights = weights
        self.samples = samples
        self.height, self.width = height, width = size
        layers, channels = len(weights.layers), weights.channels

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=weights.dtype, device=device)

        # ELUs of both convolutions' inputs in every layer, with the column that pads them.
        self.left = zeros(2 * layers, samples * (width + 1), 2 * channels)
        self.above_first = zeros(layers, samples * width, channels)
        self.above_second = zeros(layers, samples * width, 2 * channels)
        self.start = zeros(samples * width, channels)
        self.memories = {
            number: Memory(layer.attention, samples, height * width, weights.dtype, device)
            for number, layer in enumerate(weights.layers)
            if layer.attention is not None
        }
        # What the attention of each position found when it was last looked at.
        self.found = {number: torch.zeros_like(self.start) for number in self.memories}
        self.scratch = zeros(self.left.numel())
        self.windows: dict[tuple[int, int], tuple[Tensor, list[WindowInput]]] = {}
        self.row = 0
        self.hidden_keys = zeros(width, 1)

    def open_row(self, row: int) -> None:
        """Go on to a row."""
        self.row = row
        self.hidden_keys = _hidden_keys(row, self.width, self.left)

    def borrow_row(self, other: LeftStream) -> None:
        """Go on to the row that another stream has begun, with what that one knows of the rows above."""
        self.open_row(other.row)
        self.above_first.copy_(other.above_first)
        self.above_second.copy_(other.above_second)
        self.start.copy_(other.start)
        for number, memory in self.memories.items():
            memory.copy_row(other.memories[number], self.row - 1, self.width)

    def borrow_found(self, other: LeftStream) -> None:
        """Take over what another stream's attention found."""
        for number, found in self.found.items():
            found.copy_(other.found[number])

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
        place = Place(samples.tolist(), columns[:, 0].tolist(), self)
        whole = count * width == self.samples * self.width
        local, inputs = self._local(count, width)
        if not whole:
            local[:, :, 0] = self.left.index_select(1, padded[:, 0])
        above_first = (self.above_first if whole else self.above_first.index_select(1, flat)).unbind()
        above_second = (self.above_second if whole else self.above_second.index_select(1, flat)).unbind()
        features = self.start.index_select(0, flat)
        features += weights.beside.index_select(0, codes_left.reshape(-1))
        for number, layer in enumerate(weights.layers):
            hidden = layer.left_first(inputs[2 * number](features), above_first[number])
            hidden = layer.left_second(inputs[2 * number + 1](hidden), above_second[number])
            hidden = F.glu(hidden, dim=1)
            features += hidden
            if layer.attention is not None:
                if look:
                    self.found[number][flat] = self.memories[number].find(hidden, place)
                features += self.found[number][flat]
        if not whole:
            self.left.index_copy_(1, padded.view(-1) + 1, local[:, :, 1:].flatten(1, 2))
        return features

    def _local(self, count: int, width: int) -> tuple[Float[Tensor, "l2 m w1 c2"], list[WindowInput]]:
        """Where a window's features lie while it is computed; the first column is what is left of it.

        Whole rows of all samples are computed where they belong.
        """
        if (count, width) not in self.windows:
            shape = (len(self.left), count, width + 1, self.left.shape[2])
            place = self.left if count * width == self.samples * self.width else self.scratch
            local = place.view(-1)[: math.prod(shape)].view(shape)
            self.windows[count, width] = (local, [WindowInput(features) for features in local])
        return self.windows[count, width]


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


class Place:
    """Where a window lies, and which keys its positions may not see."""

    def __init__(self, samples: list[int], columns: list[int], stream: LeftStream) -> None:
        self.samples = samples
        # The first key is nobody's.
        self.keys = [1 + stream.row * stream.width + column for column in columns]
        self.columns = columns
        self.hidden_keys = stream.hidden_keys  # w keys


class Memory:
    """Keys and values of one attention layer.

    The first key is nobody's: its value is zero, and the first position of all attends to it alone.
    """

    def __init__(
        self,
        attention: FoldedAttention,
        samples: int,
        positions: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.attention = attention
        lines = (samples, attention.heads, positions + 1)
        self.keys = torch.zeros(*lines, attention.key_channels, dtype=dtype, device=device)
        self.values = torch.zeros(*lines, attention.value_channels, dtype=dtype, device=device)

    def copy_row(self, other: Memory, row: int, width: int) -> None:
        """Take over the keys and values of a row; there are none above the first."""
        if row >= 0:
            here = slice(1 + row * width, 1 + (row + 1) * width)
            self.keys[:, :, here] = other.keys[:, :, here]
            self.values[:, :, here] = other.values[:, :, here]

    def find(self, features: Float[Tensor, "mw c"], place: Place) -> Float[Tensor, "mw c"]:
        """Store the window's keys and values; what it finds at earlier positions, as features."""
        attention, heads = self.attention, self.attention.heads
        mapped = attention.inputs(features)
        count = len(place.samples)
        visible = place.hidden_keys.shape[1]
        sizes = [heads * attention.key_channels] * 2 + [heads * attention.value_channels]
        # m heads w channels
        queries, keys, values = (
            part.view(count, -1, heads, part.shape[1] // heads).transpose(1, 2)
            for part in torch.split(mapped, sizes, dim=1)
        )
        width = queries.shape[2]
        found = features.new_empty(count, width, heads, attention.value_channels)
        for number, sample in enumerate(place.samples):
            # One sample after the other: its keys are read where they lie.
            first, column = place.keys[number], place.columns[number]
            own_keys, own_values = self.keys[sample], self.values[sample]
            own_keys[:, first : first + width] = keys[number]
            own_values[:, first : first + width] = values[number]
            scores = torch.baddbmm(
                place.hidden_keys[column : column + width],
                queries[number],
                own_keys[:, :visible].transpose(1, 2),
            )
            weighed = torch.bmm(scores.softmax(dim=-1), own_values[:, :visible])
            found[number] = weighed.transpose(0, 1)
        return attention.output(found.view(count * width, -1))


def pairs(rows: Float[Tensor, "*b c"], samples: int, width: int) -> Float[Tensor, "n w c2"]:
    """For every position the column left of it and its own, side by side; a view."""
    size = rows.shape[-1]
    shape, strides = (samples, width, 2 * size), ((width + 1) * size, size, 1)
    return rows.as_strided(shape, strides, rows.storage_offset())


def _hidden_keys(row: int, width: int, like: Tensor) -> Float[Tensor, "w keys"]:
    """For every column of a row, minus infinity at all keys that are not earlier; see ``Memory``."""
    hidden = like.new_zeros(width, 1 + (row + 1) * width)
    hidden[:, 1 + row * width :] = like.new_full((width, width), float("-inf")).triu()
    hidden[:, 0] = float("-inf")
    if row == 0:
        hidden[0, 0] = 0.0
    return hidden
