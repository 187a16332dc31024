"""How far a filled picture is from the true one, pixel by pixel: PSNR and mean absolute error.

Both also as EdgeConnect's script has them, on grey pictures: papers after it report those.
"""

import math

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError

Pixels = npt.NDArray[np.generic]
"""An array whose dtype is checked at run time."""

_PEAK = 255
_GREY_WEIGHTS = np.array([0.2125, 0.7154, 0.0721])
"""Of red, green and blue: Rec. 709 to four digits, as scikit-image's ``rgb2gray`` has them."""


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
    return _decibels(_differences(image, reference, hole))


def mean_absolute_error(
    image: Pixels,
    reference: Pixels,
    hole: Pixels | None = None,
) -> float:
    """Mean absolute difference as a fraction of the value range: 0 for equal pictures, at most 1.

    Arguments and errors are those of ``psnr``.
    """
    return float(np.abs(_differences(image, reference, hole)).mean()) / _PEAK


def psnr_grey(image: Pixels, reference: Pixels) -> float:
    """Peak signal to noise ratio of the grey pictures, in decibels; what EdgeConnect's script gives.

    Args:
        image: uint8 [h w 3], or [h w].
        reference: the true picture, of the same shape.

    Returns:
        Decibels, higher is better; infinity for equal grey pictures.

    Raises:
        InputError: if the arrays do not fit each other or are not uint8.
    """
    check_pair(image, reference)
    return _decibels(grey(image) - grey(reference))


def relative_error(image: Pixels, reference: Pixels) -> float:
    """Sum of absolute differences over the sum of both grey pictures; EdgeConnect's "MAE".

    The same error counts more in a dark picture than in a bright one.

    Returns:
        A fraction: 0 for equal pictures, at most 1.

    Arguments and errors are those of ``psnr_grey``.
    """
    check_pair(image, reference)
    ours, theirs = grey(image), grey(reference)
    light = float((ours + theirs).sum())
    return float(np.abs(ours - theirs).sum()) / light if light else 0.0


def grey(image: Pixels) -> npt.NDArray[np.float64]:
    """Give the grey picture, as scikit-image's ``rgb2gray`` but in [0, 255].

    Args:
        image: uint8 [h w 3], or [h w], which is grey already.

    Returns:
        float64 [h w] in [0, 255], not rounded.

    Raises:
        InputError: if the array is no picture.
    """
    if image.ndim == 2:
        return image.astype(np.float64)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise InputError(f"image is of shape {image.shape}; give [h w 3] or [h w]")
    return image.astype(np.float64) @ _GREY_WEIGHTS


def check_pair(image: Pixels, reference: Pixels) -> None:
    """Refuse arrays that cannot be compared pixel by pixel.

    Raises:
        InputError: if shapes differ or an array is not uint8.
    """
    if image.shape != reference.shape or image.dtype != np.uint8 or reference.dtype != np.uint8:
        raise InputError(
            f"image is {image.dtype} {image.shape} and reference {reference.dtype} {reference.shape}; "
            f"give two uint8 arrays of one shape"
        )


def check_hole(hole: Pixels, image: Pixels) -> None:
    """Refuse a hole that does not lie in the image.

    Raises:
        InputError: if it is not a boolean array of the image's height and width.
    """
    if hole.shape != image.shape[:2] or hole.dtype != np.bool_:
        raise InputError(
            f"hole is {hole.dtype} {hole.shape} but image is {image.shape}; give a boolean array of its "
            f"height and width"
        )


def _decibels(differences: npt.NDArray[np.float64]) -> float:
    """PSNR of pictures with these differences."""
    error = float(np.square(differences).mean())
    return 10 * math.log10(_PEAK**2 / error) if error else math.inf


def _differences(image: Pixels, reference: Pixels, hole: Pixels | None) -> npt.NDArray[np.float64]:
    """The differences of the pixels that count, checked."""
    check_pair(image, reference)
    # uint8 would wrap around at zero.
    differences = image.astype(np.float64) - reference.astype(np.float64)
    if hole is None:
        return differences
    check_hole(hole, image)
    if not hole.any():
        raise InputError("hole has no pixel; give one with at least one True, or None for the whole picture")
    return differences[hole.astype(np.bool_)]
