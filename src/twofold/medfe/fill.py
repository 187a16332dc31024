"""Structure branch and texture branch: gather features, fill them at several scales."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.medfe.config import MedfeConfig
from twofold.medfe.convs import ConvNormAct, leaky
from twofold.medfe.partial_conv import PartialStream, Valid, valid_features

FEATURE_FACTOR = 8  # both branches work at 1/8 of the picture's side


@dataclass(frozen=True, eq=False)
class FilledFeatures:
    """What the branches hand on: [b c h/8 w/8] each, None for a branch that is switched off."""

    structure: Tensor | None
    texture: Tensor | None


class MutualFilling(nn.Module):
    """Both branches, each with weights of its own [MEDFE: two branches].

    ``Fst = fill_st(leaky(x4), leaky(x5), leaky(x6)), Fte = fill_te(leaky(x1), leaky(x2), leaky(x3))``.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        self.threshold = config.hole_threshold
        self.structure = (
            FillingBranch(StructureGathering(config), config) if config.structure_branch else None
        )
        self.texture = FillingBranch(TextureGathering(config), config) if config.texture_branch else None

    def forward(self, pyramid: list[Tensor], hole: Float[Tensor, "b 1 h w"]) -> FilledFeatures:
        """Fill deep features as structure and shallow features as texture.

        Args:
            pyramid: the encoder's six features.
            hole: 1 = missing, in picture pixels.
        """
        valid = valid_features(hole, FEATURE_FACTOR, self.threshold)
        activated = [leaky(features) for features in pyramid]
        return FilledFeatures(
            structure=None if self.structure is None else self.structure(activated, valid),
            texture=None if self.texture is None else self.texture(activated, valid),
        )


class FillingBranch(nn.Module):
    """One branch: gather, fill by parallel streams of different kernels, merge [MEDFE: multi-scale filling].

    ``F = merge([P3(x, m); P5(x, m); P7(x, m)])``.
    """

    def __init__(self, gathering: nn.Module, config: MedfeConfig) -> None:
        super().__init__()
        channels = config.fill_channels
        self.gathering = gathering
        self.streams = nn.ModuleList(
            PartialStream(channels, kernel, config.fill_depth, config.norm) for kernel in config.fill_kernels
        )
        self.merge = ConvNormAct(channels * len(config.fill_kernels), channels, 1, config.norm)

    def forward(self, activated: list[Tensor], valid: Valid) -> Float[Tensor, "b c h w"]:
        """Fill the holes of this branch's features."""
        gathered = self.gathering(activated)
        return self.merge(torch.cat([stream(gathered, valid) for stream in self.streams], dim=1))


class TextureGathering(nn.Module):
    """Bring encoder stages 1 to 3 to one size and merge them: they hold texture [MEDFE: texture features].

    ``texture = merge([down(down(x1)); down(x2); conv(x3)])``.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        first, second, third = config.encoder_channels[:3]
        channels, norm = config.fill_channels, config.norm
        self.from_first = nn.Sequential(
            ConvNormAct(first, second, 4, norm), ConvNormAct(second, channels, 4, norm)
        )
        self.from_second = ConvNormAct(second, channels, 4, norm)
        self.from_third = ConvNormAct(third, channels, 1, norm)
        self.merge = ConvNormAct(3 * channels, channels, 1, norm)

    def forward(self, activated: list[Tensor]) -> Float[Tensor, "b c h w"]:
        """Gather the three shallow features at 1/8 of the picture's side."""
        first, second, third = activated[:3]
        parts = [self.from_first(first), self.from_second(second), self.from_third(third)]
        return self.merge(torch.cat(parts, dim=1))


class StructureGathering(nn.Module):
    """Encoder stages 4 to 6 at one size, merged: they hold structure [MEDFE: structure features].

    ``structure = merge([up(conv(x4)); up(conv(x5)); up(conv(x6))])``.
    """

    def __init__(self, config: MedfeConfig) -> None:
        super().__init__()
        channels, norm = config.fill_channels, config.norm
        self.reduce = nn.ModuleList(
            ConvNormAct(deep, channels, 1, norm) for deep in config.encoder_channels[3:]
        )
        self.merge = ConvNormAct(3 * channels, channels, 1, norm)

    def forward(self, activated: list[Tensor]) -> Float[Tensor, "b c h w"]:
        """Gather the three deep features at 1/8 of the picture's side."""
        like = activated[2]
        parts = [reduce(deep, like=like) for reduce, deep in zip(self.reduce, activated[3:], strict=True)]
        return self.merge(torch.cat(parts, dim=1))
