"""Square crops around the hole, so that costly losses look where it matters."""

from collections.abc import Sequence

import torch
from torch import Tensor

from twofold.tensors import Hole


def hole_corners(hole: Hole, size: int, seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Draw a crop's upper left pixel (row, column) for each picture, near a random missing pixel.

    Args:
        hole: [b 1 h w], 1 = missing; a picture without a hole is cropped anywhere.
        size: side of the crops in pixels, at most h and w.
        seeds: one for each picture; the same seed gives the same corner.
    """
    height, width = hole.shape[-2:]
    corners = []
    for one, seed in zip(hole[:, 0].cpu(), seeds, strict=True):
        generator = torch.Generator().manual_seed(seed)
        missing = one.nonzero()
        if len(missing):
            row, column = missing[int(torch.randint(len(missing), (), generator=generator))].tolist()
        else:
            row, column = (int(torch.randint(side, (), generator=generator)) for side in (height, width))
        # The missing pixel may lie anywhere in the crop.
        down, right = (int(torch.randint(size, (), generator=generator)) for _ in range(2))
        corners.append((min(max(row - down, 0), height - size), min(max(column - right, 0), width - size)))
    return corners


def crop(image: Tensor, corners: Sequence[tuple[int, int]], size: int) -> Tensor:
    """Cut one ``size`` x ``size`` crop out of each picture of a batch [b c h w]."""
    return torch.stack(
        [
            one[:, row : row + size, column : column + size]
            for one, (row, column) in zip(image, corners, strict=True)
        ]
    )
