"""The sampler of DSI as two ONNX graphs with caches: what a row takes from above, and a window of it.

The sums are those of ``twofold/dsi/fast/pixelcnn.py`` for one sample. ``l`` counts layers, ``a`` layers with
attention, ``k`` codes; a convolution's input is kept as its ELU, c2 = 2c channels.

``row``, once for every row:

================= ========================= ==============================================================
``codes_above``   int64 [2 w]               codes of the two rows above; ``k`` where there is no such row
``is_first``      bool [1]                  whether this is the first row
``condition``     float32 [w d]             of this row
``up_above``      float32 [2l+1 w c2]       ``up`` of the row above; zeros in the first row
``left_above``    float32 [2l w c2]         ``left`` of the row above, from its windows; the same
``start``         float32 [w c]             out: what the horizontal stack begins with
``above_first``   float32 [l w c]           out: what its first convolutions take from above
``above_second``  float32 [l w c2]          out: the same of its second ones
``up``            float32 [2l+1 w c2]       out: the vertical stack of this row
================= ========================= ==============================================================

``window``, for m neighbouring positions of the row, given guesses of the codes left of each:

================= ========================= ==============================================================
``codes_left``    int64 [m]                 the code left of each position; ``k`` in the first column
``start`` ...     float32 [m c] ...         columns of the row's three results
``left_before``   float32 [2l c2]           ``left`` of the column before; zeros before the first
``keys``          float32 [t a h*kc]        of all earlier positions, behind one of nobody, zeros
``values``        float32 [t a h*vc]        the same
``hidden``        float32 [m t+m]           minus infinity at positions that are not earlier, else 0
``logits``        float32 [m k]             out
``left``          float32 [2l m c2]         out: for the row below, and for the next window's ``left_before``
``new_keys``      float32 [m a h*kc]        out
``new_values``    float32 [m a h*vc]        out
================= ========================= ==============================================================
"""

from typing import cast

import onnx
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.causal_attention import CausalAttention
from twofold.dsi.gated_resnet import GatedResnet, OutResnet
from twofold.dsi.structure import PixelCnn
from twofold.dsi.weight_norm import WeightNormConv2d, WeightNormLinear
from twofold.export.tracing import trace


def concat_elu(features: Tensor) -> Tensor:
    """ELU of features [n c] and of their negatives, [n c2]."""
    return F.elu(torch.cat([features, -features], dim=1))


