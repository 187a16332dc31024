"""What only the authors' code does: the parts of official mode, quirk by quirk.

Reproduced because the released weights depend on it; ``docs/papers/medfe.md`` lists every quirk.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import ChannelNorm, ConvNormAct, leaky
from twofold.medfe.equalize import ChannelReweighing, neighbours, spatial_propagation
from twofold.medfe.fill import FEATURE_FACTOR, FilledFeatures, TextureGathering

Features = Float[Tensor, "b c h w"]


class OfficialFilling(nn.Module):
    """Both branches through one set of streams that never see the hole.

    Quirks: the feature mask is compared with a threshold that no average exceeds, so every position
    counts as known; structure and texture share the streams and the merging layer; stages 4 to 6
    share one resizing layer.

    Args:
        config: sizes of the network.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        channels, norm = config.fill_channels, config.norm
        side = config.native_size // FEATURE_FACTOR
        self.gather_texture = TextureGathering(config)
        self.gather_structure = ConvNormAct(config.encoder_channels[3], channels, 1, norm)
        self.streams = nn.ModuleList(
            FoldedStream(channels, kernel, config, side) for kernel in config.fill_kernels
        )
        if len(config.fill_kernels) != 3:
            raise ValueError(
                f"official mode merges three streams by a shared layer, got {config.fill_kernels}"
            )

    def forward(self, pyramid: list[Tensor], hole: Tensor) -> FilledFeatures:
        """Fill both branches as one batch; ``hole`` is ignored, as in the official code."""
        activated = [leaky(features) for features in pyramid]
        deep = [self.gather_structure(feature, like=activated[2]) for feature in activated[3:]]
        merge = self.gather_texture.merge  # the one layer that the official code uses four times
        structure = merge(torch.cat(deep, dim=1))
        both = torch.cat([structure, self.gather_texture(activated)])  # (2 b) c h w
        filled = merge(torch.cat([stream(both) for stream in self.streams], dim=1))
        structure_filled, texture_filled = filled.chunk(2)
        return FilledFeatures(structure_filled, texture_filled)


class FoldedStream(nn.Module):
    """A stack of the official partial convolutions, their constant mask sums folded.

    The official layer divides by a frozen random convolution of its mask. The first mask is all ones
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
        weights = [torch.randn(channels, channels, kernel, kernel) * 0.02 for _ in range(config.fill_depth)]
        self.register_buffer("mask_sums", fold_mask_convs(weights, side))

    def forward(self, features: Features) -> Features:
        """Convolve, divide by the mask sums, normalise, activate."""
        known = None
        for conv, norm, sums in zip(self.convs, self.norms, self.mask_sums, strict=True):
            summed = conv(features if known is None else features * known)
            known = (sums != 0).to(features.dtype)
            features = leaky(norm(summed * known / torch.where(sums == 0, 1.0, sums)))
        return features


def fold_mask_convs(weights: list[Float[Tensor, "c c k k"]], side: int) -> Float[Tensor, "depth c h w"]:
    """The mask sums of a stack of official partial convolutions whose first mask is all ones.

    Args:
        weights: the frozen mask weights, first layer first.
        side: height and width of the features.
    """
    mask = torch.ones(1, weights[0].shape[1], side, side)
    sums = []
    for weight in weights:
        summed = F.conv2d(mask, weight.float(), padding=weight.shape[-1] // 2)
        sums.append(summed)
        mask = (summed != 0).float()
    return torch.cat(sums)


class OfficialEqualization(nn.Module):
    """Channel reweighing and bilateral propagation with the official range weights and layout.

    Args:
        config: sizes of the network.
    """

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
        spatial = _as_if_transposed(spatial_propagation(features, self.sigma))
        ranged = _as_if_transposed(official_range_propagation(features, self.window))
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


def _as_if_transposed(features: Features) -> Features:
    """Quirk: the official code lists positions x channels and reads the list as channels x positions."""
    height, width = features.shape[-2:]
    listed = rearrange(features, "b c h w -> b (h w) c").contiguous()
    return listed.view(len(features), -1, height, width)
