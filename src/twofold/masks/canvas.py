"""What all generators of holes share: a picture that is large enough, and a hole that is never empty."""

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError


def check_size(height: int, width: int) -> None:
    """Refuse an image without pixels.

    Raises:
        InputError: if a side is below 1.
    """
    if height < 1 or width < 1:
        raise InputError(f"the image is {width}x{height}; a mask needs at least 1x1 pixel")


def never_empty(hole: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """The hole [h w], or a hole of one pixel where everything was drawn beside a picture of a few pixels."""
    if hole.any():
        return hole
    hole = np.zeros_like(hole)
    hole[int(rng.integers(hole.shape[0])), int(rng.integers(hole.shape[1]))] = True
    return hole
