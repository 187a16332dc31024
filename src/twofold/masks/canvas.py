"""What all generators of holes share: a picture that is large enough, and a hole that is never empty."""

from collections.abc import Callable
from functools import wraps

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError

Hole = npt.NDArray[np.bool_]
"""[h w], True = missing."""
MaskGenerator = Callable[[int, int, np.random.Generator], Hole]
"""Height and width of an image, in pixels, and the only source of randomness -> a hole."""


def check_size(height: int, width: int) -> None:
    """Refuse an image without pixels.

    Raises:
        InputError: if a side is below 1.
    """
    if height < 1 or width < 1:
        raise InputError(f"the image is {width}x{height}; a mask needs at least 1x1 pixel")


def mask_generator(draw: MaskGenerator) -> MaskGenerator:
    """Make a generator of ``draw``: an empty image raises ``InputError``, and the hole is never empty."""

    @wraps(draw)
    def drawn(height: int, width: int, rng: np.random.Generator) -> Hole:
        check_size(height, width)
        return never_empty(draw(height, width, rng), rng)

    return drawn


def never_empty(hole: Hole, rng: np.random.Generator) -> Hole:
    """The hole, or a hole of one pixel where everything was drawn beside a picture of a few pixels."""
    if hole.any():
        return hole
    hole = np.zeros_like(hole)
    hole[int(rng.integers(hole.shape[0])), int(rng.integers(hole.shape[1]))] = True
    return hole
