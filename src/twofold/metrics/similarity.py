"""Structural similarity (SSIM) in the four conventions that inpainting papers use under one name.

Wang, Bovik, Sheikh, Simoncelli: "Image Quality Assessment: From Error Visibility to Structural
Similarity", IEEE TIP 2004. The conventions differ by up to 0.12 on one pair of pictures, more than papers
claim as progress; so a figure means nothing without the name of its convention.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError
from twofold.metrics.fidelity import Pixels, check_pair, grey

Plane = npt.NDArray[np.float64]
"""One channel [h w], levels in [0, 255]."""

_LUMINANCE_FLOOR = (0.01 * 255) ** 2
_CONTRAST_FLOOR = (0.03 * 255) ** 2


@dataclass(frozen=True)
class SSIM:
    """One convention of SSIM; all take 255 for the data range, K1 = 0.01 and K2 = 0.03.

    Attributes:
        window: how the pixels of a window are weighted.
        size: side of the window in pixels, odd.
        sigma: deviation of a Gaussian window in pixels; not read for a uniform one.
        grey: compare grey pictures; else each of red, green and blue by itself, averaged.
        padding: "none" averages over windows that lie wholly inside the picture; "zero" puts black around
            it and averages over all pixels.
        unbiased: variances with the divisor of a sample (pixels less one), else of a population.
    """

    window: Literal["uniform", "gaussian"]
    size: int
    sigma: float = 0.0
    grey: bool = False
    padding: Literal["none", "zero"] = "none"
    unbiased: bool = False


CONVENTIONS: dict[str, SSIM] = {
    # scikit-image's defaults on RGB: the official DSI code, which prints it as "MS-SSIM".
    "uniform7": SSIM("uniform", 7, unbiased=True),
    # scikit-image on grey pictures with a window of 51: EdgeConnect's script. PUT does the same with the
    # grey of OpenCV, Rec. 601 rounded to whole levels.
    "uniform51": SSIM("uniform", 51, grey=True, unbiased=True),
    # The window of the paper, on RGB: MAT. (torchmetrics mirrors the border and counts it.)
    "gaussian11": SSIM("gaussian", 11, sigma=1.5),
    # pytorch-ssim: LaMa.
    "gaussian11-zero": SSIM("gaussian", 11, sigma=1.5, padding="zero"),
}
"""The conventions by name; the comments say whose they are."""


def ssim(image: Pixels, reference: Pixels, convention: SSIM) -> float:
    """Give the structural similarity of two pictures.

    Args:
        image: uint8 [h w 3], or [h w] for a grey picture.
        reference: the true picture, of the same shape; exchanging the two changes nothing.
        convention: one of ``CONVENTIONS``.

    Returns:
        At most 1, which only equal pictures have; may be negative.

    Raises:
        InputError: if the arrays do not fit each other or are not uint8, or if windows must lie inside the
            picture and it is smaller than one.
    """
    check_pair(image, reference)
    if convention.padding == "none" and min(image.shape[:2]) < convention.size:
        raise InputError(
            f"image is {image.shape[0]}x{image.shape[1]} but this SSIM has a window of {convention.size}x"
            f"{convention.size} pixels inside it; give larger pictures, or another convention"
        )
    pairs = zip(_planes(image, convention.grey), _planes(reference, convention.grey), strict=True)
    return float(np.mean([_similarity(ours, theirs, convention).mean() for ours, theirs in pairs]))


def _similarity(x: Plane, y: Plane, convention: SSIM) -> Plane:
    """SSIM of each window."""
    mean_x, mean_y, square_x, square_y, product = (
        _window_means(plane, convention) for plane in (x, y, x * x, y * y, x * y)
    )
    pixels = convention.size**2
    divisor = pixels / (pixels - 1) if convention.unbiased else 1.0
    means, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    luminance = (2 * means + _LUMINANCE_FLOOR) / (squares + _LUMINANCE_FLOOR)
    covariance, variances = divisor * (product - means), divisor * (square_x + square_y - squares)
    similarity: Plane = luminance * (2 * covariance + _CONTRAST_FLOOR) / (variances + _CONTRAST_FLOOR)
    return similarity


def _planes(picture: Pixels, as_grey: bool) -> list[Plane]:
    """The channels to compare."""
    if as_grey or picture.ndim == 2:
        return [grey(picture)]
    return [picture[..., channel].astype(np.float64) for channel in range(picture.shape[-1])]


def _window_means(plane: Plane, convention: SSIM) -> Plane:
    """Weighted mean of each window; without padding smaller by the border."""
    if convention.padding == "zero":
        plane = np.pad(plane, convention.size // 2)
    # Sums of shifted views, along one axis and then the other, a plane at a time: it stays in the cache,
    # and no thread waits for another where networks run beside.
    for _ in range(2):
        places = plane.shape[0] - convention.size + 1
        total = np.zeros((places, plane.shape[1]))
        part = np.empty_like(total)
        for shift, weight in enumerate(_weights(convention)):
            total += np.multiply(plane[shift : shift + places], weight, out=part)
        plane = np.ascontiguousarray(total.T)
    return plane


def _weights(convention: SSIM) -> list[float]:
    """The weights of a window along one axis, of sum 1."""
    if convention.window == "uniform":
        return [1 / convention.size] * convention.size
    half = convention.size // 2
    bell = [math.exp(-((place / convention.sigma) ** 2) / 2) for place in range(-half, half + 1)]
    return [weight / sum(bell) for weight in bell]
