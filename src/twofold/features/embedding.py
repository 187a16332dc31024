"""One vector of a picture by VGG-16, for distances between sets where Inception is not at hand."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.features.vgg import VGG16
from twofold.tensors import Image

LAYERS = ("relu4_3", "relu5_3")
"""The feature maps that are averaged: parts of things, and whole things."""


def vgg_embedding(vgg: VGG16, image: Image) -> Float[Tensor, "b 1024"]:
    """Give the means over all places of two feature maps of VGG-16, one after the other.

    A distance of such vectors is not an FID, and is not to be compared with one.

    Args:
        vgg: with trained weights.
        image: [b 3 h w] in [-1, 1], at least 16x16, at its own size.

    Returns:
        [b 1024], 0 or above: 512 channels of ``relu4_3``, then 512 of ``relu5_3``.

    Raises:
        InputError: if the image is smaller.
    """
    features = vgg(image)
    return torch.cat([features[layer].float().mean(dim=(2, 3)) for layer in LAYERS], dim=1)
