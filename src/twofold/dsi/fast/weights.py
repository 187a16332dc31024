"""The weights of the autoregressive network, fused and prepacked for incremental sampling."""

from dataclasses import dataclass
from functools import partial
from typing import cast
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.dsi.causal_attention import CausalAttention
from twofold.dsi.fast.linear import PrepackedLinear
from twofold.dsi.gated_resnet import GatedResnet, OutResnet
from twofold.dsi.structure import PixelCnn
from twofold.dsi.weight_norm import WeightNormConv2d, WeightNormLinear


@dataclass(frozen=True, eq=False)
class FusedAttention:
    """Causal attention; queries carry the softmax' scale.

    Attributes:
        inputs: queries, keys and values in one product.
        output: back to the features.
        heads: number of heads.
        key_channels: channels of a head's queries and keys.
        value_channels: channels of a head's values.
    """

    inputs: PrepackedLinear
    output: PrepackedLinear
    heads: int
    key_channels: int
    value_channels: int


@dataclass(frozen=True, eq=False)
class FusedLayer:
    """One layer of both stacks; taps are ordered top to bottom, left to right.

    Attributes:
        up_first: six taps of the vertical stack's first convolution.
        up_second: those of its second one, without bias.
        up_condition: the condition's share of that, with its bias.
        above_first: the two taps in the row above of the horizontal stack's first convolution, and what
            comes from the vertical stack.
        above_second: the two taps in the row above of its second one, without bias.
        left_condition: the condition's share of that, with its bias.
        left_first: the two taps in the row of the horizontal stack's first convolution.
        left_second: those of its second one.
        attention: None in most layers.
    """

    up_first: PrepackedLinear
    up_second: PrepackedLinear
    up_condition: PrepackedLinear
    above_first: PrepackedLinear
    above_second: PrepackedLinear
    left_condition: PrepackedLinear
    left_first: PrepackedLinear
    left_second: PrepackedLinear
    attention: FusedAttention | None


class FusedPixelCnn:
    """Plain weights of a ``PixelCnn``, arranged as products over rows of features.

    Args:
        network: is only read.
        vectors: the codes' vectors.
        dtype: of the weights and of all features but for the logits, which are float32.
    """

    def __init__(
        self, network: PixelCnn, vectors: Float[Tensor, "k d"], dtype: torch.dtype = torch.float32
    ) -> None:
        self.dtype = dtype
        with torch.no_grad():
            padded = torch.nn.functional.pad(vectors.float(), (0, 1), value=1.0)
            self.vectors = padded.to(dtype)
            self.channels = network.up_in.g.shape[0]
            self.codes = network.to_logits.g.shape[0]
            self.rows_above = _rows_above(network, dtype)
            self.beside = _beside(network, padded).to(dtype)
            self.layers = [_layer(up, left, dtype) for up, left in network.layers()]
            self.out_layers = [_dense(cast(OutResnet, block).mix, dtype) for block in network.out_layers]
            self.to_logits = _dense(network.to_logits, torch.float32)


def fused_pixelcnn(
    network: PixelCnn, vectors: Float[Tensor, "k d"], dtype: torch.dtype = torch.float32
) -> FusedPixelCnn:
    """The fused weights of a network; kept as long as it lives and its weights stay as they are."""
    mark = _mark(network, vectors)
    found = _FUSED.get(network)
    if found is None or found[0] != mark:
        found = _FUSED[network] = (mark, {})
    if dtype not in found[1]:
        found[1][dtype] = FusedPixelCnn(network, vectors, dtype)
    return found[1][dtype]


Mark = tuple[float | int, ...]
_FUSED: WeakKeyDictionary[nn.Module, tuple[Mark, dict[torch.dtype, FusedPixelCnn]]] = WeakKeyDictionary()


def _mark(network: PixelCnn, vectors: Tensor) -> Mark:
    """Numbers that change with any weight; PyTorch's own counters miss changes through ``.data``."""
    with torch.no_grad():
        tensors = [*network.parameters(), vectors]
        sums = torch.stack([tensor.sum(dtype=torch.float64).cpu() for tensor in tensors])
    versions = [0 if tensor.is_inference() else tensor._version for tensor in tensors]
    return (*sums.tolist(), *versions, *(tensor.data_ptr() for tensor in tensors))


def _taps(conv: WeightNormConv2d, row: int | None = None) -> Tensor:
    """Weights [o, taps x channels] of a convolution, or of one row of its kernel."""
    weight = conv.weight.float().permute(0, 2, 3, 1)
    return (weight if row is None else weight[:, row]).flatten(1)


def _dense(linear: WeightNormLinear, dtype: torch.dtype, more_bias: Tensor | None = None) -> PrepackedLinear:
    bias = linear.b.float()
    return PrepackedLinear(
        linear.weight.float(), bias if more_bias is None else bias + more_bias.float(), dtype=dtype
    )


def _rows_above(network: PixelCnn, dtype: torch.dtype) -> PrepackedLinear:
    """From 2x3 code vectors above a position to the input of the vertical, then of the horizontal stack."""
    up, above = _taps(network.up_in), _taps(network.left_in_above)
    left = torch.cat([torch.zeros_like(up[:, : above.shape[1]]), above], dim=1)
    size = above.shape[1] // 3
    corner = slice(3 * size, 4 * size)  # the vector up and to the left
    left[:, corner] += _taps(network.left_in_beside, 0)
    bias = torch.cat([network.up_in.b.float(), network.left_in_above.b.float()])
    return PrepackedLinear(torch.cat([up, left]), bias, dtype=dtype)


def _beside(network: PixelCnn, vectors: Tensor) -> Float[Tensor, "k1 c"]:
    """What each code adds to the horizontal stack of its right neighbour; last, what no neighbour adds."""
    conv = network.left_in_beside
    added = vectors @ _taps(conv, 1).T + conv.b.float()
    return torch.cat([added, torch.zeros_like(added[:1])])


def _layer(up: GatedResnet, left: GatedResnet, dtype: torch.dtype) -> FusedLayer:
    fused = partial(PrepackedLinear, dtype=dtype)
    extra = cast(WeightNormLinear, left.from_extra)
    above = torch.cat([_taps(left.first, 0), extra.weight.float()], dim=1)
    return FusedLayer(
        up_first=fused(_taps(up.first), up.first.b.float()),
        up_second=fused(_taps(up.second)),
        up_condition=_dense(cast(WeightNormLinear, up.from_condition), dtype, up.second.b),
        above_first=fused(above, (left.first.b + extra.b).float()),
        above_second=fused(_taps(left.second, 0)),
        left_condition=_dense(cast(WeightNormLinear, left.from_condition), dtype, left.second.b),
        left_first=fused(_taps(left.first, 1)),
        left_second=fused(_taps(left.second, 1)),
        attention=None if left.attention is None else _attention(left.attention, dtype),
    )


def _attention(attention: CausalAttention, dtype: torch.dtype) -> FusedAttention:
    scale = attention.key_channels**-0.5
    maps = (attention.query, attention.key, attention.value)
    weight = torch.cat([linear.weight * share for linear, share in zip(maps, (scale, 1, 1), strict=True)])
    bias = torch.cat([linear.b * share for linear, share in zip(maps, (scale, 1, 1), strict=True)])
    return FusedAttention(
        inputs=PrepackedLinear(weight.float(), bias.float(), dtype=dtype),
        output=_dense(attention.output, dtype),
        heads=attention.heads,
        key_channels=attention.key_channels,
        value_channels=attention.value_channels,
    )
