"""MEDFE made ready to answer fast on a CPU: the same sums in an order that processors like.

``prepack`` rearranges the weights of a network that is only used to answer. Large kernels go over
frequencies (``fft_conv.py``), the others into the layout of oneDNN's kernels; a resize followed by a 3x3
convolution becomes one transposed convolution. In float32 nothing but rounding changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.devices import return_freed_memory
from twofold.medfe.convs import EPSILON, LEAK, ChannelNorm
from twofold.medfe.decoder import DecoderStage
from twofold.medfe.fast.fft_conv import FftConv, spectrum_bytes
from twofold.medfe.network import MedfeNetwork
from twofold.medfe.official import OfficialStream

M = TypeVar("M", bound=nn.Module)
Precision = Literal["fp32", "bf16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
SPECTRA_BYTES = 260 * 10**6
"""Most that the spectra of a network's weights may take together; the largest kernels' are kept first.

That of a 7x7 convolution takes four times its weights; all five of the full-size official network fit.
"""
LARGE = 4 * 10**6
"""Bytes of a layer after which freed memory is given back: a heap full of holes is larger than weights."""
SMALLEST = 8  # a side that every kernel of the network fits into
WIDE = ("fuse.conv", "structure_to_rgb", "texture_to_rgb", "decoder.detail", "decoder.stages.5.conv")
"""Layers whose answers are float32 in any precision: pictures, and what the propagation sums up."""


def prepack(network: MedfeNetwork, precision: Precision = "fp32") -> MedfeNetwork:
    """Rearrange a network's weights for inference on a CPU, in place, and give it back.

    Its state dict then has other tensors, and it can be neither trained nor saved. In ``bf16`` the products
    of convolutions are bfloat16; statistics, transforms, the propagation and pictures stay float32. Layers
    are replaced one by one, so that memory never holds all of them twice.

    Args:
        network: on the CPU, in float32.
        precision: of the products.

    Raises:
        ValueError: if it is prepacked already.
    """
    if network.prepacked is not None:
        raise ValueError(f"the network is prepacked already ({network.prepacked}); build another one")
    network.eval().requires_grad_(False)
    dtype = DTYPES[precision]
    for _, stage in _each(network, DecoderStage):
        if stage.resize:
            assert isinstance(stage.conv, nn.Conv2d)  # of a stage that resizes it is
            stage.conv, stage.resize = fuse_resize(stage.conv), False
    frequencies = over_frequencies(network, dtype)
    for name, conv in _each(network, nn.Conv2d):
        if name in frequencies:
            _replace(network, name, FftConv(conv.weight, dtype, kept=frequencies[name]))
    # The last first: weights at the end of the heap move into what was freed before, and the heap shrinks.
    layers: Iterator[tuple[str, nn.Conv2d | nn.ConvTranspose2d]] = chain(
        _each(network, nn.ConvTranspose2d), _each(network, nn.Conv2d)
    )
    for name, layer in layers:
        if "reweigh" not in name and _onednn():
            side = _side(name, network.native_size)
            _replace(network, name, PrepackedConv(layer, side, dtype, wide=name in WIDE))
    for name, norm in _each(network, ChannelNorm):
        if norm.groups == norm.channels:
            _replace(network, name, ChannelsLastNorm(norm))
    for name, stream in _each(network, OfficialStream):
        _replace(network, name, FusedStream(stream))
    return_freed_memory()
    network.prepacked = precision
    return network


def over_frequencies(network: nn.Module, dtype: torch.dtype) -> dict[str, bool]:
    """The convolutions that gain from frequencies, and whether memory is left to keep their spectrum.

    Args:
        network: with plain convolutions.
        dtype: of the products.
    """
    gaining = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and _gains_from_frequencies(module, dtype)
    }
    kept, left = {}, SPECTRA_BYTES
    for name, conv in sorted(gaining.items(), key=lambda item: -item[1].kernel_size[0]):
        needed = spectrum_bytes(conv.weight, dtype)
        kept[name] = needed <= left
        left -= needed * kept[name]
    return kept


class PrepackedConv(nn.Module):
    """A convolution, or a transposed one, with its weights in the layout of oneDNN's kernels.

    Args:
        conv: of the network, on the CPU.
        side: height and width of the input that it mostly sees; other sizes work as well.
        dtype: of input, weights and answer.
        wide: give the answer as float32.
    """

    def __init__(
        self,
        conv: nn.Conv2d | nn.ConvTranspose2d,
        side: int,
        dtype: torch.dtype,
        *,
        wide: bool,
    ) -> None:
        super().__init__()
        self.dtype, self.wide = dtype, wide
        self.transposed = isinstance(conv, nn.ConvTranspose2d)
        assert not isinstance(conv.padding, str)  # numbers, as all layers of the network are built
        placing: list[Any] = [list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups]
        if isinstance(conv, nn.ConvTranspose2d):
            placing.insert(1, list(conv.output_padding))
        self.placing = placing
        weight = conv.weight.detach().to(dtype)
        reorder = (
            torch.ops.mkldnn._reorder_convolution_transpose_weight
            if self.transposed
            else torch.ops.mkldnn._reorder_convolution_weight
        )
        # Not a parameter: the layout has no strides, and nothing but the kernel can read it.
        self.weight = reorder(weight, *placing, [1, conv.in_channels, *[max(side, SMALLEST)] * 2])
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().to(dtype), False)

    def _apply(self, fn: Any, recurse: bool = True) -> PrepackedConv:
        """Stay as it is: ``network.float()`` would part the bias from the weights."""
        return self

    def forward(self, features: Float[Tensor, "b into h w"]) -> Float[Tensor, "b out h2 w2"]:
        """Convolve; the answer's channels are last in memory."""
        kernel = (
            torch.ops.mkldnn._convolution_transpose_pointwise
            if self.transposed
            else torch.ops.mkldnn._convolution_pointwise
        )
        features = features.to(self.dtype).contiguous(memory_format=torch.channels_last)
        answer: Tensor = kernel(features, self.weight, self.bias, *self.placing, "none", [], "")
        return answer.float() if self.wide else answer


