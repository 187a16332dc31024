"""What the encoder sees inside the hole: a mean colour, or the surroundings diffused inwards."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from twofold.tensors import Hole, Image

MEAN_COLOUR = (123.0, 117.0, 104.0)  # ImageNet's mean, RGB in [0, 255]
OFFICIAL_COLOUR = (123.0, 104.0, 117.0)  # the official code swaps green and blue


def mean_prefill(image: Image, hole: Hole, colour: tuple[float, float, float]) -> Image:
    """Replace the hole by one colour, given as RGB in [0, 255]; the image itself is not changed.

    Official mode gives ``OFFICIAL_COLOUR``, the mean colour with green and blue swapped.
    """
    level = torch.tensor(colour, device=image.device, dtype=image.dtype).view(1, 3, 1, 1) / 127.5 - 1
    return torch.where(hole > 0, level, image)


def diffusion_prefill(image: Image, hole: Hole) -> Image:
    """Replace the hole by a smooth continuation of its surroundings (push-pull).

    Known pixels are averaged down a pyramid; on the way back up, missing pixels take the coarser
    level's colour. Deterministic, a few milliseconds. A picture without any known pixel becomes grey.
    """
    known = 1 - hole
    return _push_pull(image * known, known)


def _push_pull(weighted: Tensor, known: Tensor) -> Tensor:
    """Fill ``weighted / known`` where ``known`` is 0; both are sums of the same known pixels."""
    height, width = known.shape[-2:]
    here = weighted / known.clamp(min=1e-6)
    if height == 1 and width == 1:
        return here
    # Odd sides repeat nothing: zeros are unknown and weigh nothing.
    padding = (0, width % 2, 0, height % 2)
    coarse = _push_pull(
        F.avg_pool2d(F.pad(weighted, padding), 2),
        F.avg_pool2d(F.pad(known, padding), 2),
    )
    around = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.where(known > 0, here, around[..., :height, :width])
