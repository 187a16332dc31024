"""The encoder: six strided convolutions and a dilated residual bottleneck."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import ChannelNorm, Norm, leaky

Padding = Literal["constant", "reflect"]
INPUT_CHANNELS = 6  # the prefilled picture, and "1 = known" three times


class Encoder(nn.Module):
    """Turn a picture with a hole into features from shallow (texture) to deep (structure) [MEDFE: encoder].

    ``x1 = conv(I, 1 - M), x[i] = norm(conv(leaky(x[i-1]))) for i = 2 ... 5, x6 = R(conv(leaky(x5)))``.

    Args:
        config: sizes of the network.
        padding: of the bottleneck, ``constant`` (zeros) or, as in the official code, ``reflect``.
    """

    def __init__(self, config: MedfeConfig, padding: Padding = "constant") -> None:
        super().__init__()
        channels = (INPUT_CHANNELS, *config.encoder_channels)
        self.stages = nn.ModuleList(
            EncoderStage(channels[i], channels[i + 1], config.norm, normalized=0 < i < 5) for i in range(6)
        )
        self.middle = nn.Sequential(
            *(ResidualBlock(channels[-1], config.norm, padding) for _ in range(config.residual_blocks))
        )

    def forward(self, picture: Float[Tensor, "b 6 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Encode at 1/2, 1/4, 1/8, 1/16, 1/32 and 1/64 of the side.

        Returns:
            Six features as the convolutions leave them, before any activation; the sixth has
            passed the residual bottleneck.
        """
        pyramid: list[Tensor] = []
        features = picture
        for stage in self.stages:
            features = stage(leaky(features) if pyramid else features)
            pyramid.append(features)
        pyramid[-1] = self.middle(pyramid[-1])
        return pyramid


class EncoderStage(nn.Module):
    """A 4x4 convolution of stride 2, normalised except in the first and the last stage."""

    def __init__(self, in_channels: int, out_channels: int, norm: Norm, *, normalized: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=4, stride=2, padding=1)
        self.norm = ChannelNorm(norm, out_channels) if normalized else None

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Halve height and width."""
        features = self.conv(features)
        return features if self.norm is None else self.norm(features)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the first dilated by 2, added to their input [MEDFE: dilated bottleneck].

    ``R(x) = x + norm(conv(relu(norm(conv_dilated(x)))))``.

    The official code pads by reflection, which needs at least three positions a side; paper mode
    pads with zeros instead, so that pictures of 64 and 128 pixels a side pass as well.
    """

    def __init__(self, channels: int, norm: Norm, padding: Padding = "constant") -> None:
        super().__init__()
        self.padding = padding
        affine = norm == "group"
        self.dilated = nn.Conv2d(channels, channels, kernel_size=3, dilation=2, bias=False)
        self.dilated_norm = ChannelNorm(norm, channels, affine=affine)
        self.plain = nn.Conv2d(channels, channels, kernel_size=3, bias=False)
        self.plain_norm = ChannelNorm(norm, channels, affine=affine)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Refine without changing the size."""
        inner = self.dilated(F.pad(features, (2, 2, 2, 2), mode=self.padding))
        inner = F.relu(self.dilated_norm(inner))
        inner = self.plain(F.pad(inner, (1, 1, 1, 1), mode=self.padding))
        return features + self.plain_norm(inner)
