"""How far a filled picture is from the true one, pixel by pixel: PSNR and mean absolute error."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError

Pixels = npt.NDArray[np.generic]
"""An array whose dtype is checked at run time."""

_PEAK = 255


def psnr(
    image: Pixels,
    reference: Pixels,
    hole: Pixels | None = None,
) -> float:
    """Peak signal to noise ratio in decibels, ``10 log10(255^2 / mean squared error)``.

    Args:
        image: uint8 [h w] or [h w c].
        reference: the true picture, of the same shape.
        hole: [h w], True where pixels count; None counts the whole picture. Pictures that agree
            outside the hole have the same error in both, diluted by the hole ratio in the whole.

    Returns:
        Decibels, higher is better; infinity for equal pictures.

    Raises:
        InputError: if the arrays do not fit each other, are not uint8, or the hole is empty.
    """
    error = float(np.square(_differences(image, reference, hole)).mean())
    return 10 * math.log10(_PEAK**2 / error) if error else math.inf


def mean_absolute_error(
    image: Pixels,
    reference: Pixels,
    hole: Pixels | None = None,
) -> float:
    """Mean absolute difference as a fraction of the value range: 0 for equal pictures, at most 1.

    Arguments and errors are those of ``psnr``.
    """
    return float(np.abs(_differences(image, reference, hole)).mean()) / _PEAK


def _differences(image: Pixels, reference: Pixels, hole: Pixels | None) -> npt.NDArray[np.float64]:
    """The differences of the pixels that count, checked."""
    if image.shape != reference.shape or image.dtype != np.uint8 or reference.dtype != np.uint8:
        raise InputError(
            f"image is {image.dtype} {image.shape} and reference {reference.dtype} {reference.shape}; "
            f"give two uint8 arrays of one shape"
        )
    # uint8 would wrap around at zero.
    differences = image.astype(np.float64) - reference.astype(np.float64)
    if hole is None:
        return differences
    if hole.shape != image.shape[:2] or hole.dtype != np.bool_ or not hole.any():
        raise InputError(
            f"hole is {hole.dtype} {hole.shape} with {np.count_nonzero(hole)} pixels but image is "
            f"{image.shape}; give a boolean array of its height and width with at least one True"
        )
    return differences[hole.astype(np.bool_)]
