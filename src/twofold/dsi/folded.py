"""The weights of the autoregressive network in the form that incremental sampling uses them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.dsi.causal_attention import CausalAttention
from twofold.dsi.folded_linear import FoldedLinear, packed
from twofold.dsi.gated_resnet import GatedResnet, OutResnet
from twofold.dsi.minimal_conv import MinimalConv
from twofold.dsi.structure import PixelCnn
from twofold.dsi.weight_norm import WeightNormConv2d, WeightNormLinear


@dataclass(frozen=True, eq=False)
class FoldedAttention:
    """Causal attention; queries carry the softmax' scale.

    Attributes:
        inputs: queries, keys and values in one product.
        output: back to the features.
        heads: number of heads.
        key_channels: channels of a head's queries and keys.
        value_channels: channels of a head's values.
    """

    inputs: FoldedLinear
    output: FoldedLinear
    heads: int
    key_channels: int
    value_channels: int


@dataclass(frozen=True, eq=False)
class FoldedLayer:
    """One layer of both streams; taps are ordered top to bottom, left to right.

    Attributes:
        up_first: six taps of the upper stream's first convolution.
        up_second: those of its second one, without bias.
        up_condition: the condition's share of that, with its bias.
        above_first: the two taps in the row above of the left stream's first convolution, and what
            comes from the upper stream.
        above_second: the two taps in the row above of its second one, without bias.
        left_condition: the condition's share of that, with its bias.
        left_first: the two taps in the row of the left stream's first convolution.
        left_second: those of its second one.
        attention: None in most layers.
    """

    up_first: FoldedLinear
    up_second: FoldedLinear
    up_condition: FoldedLinear
    above_first: FoldedLinear
    above_second: FoldedLinear
    left_condition: FoldedLinear
    left_first: FoldedLinear
    left_second: FoldedLinear
    attention: FoldedAttention | None


@dataclass(frozen=True, eq=False)
class TiledLayer:
    """The upper stream's convolutions of a layer once more, for many positions at a time.

    Attributes:
        up_first: as ``FoldedLayer.up_first``.
        up_second: as ``FoldedLayer.up_second``.
    """

    up_first: MinimalConv
    up_second: MinimalConv


class FoldedPixelCnn:
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
            padded = torch.nn.functional.pad(vectors.detach().float(), (0, 1), value=1.0)
            self.vectors = padded.to(dtype)
            self.channels = network.up_in.g.shape[0]
            self.codes = network.to_logits.g.shape[0]
            self.rows_above = _rows_above(network, dtype)
            self.beside = _beside(network, padded).to(dtype)
            self.layers = [_layer(up, left, dtype) for up, left in network.layers()]
            self.out_layers = [_dense(cast(OutResnet, block).mix, dtype) for block in network.out_layers]
            self.to_logits = _dense(network.to_logits, torch.float32)
        self._tiled: list[TiledLayer] | None = None

    def tiled(self, network: PixelCnn) -> list[TiledLayer]:
        """The upper stream's weights for minimal filtering in float32; made when they are first needed.

        Args:
            network: the one that was folded.
        """
        if self._tiled is None:
            with torch.no_grad():
                self._tiled = [_tiled(up) for up, _ in network.layers()]
        return self._tiled


def draft_pays(device: torch.device, samples: int) -> bool:
    """Whether guessing codes in bfloat16 before they are looked at in float32 saves time.

    It does where the CPU has instructions for products in bfloat16 and the products are large enough:
    with those of AVX-512, from two samples on. Speed hangs on it, codes do not.
    """
    if device.type != "cpu" or packed(torch.zeros(1, 1, dtype=torch.bfloat16)) is None:
        return False
    return _has("_is_amx_tile_supported") or (samples > 1 and _has("_is_avx512_bf16_supported"))


def _has(question: str) -> bool:
    """Ask PyTorch for instructions; the questions are not part of its public face and may be missing."""
    asked = getattr(torch.cpu, question, None)
    return asked is not None and bool(asked())


def folded_pixelcnn(
    network: PixelCnn, vectors: Float[Tensor, "k d"], dtype: torch.dtype = torch.float32
) -> FoldedPixelCnn:
    """The folded weights of a network; kept as long as it lives and its weights stay as they are."""
    return folded_pixelcnns(network, vectors, dtype)[0]


def folded_pixelcnns(
    network: PixelCnn, vectors: Float[Tensor, "k d"], *dtypes: torch.dtype
) -> tuple[FoldedPixelCnn, ...]:
    """The same for several precisions, with one look at the weights."""
    mark = _mark(network, vectors)
    known = _FOLDED.get(network)
    if known is None or known[0] != mark:
        known = _FOLDED[network] = (mark, {})
    for dtype in dtypes:
        if dtype not in known[1]:
            known[1][dtype] = FoldedPixelCnn(network, vectors, dtype)
    return tuple(known[1][dtype] for dtype in dtypes)


Mark = tuple[float | int, ...]
_FOLDED: WeakKeyDictionary[nn.Module, tuple[Mark, dict[torch.dtype, FoldedPixelCnn]]] = WeakKeyDictionary()


def _mark(network: PixelCnn, vectors: Tensor) -> Mark:
    """Numbers that change with any weight; PyTorch's own counters miss changes through ``.data``."""
    with torch.no_grad():
        tensors = [*network.parameters(), vectors]
        sums = torch.stack([tensor.sum(dtype=torch.float64).cpu() for tensor in tensors])
    versions = [0 if tensor.is_inference() else tensor._version for tensor in tensors]
    return (*sums.tolist(), *versions, *(tensor.data_ptr() for tensor in tensors))


