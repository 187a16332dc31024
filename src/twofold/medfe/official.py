"""The network of the authors' code, quirk by quirk: official mode.

Reproduced because the released weights depend on it; ``docs/papers/medfe.md`` lists every quirk.
"""

from collections.abc import Iterable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import ChannelNorm, ConvNormAct, leaky
from twofold.medfe.decoder import Decoder, SkipConnections
from twofold.medfe.encoder import Encoder
from twofold.medfe.equalize import ChannelReweighing, neighbours, spatial_propagation
from twofold.medfe.fill import FEATURE_FACTOR, TextureGathering
from twofold.medfe.network import MedfeNetwork, MedfeOutput, encoder_input, seen_as_rgb
from twofold.medfe.prefill import OFFICIAL_COLOR
from twofold.tensors import Hole, Image

Features = Float[Tensor, "b c h w"]


class OfficialMedfe(MedfeNetwork):
    """The generator of the authors' code, at its native size alone.

    Quirk: both branches are seen as pictures through one layer. The others are those of its parts.
    """

    mode = "official"
    mean_color = OFFICIAL_COLOR

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__(config)
        channels = config.fill_channels
        self.encoder = OfficialEncoder(config, padding="reflect")
        self.filling = OfficialFilling(config)
        self.fuse = ConvNormAct(2 * channels, 2 * channels, 1, config.norm)
        self.equalization = OfficialEqualization(config)
        self.skips = SkipConnections(config)
        self.decoder = Decoder(config)
        self.structure_to_rgb = nn.Conv2d(channels, 3, kernel_size=1)

    def complete(self, prefilled: Image, hole: Hole) -> MedfeOutput:
        """Fill a hole that has been prefilled, [b 3 h w] in [-1, 1]; hole [b 1 h w], 1 = missing."""
        picture = encoder_input(prefilled, hole)
        pyramid = self.encoder(picture)
        structure, texture = self.filling(pyramid)
        equalized = self.equalization(self.fuse(torch.cat([structure, texture], dim=1)))
        decoded = self.decoder(self.skips(equalized, pyramid), picture)
        return MedfeOutput(
            self.answer(decoded, prefilled),
            seen_as_rgb(structure, self.structure_to_rgb),
            seen_as_rgb(texture, self.structure_to_rgb),
        )

    @property
    def size_multiple(self) -> int:
        """Quirk: the official layout works at one size only."""
        return self.native_size

    def check_size(self, image: Tensor, hole: Tensor) -> None:
        """Refuse all sizes but the native one, besides what every network refuses.

        Raises:
            ValueError: if hole and image do not fit each other, or are not of the native size.
        """
        height, width = image.shape[-2:]
        if (height, width) != (self.native_size, self.native_size):
            raise ValueError(
                f"official mode works at {self.native_size}x{self.native_size} only (its bilateral "
                f"propagation mixes channels with positions), got {width}x{height}; "
                "resize, or use mode='paper'"
            )
        super().check_size(image, hole)


