"""Rectangular holes: the centre square of the literature, and random boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError


def centre_box(height: int, width: int, *, fraction: float = 0.5) -> npt.NDArray[np.bool_]:
    """One box in the middle, its sides a fraction of the image's sides.

    Args:
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        fraction: side of the box over side of the image, above 0 and at most 1; at 0.5 an image of
            256x256 gets a hole of 128x128.

    Returns:
        A hole [h w], True = missing.

    Raises:
        InputError: if ``fraction`` is outside (0, 1] or the image is empty.
    """
    check_size(height, width)
    if not 0 < fraction <= 1:
        raise InputError(f"fraction is {fraction}; a centre box needs a fraction above 0 and at most 1")
    box_height, box_width = max(1, round(height * fraction)), max(1, round(width * fraction))
    top, left = (height - box_height) // 2, (width - box_width) // 2
    hole = np.zeros((height, width), dtype=np.bool_)
    hole[top : top + box_height, left : left + box_width] = True
    return hole


def random_boxes(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    count: tuple[int, int] = (1, 4),
    side: tuple[float, float] = (0.1, 0.45),
) -> npt.NDArray[np.bool_]:
    """A few boxes of random size and place, wholly inside the image.

    Args:
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        rng: the only source of randomness.
        count: fewest and most boxes; they may overlap.
        side: smallest and largest side of a box, as fractions of the image's shorter side.

    Returns:
        A hole [h w], True = missing.

    Raises:
        InputError: if a range is empty or the image is.
    """
    check_size(height, width)
    if not 1 <= count[0] <= count[1]:
        raise InputError(f"count is {count}; give the fewest and the most boxes, at least 1")
    if not 0 < side[0] <= side[1] <= 1:
        raise InputError(f"side is {side}; give the smallest and the largest fraction within (0, 1]")
    short = min(height, width)
    hole = np.zeros((height, width), dtype=np.bool_)
    for _ in range(int(rng.integers(count[0], count[1] + 1))):
        box_height, box_width = (max(1, round(short * rng.uniform(*side))) for _ in range(2))
        top = int(rng.integers(0, height - box_height + 1))
        left = int(rng.integers(0, width - box_width + 1))
        hole[top : top + box_height, left : left + box_width] = True
    return hole


def regular_box(
    height: int, width: int, rng: np.random.Generator, *, fraction: float = 0.5, shrink: float = 0.0625
) -> npt.NDArray[np.bool_]:
    """One box of about half the image's sides, anywhere in it: the random regular mask of the DSI paper.

    At 256x256 the defaults draw a 128x128 box and take 0 to 16 pixels off each of its sides, the same on
    opposite ones (the authors' ``max_delta`` of 32 for their models of random masks).

    Args:
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        rng: the only source of randomness.
        fraction: sides of the box before shrinking, as a fraction of the image's.
        shrink: most that is taken off a side, as a fraction of the image's side.

    Returns:
        A hole [h w], True = missing.

    Raises:
        InputError: if nothing could be left of the box, or the image is empty.
    """
    check_size(height, width)
    if not 0 < fraction <= 1 or not 0 <= 2 * shrink < fraction:
        raise InputError(
            f"fraction is {fraction} and shrink {shrink}; give a fraction within (0, 1] and a shrink "
            "of less than half of it"
        )
    hole = np.zeros((height, width), dtype=np.bool_)
    slices = []
    for length in (height, width):
        side = max(1, round(length * fraction))
        start = int(rng.integers(0, length - side + 1))
        less = min(int(rng.integers(0, int(length * shrink) + 1)), (side - 1) // 2)
        slices.append(slice(start + less, start + side - less))
    hole[slices[0], slices[1]] = True
    return hole


def check_size(height: int, width: int) -> None:
    """Refuse an image without pixels.

    Raises:
        InputError: if a side is below 1.
    """
    if height < 1 or width < 1:
        raise InputError(f"the image is {width}x{height}; a mask needs at least 1x1 pixel")
