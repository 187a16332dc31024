"""The convolution blocks that the paper's figures draw as one box."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["instance", "group"]
GROUPS = 8
EPSILON = 1e-5  # added to variances
LEAK = 0.2  # slope of every LeakyReLU of the paper


class ChannelNorm(nn.Module):
    """Instance or group normalisation of the spatial positions of each sample.

    Unlike ``nn.InstanceNorm2d`` it accepts a single position (its output is then the bias), so
    pictures of 64x64 pass the bottleneck.

    Args:
        kind: ``instance`` normalises each channel alone, ``group`` eight groups of channels.
        channels: channels of the features.
        affine: learn a scale and a shift per channel.
    """

    def __init__(self, kind: Norm, channels: int, *, affine: bool = True) -> None:
        super().__init__()
        self.channels = channels
        self.groups = channels if kind == "instance" else min(GROUPS, channels)
        if channels % self.groups:
            raise ValueError(f"{channels} channels cannot be split into {self.groups} equal groups")
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def begin_at_zero(self) -> None:
        """Set the scale to zero, so that a residual block begins as the identity."""
        if self.weight is not None:
            nn.init.zeros_(self.weight)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise to zero mean and unit variance, then scale and shift."""
        if self.groups == self.channels:
            # Channels-last, PyTorch's CPU kernel takes a variance as the mean of squares less the square of
            # the mean: with one channel a group it loses 2e-3 where the mean is ten deviations, and time.
            features = features.contiguous()
        return torch.group_norm(features, self.groups, self.weight, self.bias, eps=EPSILON)


class ConvNormAct(nn.Module):
    """Convolution without bias, an optional resize, normalisation, LeakyReLU.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: 4 halves the height and width (stride 2), 1 keeps them.
        norm: kind of normalisation.
        activate: end with the LeakyReLU.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, norm: Norm, *, activate: bool = True
    ) -> None:
        super().__init__()
        stride, padding = (2, 1) if kernel == 4 else (1, kernel // 2)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        # The official code learns no scale here; with grouped statistics a channel could then never
        # find its own level, so group norms do.
        self.norm = ChannelNorm(norm, out_channels, affine=norm == "group")
        self.activate = activate

    def forward(
        self, features: Float[Tensor, "b c h w"], *, like: Tensor | None = None
    ) -> Float[Tensor, "b c2 h2 w2"]:
        """Convolve, resize to the height and width of ``like``, normalise, activate.

        The paper resizes first; a 1x1 convolution without bias commutes with a resize, and at the
        smaller size it costs a fraction.
        """
        features = self.conv(features)
        if like is not None:
            features = resize_to(features, like)
        features = self.norm(features)
        return leaky(features) if self.activate else features


def leaky(features: Tensor) -> Tensor:
    """LeakyReLU with the paper's slope of 0.2; never in place."""
    return F.leaky_relu(features, LEAK)


def resize_to(features: Float[Tensor, "b c h w"], like: Tensor) -> Float[Tensor, "b c h2 w2"]:
    """Resize bilinearly (no antialiasing) to the height and width of ``like``."""
    if features.shape[-2:] == like.shape[-2:]:
        return features
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)
