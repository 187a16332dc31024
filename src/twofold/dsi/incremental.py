"""The autoregressive network, row by row and a few positions at a time, nothing computed twice.

A structure's features are matrices [rows, channels] here, one row for each sample and position. What a
position takes from the rows above is computed for a whole row of all samples at once (``begin_row``);
what it takes from the positions left of it, for a window of positions of each sample (``window``).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from twofold.dsi.folded import FoldedAttention, FoldedLayer, FoldedLinear, FoldedPixelCnn

ROWS_OF_CONDITION = 256
"""Positions whose condition is mapped at once; more would need more memory and gain nothing."""


class IncrementalPixelCnn:
    """Computes logits along the raster order for several samples of one condition.

    Usage: ``begin_row(0, ...)``; ``window`` until every position of the row has been computed with the
    right codes left of it; ``begin_row(1, ...)``; and so on.

    Args:
        weights: of the network.
        condition: features of the condition network, shared by the samples.
        samples: number of samples.
    """

    def __init__(self, weights: FoldedPixelCnn, condition: Float[Tensor, "1 c h w"], samples: int) -> None:
        self.weights = weights
        self.samples = samples
        self.height, self.width = condition.shape[2:]
        self.condition = ConditionTerms(weights.layers, condition)
        layers, channels, width = len(weights.layers), weights.channels, self.width

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float32, device=condition.device)

        # ELUs of both convolutions' inputs in every layer, with the columns (and the row) that pad them.
        self.up = zeros(2 * layers + 1, samples, 2, width + 2, 2 * channels)
        self.left = zeros(2 * layers, samples * (width + 1), 2 * channels)
        self.vectors = zeros(samples, 2, width + 2, weights.vectors.shape[1])
        self.above_first = zeros(layers, samples * width, channels)
        self.above_second = zeros(layers, samples * width, 2 * channels)
        self.start = zeros(samples * width, channels)
        positions = self.height * width
        self.memories = {
            number: Memory(layer.attention, samples, positions, condition.device)
            for number, layer in enumerate(weights.layers)
            if layer.attention is not None
        }
        self.scratch = zeros(self.left.numel())
        self.windows: dict[tuple[int, int], tuple[Tensor, list[WindowInput]]] = {}
        self.row = 0
        self.hidden_keys = zeros(width, 1)

    def begin_row(self, row: int, codes_above: Int[Tensor, "n w"] | None) -> None:
        """Compute all that the positions of a row take from the rows above.

        Args:
            row: the row after the last one begun, or 0.
            codes_above: final codes of the row above; None for the first row.
        """
        self.row = row
        self.hidden_keys = _hidden_keys(row, self.width, self.up.device)
        up = self._codes_above(codes_above)
        self.up[:, :, 0] = self.up[:, :, 1]
        up_terms, left_terms = self.condition.row(row)
        self._write_up(0, up)
        for number, layer in enumerate(self.weights.layers):
            self._write_up(2 * number + 1, layer.up_first(self._six_taps(2 * number)))
            gated = layer.up_second(self._six_taps(2 * number + 1), self._repeated(up_terms[number]))
            up = up + F.glu(gated, dim=1)
            self._write_up(2 * number + 2, up)
            self._above(number, layer, left_terms[number])

    def _codes_above(self, codes_above: Int[Tensor, "n w"] | None) -> Float[Tensor, "nw c"]:
        """The upper stream's input; sets that of the left stream but for the left neighbour's code."""
        if codes_above is None:
            return torch.zeros_like(self.start)
        self.vectors[:, 0] = self.vectors[:, 1]
        self.vectors[:, 1, 1:-1] = F.embedding(codes_above, self.weights.vectors)
        both = self.weights.rows_above(_six_taps(self.vectors))
        up, left = both.chunk(2, dim=1)
        self.start.copy_(left)
        return up

    def _write_up(self, index: int, features: Float[Tensor, "nw c"]) -> None:
        channels = features.shape[1]
        target = self.up[index, :, 1, 1:-1]
        features = features.view(self.samples, self.width, channels)
        target[..., :channels].copy_(features)
        torch.neg(features, out=target[..., channels:])
        F.elu_(target)

    def _six_taps(self, index: int) -> Float[Tensor, "nw t"]:
        return _six_taps(self.up[index])

    def _repeated(self, terms: Float[Tensor, "w c"]) -> Float[Tensor, "nw c"]:
        """Terms of the condition for every sample."""
        return terms if self.samples == 1 else terms.repeat(self.samples, 1)

    def _above(self, number: int, layer: FoldedLayer, terms: Float[Tensor, "w c"]) -> None:
        """What the left stream of a layer takes from the row above and from the upper stream."""
        size = self.left.shape[2]
        upper = self.up[2 * number + 2, :, 1, 1:-1].reshape(-1, size)
        first, second = (
            _pairs(self.left[2 * number + k], self.samples, self.width).flatten(0, 1) for k in (0, 1)
        )
        self.above_first[number] = layer.above_first(torch.cat([first, upper], dim=1))
        self.above_second[number] = layer.above_second(second, self._repeated(terms))

    def window(
        self, codes_left: Int[Tensor, "m w"], samples: Int[Tensor, " m"], columns: Int[Tensor, "m w"]
    ) -> Float[Tensor, "m w k"]:
        """Logits of neighbouring positions of the row, given guesses of the codes left of each.

        What is computed for a position is right if all codes left of it in the row were, and replaces what
        was computed for it before.

        Args:
            codes_left: code of each position's left neighbour; the number of codes in the first column.
            samples: which samples to go on with.
            columns: of each sample, ascending by 1, all before them computed.
        """
        features = self.features(codes_left, samples, columns)
        for out_layer in self.weights.out_layers:
            features = out_layer(F.elu(features), features)
        return self.weights.to_logits(F.elu(features)).view(*columns.shape, -1)

    def features(
        self, codes_left: Int[Tensor, "m w"], samples: Int[Tensor, " m"], columns: Int[Tensor, "m w"]
    ) -> Float[Tensor, "mw c"]:
        """What ``window`` computes up to the layers before the logits: all that later positions need."""
        count, width = columns.shape
        weights = self.weights
        flat = (columns + samples[:, None] * self.width).view(-1)
        padded = columns + samples[:, None] * (self.width + 1)  # of the column left of each
        place = Place(samples, columns + self.row * self.width, self.hidden_keys[columns])
        local, inputs = self._local(count, width)
        local[:, :, 0] = self.left.index_select(1, padded[:, 0])
        above_first = self.above_first.index_select(1, flat).unbind()
        above_second = self.above_second.index_select(1, flat).unbind()
        features = self.start.index_select(0, flat)
        features += weights.beside.index_select(0, codes_left.reshape(-1))
        for number, layer in enumerate(weights.layers):
            hidden = layer.left_first(inputs[2 * number](features), above_first[number])
            hidden = layer.left_second(inputs[2 * number + 1](hidden), above_second[number])
            hidden = F.glu(hidden, dim=1)
            if layer.attention is not None:
                hidden = self.memories[number].attend(hidden, place)
            features += hidden
        self.left.index_copy_(1, padded.view(-1) + 1, local[:, :, 1:].flatten(1, 2))
        return features

    def _local(self, count: int, width: int) -> tuple[Float[Tensor, "l2 m w1 c2"], list[WindowInput]]:
        """Where a window's features lie while it is computed; the first column is what is left of it."""
        if (count, width) not in self.windows:
            shape = (len(self.left), count, width + 1, self.left.shape[2])
            local = self.scratch[: math.prod(shape)].view(shape)
            self.windows[count, width] = (local, [WindowInput(features) for features in local])
        return self.windows[count, width]


