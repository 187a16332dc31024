"""A smooth continuation of a picture into its hole, for networks that had better not meet an edge there."""

import torch
from torch import Tensor
from torch.nn import functional as F

from twofold.tensors import Hole, Image


def diffuse(image: Image, hole: Hole) -> Image:
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
