"""The decoder: equalized features supplement every stage on the way back to pixels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import ChannelNorm, ConvNormAct, Norm
from twofold.medfe.encoder import INPUT_CHANNELS


class SkipConnections(nn.Module):
    """Add the equalized features to all six features of the encoder [MEDFE: supplemented skips].

    ``s[i] = x[i] + u[i](y), u1 ... u3 = up(leaky(norm(conv(y)))), u4 ... u6 = norm(conv(...))``.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        fused, norm = 2 * config.fill_channels, config.norm
        channels = config.encoder_channels
        self.up = nn.ModuleList(ConvNormAct(fused, channels[i], 1, norm) for i in range(3))
        self.down = nn.ModuleList(
            nn.Sequential(
                *(ConvNormAct(fused, fused, 4, norm) for _ in range(i)),
                ConvNormAct(fused, channels[3 + i], 4, norm, activate=False),
            )
            for i in range(3)
        )

    def forward(self, equalized: Float[Tensor, "b c h w"], pyramid: list[Tensor]) -> list[Tensor]:
        """Return the six features that the decoder uses, shallow to deep."""
        shallow = [up(equalized, like=skip) + skip for up, skip in zip(self.up, pyramid[:3], strict=True)]
        deep = [down(equalized) + skip for down, skip in zip(self.down, pyramid[3:], strict=True)]
        return shallow + deep


class Decoder(nn.Module):
    """Six upsampling stages; each but the first also takes a skip connection [MEDFE: decoder].

    ``d6 = t(relu(s6)), d[i] = t(relu([d[i+1]; s[i]])), s[i] = x[i] + u[i](y), t = norm(conv_transposed)``.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        channels = config.encoder_channels
        deep_to_shallow = [channels[5], *(2 * c for c in reversed(channels[:5]))]
        outputs = [*reversed(channels[:5]), config.detail_channels or 3]
        self.stages = nn.ModuleList(
            DecoderStage(
                deep_to_shallow[i],
                outputs[i],
                config,
                normalized=i < 5,
                refined=5 - config.refined_stages <= i < 5,
            )
            for i in range(6)
        )

        self.detail = (
            nn.Conv2d(config.detail_channels + INPUT_CHANNELS, 3, kernel_size=3, padding=1)
            if config.detail_channels
            else None
        )

    def forward(self, skips: list[Tensor], picture: Float[Tensor, "b 6 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Decode from the deepest feature to an unbounded RGB picture.

        Args:
            skips: six features, shallow to deep.
            picture: the encoder's input, which the detail layer sees once more.
        """
        features = self.stages[0](F.relu(skips[5]))
        for stage, skip in zip(list(self.stages)[1:], reversed(skips[:5]), strict=True):
            features = stage(F.relu_(torch.cat([features, skip], dim=1)))  # in place: nobody else has it
        if self.detail is None:
            return features
        return self.detail(torch.cat([F.relu(features), picture], dim=1))


class DecoderStage(nn.Module):
    """Double the height and width, normalize (not in the last stage), refine (if asked to)."""

    def __init__(
        self, in_channels: int, out_channels: int, config: MedfeConfig, *, normalized: bool, refined: bool
    ) -> None:
        super().__init__()
        self.resize = config.upsampling == "resize"
        if self.resize:
            self.conv: nn.Module = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        else:
            self.conv = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=4, stride=2, padding=1)
        self.norm = ChannelNorm(config.norm, out_channels) if normalized else None
        self.refinement = Refinement(out_channels, config.norm) if refined else None

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Double height and width of features that have passed a ReLU."""
        if self.resize:
            features = F.interpolate(features, scale_factor=2.0, mode="nearest")
        features = self.conv(features)
        if self.norm is not None:
            features = self.norm(features)
        return features if self.refinement is None else self.refinement(features)


class Refinement(nn.Module):
    """Own addition: two 3x3 convolutions added to their input, zero at the start.

    A network can so be given refinements in the middle of its training without losing what it knows.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.first_norm = ChannelNorm(norm, channels)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.second_norm = ChannelNorm(norm, channels)
        self.second_norm.begin_at_zero()

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Refine without changing the size."""
        inner = F.relu(self.first_norm(self.first(F.relu(features))))
        return features + self.second_norm(self.second(inner))
