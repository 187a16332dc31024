"""A discriminator on the features of a trained, frozen network, which has little left to learn.

An addition beside both papers, whose discriminators learn to see from nothing; the idea is that of Sauer,
Chitta, Müller and Geiger, "Projected GANs Converge Faster" (NeurIPS 2021).
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from twofold.features.vgg import CHANNELS
from twofold.tensors import Hole

DISCRIMINATOR_LAYERS = ("relu2_2", "relu3_3", "relu4_3")
"""The feature maps of VGG-16 that it looks at: at 1/2, 1/4 and 1/8 of the picture's side."""
_LEAK = 0.2
_LEAST = 1e-6


class FeatureDiscriminator(nn.Module):
    """For each depth a head of two spectrally normalised convolutions that scores every position.

    Args:
        width: channels between the two.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({layer: _head(CHANNELS[layer], width) for layer in DISCRIMINATOR_LAYERS})

    def forward(self, features: Mapping[str, Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b 1 _ _"]]:
        """Score every position of every depth; high = looks like a photograph.

        Args:
            features: of VGG-16 by layer name, of ``DISCRIMINATOR_LAYERS`` at least. Their direction at each
                position counts, not their length, as in LPIPS.
        """
        scores = []
        for layer, head in self.heads.items():
            maps = features[layer]
            length = maps.square().mean(dim=1, keepdim=True).sqrt()
            scores.append(head(maps / (length + _LEAST)))
        return scores


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor], hole: Hole) -> Float[Tensor, ""]:
    """Hinge, for the discriminator: positions score above 1 in photographs, below -1 in fills.

    Args:
        real: scores [b 1 h w] of photographs, one tensor for each depth.
        fake: scores of the same photographs with their holes filled, detached from what filled them.
        hole: [b 1 h w] of the pictures, 1 = missing. A position counts by how much of it is missing:
            elsewhere both pictures are one, and there is nothing to tell.
    """
    losses = [_mean_in_hole(F.relu(1 - r) + F.relu(1 + f), hole) for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_loss(fake: Sequence[Tensor], hole: Hole) -> Float[Tensor, ""]:
    """Hinge, for what fills: the negative mean score within the hole; as ``discriminator_loss``."""
    return -torch.stack([_mean_in_hole(score, hole) for score in fake]).mean()


def _mean_in_hole(values: Float[Tensor, "b 1 rows columns"], hole: Hole) -> Float[Tensor, ""]:
    share = F.adaptive_avg_pool2d(hole, (values.shape[-2], values.shape[-1]))
    return (share * values).sum() / share.sum().clamp(min=_LEAST)


def _head(channels: int, width: int) -> nn.Module:
    first, last = nn.Conv2d(channels, width, kernel_size=1), nn.Conv2d(width, 1, kernel_size=3, padding=1)
    return nn.Sequential(spectral_norm(first), nn.LeakyReLU(_LEAK), spectral_norm(last))
