"""One vector of a picture by VGG-16, for distances between sets where Inception is not at hand."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

LAYERS = ("relu4_3", "relu5_3")
"""The feature maps that are averaged: parts of things, and whole things."""


def vgg_embedding(features: Mapping[str, Tensor]) -> Float[Tensor, "b 1024"]:
    """Give the means over all places of two feature maps of VGG-16, one after the other.

    A distance of such vectors is not an FID, and is not to be compared with one.

    Args:
        features: what ``VGG16`` gives of pictures in [-1, 1] at their own size; of ``LAYERS`` at least.

    Returns:
        [b 1024], 0 or above: 512 channels of ``relu4_3``, then 512 of ``relu5_3``.
    """
    return torch.cat([features[layer].float().mean(dim=(2, 3)) for layer in LAYERS], dim=1)
