"""What the encoder of the paper sees inside the hole: a mean colour."""

import torch

from twofold.tensors import Hole, Image

MEAN_COLOR = (123.0, 117.0, 104.0)  # ImageNet's mean, RGB in [0, 255]
OFFICIAL_COLOR = (123.0, 104.0, 117.0)  # the official code swaps green and blue


def mean_prefill(image: Image, hole: Hole, color: tuple[float, float, float]) -> Image:
    """Replace the hole by one colour, given as RGB in [0, 255]; the image itself is not changed.

    Official mode gives ``OFFICIAL_COLOR``, the mean colour with green and blue swapped.
    """
    level = torch.tensor(color, device=image.device, dtype=image.dtype).view(1, 3, 1, 1) / 127.5 - 1
    return torch.where(hole > 0, level, image)