class Row(nn.Module):
    """All that the positions of a row take from the rows above."""

    def __init__(self, network: PixelCnn, vectors: Tensor) -> None:
        super().__init__()
        self.network = network
        ones = F.pad(vectors.detach().float(), (0, 1), value=1.0)  # the channel of ones
        self.vectors = nn.Buffer(F.pad(ones, (0, 0, 0, 1)))  # and a row of zeros: no code

    def forward(
        self, codes_above: Tensor, is_first: Tensor, condition: Tensor, up_above: Tensor, left_above: Tensor
    ) -> tuple[Tensor, ...]:
        """See the module."""
        network = self.network
        up, start = self._enter(codes_above, is_first)
        elu = concat_elu(condition)
        ups = [concat_elu(up)]
        firsts, seconds = [], []
        for number, (upper, left) in enumerate(network.layers()):
            hidden = _whole(upper.first, _six_taps(up_above[2 * number], ups[-1]))
            ups.append(concat_elu(hidden))
            gated = _whole(upper.second, _six_taps(up_above[2 * number + 1], ups[-1]))
            up = up + F.glu(gated + _linear(upper.from_condition, elu), dim=1)
            ups.append(concat_elu(up))
            above = _row(left.first, _pair(left_above[2 * number]), 0)
            firsts.append(above + left.first.b + _linear(left.from_extra, ups[-1]))
            above = _row(left.second, _pair(left_above[2 * number + 1]), 0)
            seconds.append(above + left.second.b + _linear(left.from_condition, elu))
        return start, torch.stack(firsts), torch.stack(seconds), torch.stack(ups)

    def _enter(self, codes_above: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """What both stacks begin with: nothing in the first row, else two rows of codes."""
        network = self.network
        farther, above = F.embedding(codes_above, self.vectors).unbind()
        up = _whole(network.up_in, _six_taps(farther, above))
        left = _whole(network.left_in_above, torch.cat(_three_taps(above), dim=1))
        # The vector up and to the left of each position.
        left = left + _row(network.left_in_beside, _three_taps(above)[0], 0)
        return torch.where(is_first, 0.0, up), torch.where(is_first, 0.0, left)


class Window(nn.Module):
    """Logits of neighbouring positions of a row."""

    def __init__(self, network: PixelCnn, vectors: Tensor) -> None:
        super().__init__()
        self.network = network
        self.vectors = nn.Buffer(F.pad(vectors.detach().float(), (0, 1), value=1.0))

    def forward(
        self,
        codes_left: Tensor,
        start: Tensor,
        above_first: Tensor,
        above_second: Tensor,
        left_before: Tensor,
        keys: Tensor,
        values: Tensor,
        hidden: Tensor,
    ) -> tuple[Tensor, ...]:
        """See the module."""
        conv = self.network.left_in_beside
        beside = _row(conv, self.vectors, 1) + conv.b
        features = start + F.embedding(codes_left, F.pad(beside, (0, 0, 0, 1)))
        lefts: list[Tensor] = []
        new_keys: list[Tensor] = []
        new_values: list[Tensor] = []
        for number, (_, block) in enumerate(self.network.layers()):
            lefts.append(concat_elu(features))
            inner = _row(block.first, _beside(left_before[2 * number], lefts[-1]), 1) + above_first[number]
            lefts.append(concat_elu(inner))
            inner = _row(block.second, _beside(left_before[2 * number + 1], lefts[-1]), 1)
            inner = F.glu(inner + above_second[number], dim=1)
            if block.attention is not None:
                place = len(new_keys)
                new_keys.append(_linear(block.attention.key, inner))
                new_values.append(_linear(block.attention.value, inner))
                all_keys = torch.cat([keys[:, place], new_keys[-1]])
                all_values = torch.cat([values[:, place], new_values[-1]])
                inner = _attend(block.attention, inner, all_keys, all_values, hidden)
            features = features + inner
        for out_layer in self.network.out_layers:
            features = features + _linear(cast(OutResnet, out_layer).mix, F.elu(features))
        logits = _linear(self.network.to_logits, F.elu(features))
        return logits, torch.stack(lefts), torch.stack(new_keys, dim=1), torch.stack(new_values, dim=1)


def _attend(
    attention: CausalAttention, features: Tensor, keys: Tensor, values: Tensor, hidden: Tensor
) -> Tensor:
    """Add to features [m c] what they find at earlier positions, of keys [t+m h*kc] and values [t+m h*vc]."""
    heads = attention.heads
    query = rearrange(_linear(attention.query, features), "m (h c) -> h m c", h=heads)
    key = rearrange(keys, "t (h c) -> h c t", h=heads)
    value = rearrange(values, "t (h c) -> h t c", h=heads)
    scores = query @ key * attention.key_channels**-0.5 + hidden
    found = rearrange(scores.softmax(dim=-1) @ value, "h m c -> m (h c)")
    return features + _linear(attention.output, found)


def _linear(layer: nn.Module | None, rows: Tensor) -> Tensor:
    linear = cast(WeightNormLinear, layer)
    return F.linear(rows, linear.weight, linear.b)


def _whole(conv: WeightNormConv2d, taps: Tensor) -> Tensor:
    """A convolution of taps [n rows*columns*i], ordered top to bottom, left to right."""
    return F.linear(taps, conv.weight.permute(0, 2, 3, 1).flatten(1), conv.b)


def _row(conv: WeightNormConv2d, taps: Tensor, row: int) -> Tensor:
    """One row of its kernel, without bias; of a kernel of one column the taps are one position each."""
    return F.linear(taps, conv.weight.permute(0, 2, 3, 1)[:, row].flatten(1))


def _three_taps(row: Tensor) -> list[Tensor]:
    """The positions left of, at and right of each in a row [w i]; zeros beyond its ends."""
    padded = F.pad(row, (0, 0, 1, 1))
    return [padded[:-2], padded[1:-1], padded[2:]]


def _six_taps(above: Tensor, here: Tensor) -> Tensor:
    return torch.cat([*_three_taps(above), *_three_taps(here)], dim=1)


def _pair(row: Tensor) -> Tensor:
    """The position left of each in a row, and its own, side by side."""
    return torch.cat([F.pad(row, (0, 0, 1, 0))[:-1], row], dim=1)


def _beside(before: Tensor, window: Tensor) -> Tensor:
    """The same in a window [m i], whose left neighbour is ``before`` [i]."""
    return torch.cat([torch.cat([before[None], window])[:-1], window], dim=1)


def row_graph(network: PixelCnn, vectors: Tensor) -> onnx.ModelProto:
    """Trace ``Row`` of a network on the CPU, in evaluation mode, and the vectors of its codes [k d]."""
    layers, channels, width = len(network.layers()), network.up_in.g.shape[0], 4
    upper = cast(GatedResnet, network.up_layers[0])
    condition = cast(WeightNormLinear, upper.from_condition).v.shape[1] // 2
    inputs = {
        "codes_above": torch.zeros(2, width, dtype=torch.int64),
        "is_first": torch.tensor([False]),
        "condition": torch.zeros(width, condition),
        "up_above": torch.zeros(2 * layers + 1, width, 2 * channels),
        "left_above": torch.zeros(2 * layers, width, 2 * channels),
    }
    columns = torch.export.Dim("columns", min=2)
    axes = {name: {1: columns} for name in ("codes_above", "up_above", "left_above")}
    axes["condition"] = {0: columns}
    outputs = ["start", "above_first", "above_second", "up"]
    return trace(Row(network, vectors).eval(), inputs, outputs, axes=axes)


def window_graph(network: PixelCnn, vectors: Tensor) -> onnx.ModelProto:
    """Trace ``Window``; arguments as of ``row_graph``."""
    layers, channels = len(network.layers()), network.up_in.g.shape[0]
    attentions = [block.attention for _, block in network.layers() if block.attention is not None]
    first = attentions[0]
    earlier, width = 7, 3
    inputs = {
        "codes_left": torch.zeros(width, dtype=torch.int64),
        "start": torch.zeros(width, channels),
        "above_first": torch.zeros(layers, width, channels),
        "above_second": torch.zeros(layers, width, 2 * channels),
        "left_before": torch.zeros(2 * layers, 2 * channels),
        "keys": torch.zeros(earlier, len(attentions), first.heads * first.key_channels),
        "values": torch.zeros(earlier, len(attentions), first.heads * first.value_channels),
        "hidden": torch.zeros(width, earlier + width),
    }
    positions, before = torch.export.Dim("positions"), torch.export.Dim("earlier")
    axes = {name: {1: positions} for name in ("above_first", "above_second")}
    axes |= {name: {0: positions} for name in ("codes_left", "start")}
    axes |= {name: {0: before} for name in ("keys", "values")}
    axes["hidden"] = {0: positions, 1: torch.export.Dim("seen")}
    outputs = ["logits", "left", "new_keys", "new_values"]
    return trace(Window(network, vectors).eval(), inputs, outputs, axes=axes)
