"""What a fill does where it meets the known pixels: error on the rim of the hole, and visible seams.

A mean over the whole hole hides both: the rim is a small part of it, and the first thing that is seen.
"""

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError
from twofold.metrics.fidelity import Pixels, check_hole, check_pair

_RANGE = 255


def rim_error(image: Pixels, reference: Pixels, hole: Pixels, *, width: int = 2) -> float:
    """Mean absolute error of the missing pixels close to a known one, as a fraction of the value range.

    Args:
        image: uint8 [h w] or [h w c]; known pixels are not read.
        reference: the true picture, of the same shape.
        hole: bool [h w], True = missing.
        width: how far from a known pixel the rim reaches, in pixels by chessboard distance (a diagonal
            step is one); the picture's edge is no rim.

    Returns:
        0 for a perfect rim, at most 1; 0 where there is no rim, the hole being empty or the whole picture.

    Raises:
        InputError: if the arrays do not fit each other, or width is below 1.
    """
    _check(image, reference, hole)
    if width < 1:
        raise InputError(f"width is {width}; give at least 1 pixel")
    rim = hole.astype(np.bool_) & _grown(~hole.astype(np.bool_), width)
    if not rim.any():
        return 0.0
    return float(np.abs(image[rim].astype(np.float64) - reference[rim].astype(np.float64)).mean()) / _RANGE


def seam(image: Pixels, reference: Pixels, hole: Pixels) -> float:
    """How much larger the step across the hole's outline is than in the true picture.

    The mean absolute difference over all pairs of a missing and a known pixel that share a side, less the
    same mean of the true picture, as a fraction of the value range. Known values are the reference's.

    Args:
        image: uint8 [h w] or [h w c]; known pixels are not read.
        reference: the true picture, of the same shape.
        hole: bool [h w], True = missing.

    Returns:
        In [-1, 1]: 0 for the true picture, above for a seam that can be seen, below for a fill smoother
        across the outline than the truth; 0 where no missing pixel has a known neighbour.

    Raises:
        InputError: if the arrays do not fit each other.
    """
    _check(image, reference, hole)
    missing = hole.astype(np.bool_)
    ours, theirs = image.astype(np.float64), reference.astype(np.float64)
    excess, pairs = 0.0, 0
    for axis in (0, 1):
        size = missing.shape[axis]
        for inside, outside in ((slice(1, size), slice(0, size - 1)), (slice(0, size - 1), slice(1, size))):
            here, there = _along(axis, inside), _along(axis, outside)
            meets = missing[here] & ~missing[there]
            known = theirs[there][meets]
            excess += float((np.abs(ours[here][meets] - known) - np.abs(theirs[here][meets] - known)).sum())
            pairs += known.size
    return excess / pairs / _RANGE if pairs else 0.0


def _along(axis: int, part: slice) -> tuple[slice, slice]:
    """A part of the rows or of the columns."""
    return (part, slice(None)) if axis == 0 else (slice(None), part)


def _grown(mask: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.bool_]:
    """The mask and all pixels within a chessboard distance of it."""
    for axis in (0, 1):
        grown = mask.copy()
        size = mask.shape[axis]
        for shift in range(1, min(width, size - 1) + 1):
            ahead, behind = _along(axis, slice(shift, size)), _along(axis, slice(0, size - shift))
            grown[ahead] |= mask[behind]
            grown[behind] |= mask[ahead]
        mask = grown
    return mask


def _check(image: Pixels, reference: Pixels, hole: Pixels) -> None:
    """Refuse arrays that do not fit each other."""
    check_pair(image, reference)
    check_hole(hole, image)