class WindowInput:
    """A convolution's input in a window: writes features, reads them beside their left neighbours'."""

    def __init__(self, local: Float[Tensor, "m w1 c2"]) -> None:
        count, padded, size = local.shape
        self.shape = (count, padded - 1, size // 2)
        self.target = local[:, 1:]
        self.plain, self.negative = self.target.chunk(2, dim=2)
        self.pairs = _pairs(local, count, padded - 1)

    def __call__(self, features: Float[Tensor, "mw c"]) -> Float[Tensor, "mw c4"]:
        """Write ``concat_elu`` of the features."""
        features = features.view(self.shape)
        self.plain.copy_(features)
        torch.neg(features, out=self.negative)
        F.elu_(self.target)
        return self.pairs.flatten(0, 1)


class ConditionTerms:
    """What the condition adds in every layer, a few rows at a time."""

    def __init__(self, layers: list[FoldedLayer], condition: Float[Tensor, "1 c h w"]) -> None:
        self.maps: list[FoldedLinear] = []
        for layer in layers:
            self.maps += [layer.up_condition, layer.left_condition]
        features = condition[0].float().permute(1, 2, 0)  # h w c
        self.elu = F.elu(torch.cat([features, -features], dim=-1))
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


class Place:
    """Where a window lies."""

    def __init__(self, samples: Tensor, positions: Tensor, hidden_keys: Tensor) -> None:
        self.samples = samples
        self.positions = positions  # m w
        self.hidden_keys = hidden_keys  # m w keys
        self.indices: dict[tuple[int, int], Tensor] = {}

    def index(self, heads: int, length: int) -> Int[Tensor, " m_w_n"]:
        """Rows of a memory [samples heads length] that the window's keys or values go to."""
        if (heads, length) not in self.indices:
            each = torch.arange(heads, device=self.samples.device)
            lines = (self.samples[:, None] * heads + each) * length + 1  # the first key is nobody's
            self.indices[heads, length] = (lines[:, None, :] + self.positions[:, :, None]).view(-1)
        return self.indices[heads, length]


class Memory:
    """Keys and values of one attention layer.

    The first key is nobody's: its value is zero, and the first position of all attends to it alone.
    """

    def __init__(
        self, attention: FoldedAttention, samples: int, positions: int, device: torch.device
    ) -> None:
        self.attention = attention
        lines = (samples, attention.heads, positions + 1)
        self.keys = torch.zeros(*lines, attention.key_channels, device=device)
        self.values = torch.zeros(*lines, attention.value_channels, device=device)

    def attend(self, features: Float[Tensor, "mw c"], place: Place) -> Float[Tensor, "mw c"]:
        """Store the window's keys and values; add to its features what it finds at earlier positions."""
        attention, heads = self.attention, self.attention.heads
        size = heads * attention.key_channels
        mapped = attention.inputs(features)
        count, width, visible = place.hidden_keys.shape
        index = place.index(heads, self.keys.shape[2])
        keys, values = mapped[:, size : 2 * size], mapped[:, 2 * size :]
        self.keys.view(-1, attention.key_channels).index_copy_(
            0, index, keys.reshape(-1, attention.key_channels)
        )
        self.values.view(-1, attention.value_channels).index_copy_(
            0, index, values.reshape(-1, attention.value_channels)
        )
        queries = mapped[:, :size].reshape(count, width, heads, attention.key_channels).transpose(1, 2)
        found = torch.empty(count, width, heads, attention.value_channels, device=features.device)
        for number, sample in enumerate(place.samples.tolist()):
            # One sample after the other: its keys are read where they lie.
            scores = torch.baddbmm(
                place.hidden_keys[number],
                queries[number],
                self.keys[sample, :, :visible].transpose(1, 2),
            )
            weighed = torch.bmm(scores.softmax(dim=-1), self.values[sample, :, :visible])
            found[number] = weighed.transpose(0, 1)
        return attention.output(found.view(count * width, -1), features)


def _six_taps(rows: Float[Tensor, "n 2 w2 c"]) -> Float[Tensor, "nw c6"]:
    """For every position the row above and its own row, each at three columns, side by side."""
    samples, _, padded, size = rows.shape
    width, strides = padded - 2, rows.stride()
    taps = rows.as_strided(
        (samples, width, 2, 3 * size), (strides[0], size, strides[1], 1), rows.storage_offset()
    )
    return taps.reshape(samples * width, 6 * size)


def _pairs(rows: Float[Tensor, "*b c"], samples: int, width: int) -> Float[Tensor, "n w c2"]:
    """For every position the column left of it and its own, side by side; a view."""
    size = rows.shape[-1]
    shape, strides = (samples, width, 2 * size), ((width + 1) * size, size, 1)
    return rows.as_strided(shape, strides, rows.storage_offset())


def _hidden_keys(row: int, width: int, device: torch.device) -> Float[Tensor, "w keys"]:
    """For every column of a row, minus infinity at all keys that are not earlier; see ``Memory``."""
    hidden = torch.zeros(width, 1 + (row + 1) * width, device=device)
    hidden[:, 1 + row * width :] = torch.full((width, width), float("-inf"), device=device).triu()
    hidden[:, 0] = float("-inf")
    if row == 0:
        hidden[0, 0] = 0.0
    return hidden