def _taps(conv: WeightNormConv2d, row: int | None = None) -> Tensor:
    """Weights [o, taps x channels] of a convolution, or of one row of its kernel."""
    weight = conv.weight.detach().float().permute(0, 2, 3, 1)
    return (weight if row is None else weight[:, row]).flatten(1)


def _dense(linear: WeightNormLinear, dtype: torch.dtype, more_bias: Tensor | None = None) -> FoldedLinear:
    bias = linear.b.detach().float()
    return FoldedLinear(
        linear.weight.detach().float(), bias if more_bias is None else bias + more_bias.float(), dtype=dtype
    )


def _rows_above(network: PixelCnn, dtype: torch.dtype) -> FoldedLinear:
    """From 2x3 code vectors above a position to the input of the upper, then of the left stream."""
    up, above = _taps(network.up_in), _taps(network.left_in_above)
    left = torch.cat([torch.zeros_like(up[:, : above.shape[1]]), above], dim=1)
    size = above.shape[1] // 3
    corner = slice(3 * size, 4 * size)  # the vector up and to the left
    left[:, corner] += _taps(network.left_in_beside, 0)
    bias = torch.cat([network.up_in.b.detach().float(), network.left_in_above.b.detach().float()])
    return FoldedLinear(torch.cat([up, left]), bias, dtype=dtype)


def _beside(network: PixelCnn, vectors: Tensor) -> Float[Tensor, "k1 c"]:
    """What each code adds to the left stream of its right neighbour; last, what no neighbour adds."""
    conv = network.left_in_beside
    added = vectors @ _taps(conv, 1).T + conv.b.detach().float()
    return torch.cat([added, torch.zeros_like(added[:1])])


def _layer(up: GatedResnet, left: GatedResnet, dtype: torch.dtype) -> FoldedLayer:
    folded = partial(FoldedLinear, dtype=dtype)
    extra = cast(WeightNormLinear, left.from_extra)
    above = torch.cat([_taps(left.first, 0), extra.weight.detach().float()], dim=1)
    return FoldedLayer(
        up_first=folded(_taps(up.first), up.first.b.detach().float()),
        up_second=folded(_taps(up.second)),
        up_condition=_dense(cast(WeightNormLinear, up.from_condition), dtype, up.second.b.detach()),
        above_first=folded(above, (left.first.b + extra.b).detach().float()),
        above_second=folded(_taps(left.second, 0)),
        left_condition=_dense(cast(WeightNormLinear, left.from_condition), dtype, left.second.b.detach()),
        left_first=folded(_taps(left.first, 1)),
        left_second=folded(_taps(left.second, 1)),
        attention=None if left.attention is None else _attention(left.attention, dtype),
    )


def _tiled(up: GatedResnet) -> TiledLayer:
    first, second = (
        conv.weight.detach().float().permute(0, 2, 3, 1) for conv in (up.first, up.second)
    )  # o rows columns i
    return TiledLayer(MinimalConv(first, up.first.b.detach().float()), MinimalConv(second))


def _attention(attention: CausalAttention, dtype: torch.dtype) -> FoldedAttention:
    scale = attention.key_channels**-0.5
    maps = (attention.query, attention.key, attention.value)
    weight = torch.cat([linear.weight * share for linear, share in zip(maps, (scale, 1, 1), strict=True)])
    bias = torch.cat([linear.b * share for linear, share in zip(maps, (scale, 1, 1), strict=True)])
    return FoldedAttention(
        inputs=FoldedLinear(weight.detach().float(), bias.detach().float(), dtype=dtype),
        output=_dense(attention.output, dtype),
        heads=attention.heads,
        key_channels=attention.key_channels,
        value_channels=attention.value_channels,
    )