class ChannelsLastNorm(nn.Module):
    """Instance normalisation whose statistics stay exact where channels are last in memory.

    There PyTorch 2.13's group norm takes the variance for the difference of two averages, which leaves two
    digits of a channel whose average is fifty times its deviation.

    Args:
        norm: with a group for each channel.
    """

    def __init__(self, norm: ChannelNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise each channel of each sample, then scale and shift."""
        normalized = [
            torch.batch_norm(sample, self.weight, self.bias, None, None, True, 0.0, EPSILON, False)
            for sample in torch.split(features, 1)
        ]
        return normalized[0] if len(normalized) == 1 else torch.cat(normalized)


class FusedStream(nn.Module):
    """A stream of official mode, its division by the mask sums fused into one product with their inverse.

    Args:
        stream: with its convolutions prepacked.
    """

    def __init__(self, stream: OfficialStream) -> None:
        super().__init__()
        self.convs, self.norms = stream.convs, stream.norms
        sums = stream.mask_sums.contiguous(memory_format=torch.channels_last)
        known = (sums != 0).float()
        self.scales = nn.Parameter(known / torch.where(sums == 0, 1.0, sums), requires_grad=False)
        # A layer sees the positions that the one before knows; mostly all.
        self.known = [None, *(None if bool(layer.all()) else layer for layer in known[:-1])]

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Convolve, divide by the mask sums, normalise, activate."""
        for conv, norm, scale, known in zip(self.convs, self.norms, self.scales, self.known, strict=True):
            summed = conv(features if known is None else features * known)
            features = F.leaky_relu_(norm(summed.mul_(scale)), LEAK)
        return features


def fuse_resize(conv: nn.Conv2d) -> nn.ConvTranspose2d:
    """A 3x3 convolution of a picture with every pixel doubled, as a transposed one of the picture itself.

    Neighbouring taps that fall on one pixel are summed up: 16 products instead of 36.
    """
    taps = torch.zeros(4, 3)
    taps[3, 0] = taps[1, 1] = taps[1, 2] = taps[2, 0] = taps[2, 1] = taps[0, 2] = 1
    weight = torch.einsum("oiyx,ry,cx->iorc", conv.weight.detach(), taps, taps)
    with torch.device("meta"):
        fused = nn.ConvTranspose2d(conv.in_channels, conv.out_channels, 4, 2, 1, bias=conv.bias is not None)
    fused.weight = nn.Parameter(weight, requires_grad=False)
    fused.bias = conv.bias
    return fused


def _onednn() -> bool:
    """Whether this build of PyTorch has oneDNN's kernels."""
    known = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    return known and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def _gains_from_frequencies(conv: nn.Conv2d, dtype: torch.dtype) -> bool:
    """Whether the products saved outweigh the transforms, as measured with 48 to 256 channels; 3x3 lose."""
    kernel, channels = conv.kernel_size[0], min(conv.in_channels, conv.out_channels)
    keeps_size = conv.stride == (1, 1) and conv.dilation == (1, 1) and conv.padding == (kernel // 2,) * 2
    if not keeps_size or kernel % 2 == 0 or kernel < 5 or conv.bias is not None:
        return False
    if dtype != torch.float32:
        return kernel * channels >= 560
    return channels >= 48


def _each(network: nn.Module, kind: type[M]) -> Iterator[tuple[str, M]]:
    """All modules of a kind, by name; each may be replaced, and no list of them keeps their weights alive."""
    names = [name for name, module in network.named_modules() if isinstance(module, kind)]
    for name in reversed(names):
        module = network.get_submodule(name)
        size = sum(parameter.nbytes for parameter in module.parameters())
        yield name, cast(M, module)
        del module
        if size >= LARGE:
            return_freed_memory()


def _side(name: str, native: int) -> int:
    """Height and width that a convolution sees of a picture of the native size, for oneDNN to choose by.

    Where it is not known exactly, the size of the branches: it matters little, and least for large maps.
    """
    words = name.split(".")
    if words[0] == "encoder":
        return native >> (int(words[2]) if words[1] == "stages" else 6)
    if words[:2] == ["decoder", "stages"]:
        return native >> (6 - int(words[2])) << ("refinement" in words)
    if words[:2] == ["skips", "down"]:
        return native >> (3 + int(words[3]))
    return native if name == "decoder.detail" else native >> 3


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module into the place of the one with this name."""
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