class OfficialEncoder(Encoder):
    """The encoder, whose first five features are handed on activated.

    Quirk: LeakyReLUs in place change them before they skip ahead, and the filling activates them again.
    """

    def forward(self, picture: Float[Tensor, "b 6 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Encode at 1/2, 1/4, 1/8, 1/16, 1/32 and 1/64 of the side; the sixth feature is not activated."""
        pyramid: list[Tensor] = []
        for stage in list(self.stages)[:5]:
            pyramid.append(leaky(stage(pyramid[-1] if pyramid else picture)))
        return [*pyramid, self.middle(self.stages[5](pyramid[-1]))]


class OfficialFilling(nn.Module):
    """Both branches through one set of streams that never see the hole.

    Quirks: the feature mask is compared with a threshold that no average exceeds, so every position
    counts as known; structure and texture share the streams and the merging layer; stages 4 to 6
    share one resizing layer.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        channels, norm = config.fill_channels, config.norm
        side = config.native_size // FEATURE_FACTOR
        self.gather_texture = TextureGathering(config)
        self.gather_structure = ConvNormAct(config.encoder_channels[3], channels, 1, norm)
        self.streams = nn.ModuleList(
            OfficialStream(channels, kernel, config, side) for kernel in config.fill_kernels
        )

    def forward(self, pyramid: list[Tensor]) -> tuple[Features, Features]:
        """Fill both branches as one batch, without a hole, as in the official code: structure and texture."""
        merge = self.gather_texture.merge  # the one layer that the official code uses four times
        both = self.gather(pyramid)
        filled = merge(torch.cat([stream(both) for stream in self.streams], dim=1))
        structure_filled, texture_filled = filled.chunk(2)
        return structure_filled, texture_filled

    def gather(self, pyramid: list[Tensor]) -> Features:
        """The features of both branches, structure first, as one batch."""
        activated = [leaky(features) for features in pyramid]
        deep = [self.gather_structure(feature, like=activated[2]) for feature in activated[3:]]
        structure = self.gather_texture.merge(torch.cat(deep, dim=1))
        return torch.cat([structure, self.gather_texture(activated)])  # (2 b) c h w


class OfficialStream(nn.Module):
    """A stack of the official partial convolutions over their constant mask sums.

    Quirk: the layer divides by a frozen random convolution of its mask. The first mask is all ones
    and the weights never change, so the divisor is one map per layer: it is computed once, here or
    when a checkpoint is converted, and kept instead of the weights.

    Args:
        channels: channels throughout.
        kernel: side of every window; odd.
        config: depth and kind of normalisation.
        side: height and width of the features.
    """

    mask_sums: Tensor

    def __init__(self, channels: int, kernel: int, config: MedfeConfig, side: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
            for _ in range(config.fill_depth)
        )
        self.norms = nn.ModuleList(ChannelNorm(config.norm, channels) for _ in range(config.fill_depth))
        weights = (torch.randn(channels, channels, kernel, kernel) * 0.02 for _ in range(config.fill_depth))
        self.register_buffer("mask_sums", constant_mask_sums(weights, side))

    def forward(self, features: Features) -> Features:
        """Convolve, divide by the mask sums, normalise, activate."""
        known = None
        for conv, norm, sums in zip(self.convs, self.norms, self.mask_sums, strict=True):
            summed = conv(features if known is None else features * known)
            known = (sums != 0).to(features.dtype)
            features = leaky(norm(summed * known / torch.where(sums == 0, 1.0, sums)))
        return features


def constant_mask_sums(
    weights: Iterable[Float[Tensor, "c c k k"]], side: int
) -> Float[Tensor, "depth c h w"]:
    """The mask sums of a stack of official partial convolutions whose first mask is all ones.

    Args:
        weights: the frozen mask weights, first layer first.
        side: height and width of the features.
    """
    sums: list[Tensor] = []
    for weight in weights:
        mask = (sums[-1] != 0).float() if sums else torch.ones(1, weight.shape[1], side, side)
        sums.append(F.conv2d(mask, weight.float(), padding=weight.shape[-1] // 2))
    return torch.cat(sums)


class OfficialEqualization(nn.Module):
    """Channel reweighing and bilateral propagation with the official range weights and layout."""

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        channels = 2 * config.fill_channels
        self.sigma = config.spatial_sigma
        self.window = config.range_window
        self.reweigh = ChannelReweighing(channels, config.reduction)
        self.combine = ConvNormAct(2 * channels, channels, 1, config.norm)

    def forward(self, features: Features) -> Features:
        """Reweigh, propagate, combine."""
        features = self.reweigh(features)
        spatial = as_if_transposed(spatial_propagation(features, self.sigma))
        ranged = as_if_transposed(official_range_propagation(features, self.window))
        return self.combine(torch.cat([spatial, ranged], dim=1))


def official_range_propagation(features: Features, window: int) -> Features:
    """Average a window by a softmax over mean products of sigmoids.

    Quirk: the paper weighs by the dot product of the features. Positions outside the map have a
    score of 0, which still takes part in the softmax, and a value of 0.

    Args:
        features: any real values.
        window: side of the square neighbourhood in feature pixels; odd.
    """
    similarity = torch.sigmoid(features)
    scores = [(similarity * other).mean(dim=1) for other in neighbours(similarity, window)]
    weights = torch.softmax(torch.stack(scores, dim=1), dim=1)  # b (window window) h w
    total = torch.zeros_like(features)
    for index, neighbour in enumerate(neighbours(features, window)):
        total = total + weights[:, index, None] * neighbour
    return total


def as_if_transposed(features: Features) -> Features:
    """Quirk: the official code lists positions x channels and reads the list as channels x positions."""
    height, width = features.shape[-2:]
    listed = rearrange(features, "b c h w -> b (h w) c").contiguous()
    return listed.view(len(features), -1, height, width)
