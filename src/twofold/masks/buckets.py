"""Hole ratios: the buckets of the literature, and holes drawn to lie in one of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError
from twofold.masks.boxes import centre_box, check_size, random_boxes, regular_box
from twofold.masks.irregular import irregular
from twofold.masks.objects import object_shaped
from twofold.masks.strokes import free_form, thin

MaskGenerator = Callable[[int, int, np.random.Generator], npt.NDArray[np.bool_]]
"""height, width, rng -> a hole [h w], True = missing."""

RATIO_BUCKETS: tuple[tuple[float, float], ...] = (
    (0.01, 0.1),
    (0.1, 0.2),
    (0.2, 0.3),
    (0.3, 0.4),
    (0.4, 0.5),
    (0.5, 0.6),
)
"""Hole ratios [low, high) by which results are reported."""

# Draws of one hole before it is thrown away, and holes begun before the bucket counts as impossible.
_DRAWS, _ATTEMPTS = 40, 25


def _centre(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    return centre_box(height, width)


MASK_KINDS: dict[str, MaskGenerator] = {
    "centre": _centre,
    "regular": regular_box,
    "boxes": random_boxes,
    "free-form": free_form,
    "irregular": irregular,
    "thin": thin,
    "object": object_shaped,
}
"""The kinds of mask by name; each draws one hole with its default options."""


def hole_ratio(hole: npt.NDArray[np.bool_]) -> float:
    """The missing part of an image, in [0, 1]."""
    return float(np.count_nonzero(hole)) / hole.size


def draw_in_bucket(
    generator: MaskGenerator, height: int, width: int, bucket: tuple[float, float], seed: int
) -> npt.NDArray[np.bool_]:
    """Draw a hole whose ratio really lies in ``[low, high)``; the same seed gives the same hole.

    Draws are united until the hole is large enough; a draw that would make it too large is left
    out and another one tried.

    Args:
        generator: draws one hole; one of ``MASK_KINDS``' values, or your own.
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        bucket: ``low`` (included) and ``high`` (excluded), as fractions of the image.
        seed: 0 or above.

    Returns:
        A hole [h w], True = missing.

    Raises:
        InputError: if no whole number of pixels lies in the bucket, or the generator cannot reach it.
    """
    return _draw_between(generator, height, width, bucket, np.random.default_rng(seed))


def mixed(
    height: int,
    width: int,
    rng: np.random.Generator,
    kinds: Sequence[str] = ("free-form", "irregular", "boxes"),
    *,
    ratio: tuple[float, float] = (0.05, 0.6),
) -> npt.NDArray[np.bool_]:
    """A hole for training: kinds equally often, hole ratios spread evenly over ``ratio``.

    Args:
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        rng: the only source of randomness.
        kinds: names out of ``MASK_KINDS``. ``centre`` and ``regular`` always have their own ratio
            of about a quarter.
        ratio: smallest and largest part of the image that is missing.

    Returns:
        A hole [h w], True = missing.

    Raises:
        InputError: if a kind is unknown, none is given, or ``ratio`` cannot be reached.
    """
    unknown = [kind for kind in kinds if kind not in MASK_KINDS]
    if unknown or not kinds:
        seen = f"unknown mask kind {unknown[0]!r}" if unknown else "no mask kind was given"
        raise InputError(f"{seen}; choose from {', '.join(MASK_KINDS)}")
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind in ("centre", "regular"):
        return MASK_KINDS[kind](height, width, rng)
    # Narrow slices of equal width, one of them at random: even over the whole range, whatever the
    # generator likes best.
    low, high = ratio
    slices = max(1, round((high - low) / 0.05))
    chosen = int(rng.integers(slices))
    width_of_slice = (high - low) / slices
    bucket = (low + chosen * width_of_slice, low + (chosen + 1) * width_of_slice)
    return _draw_between(MASK_KINDS[kind], height, width, bucket, rng)


def _draw_between(
    generator: MaskGenerator,
    height: int,
    width: int,
    bucket: tuple[float, float],
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Unite draws of the generator until the ratio lies in ``[low, high)``."""
    check_size(height, width)
    low, high = bucket
    fewest = math.ceil(low * height * width)
    if not 0 <= low < high <= 1.000001 or not fewest < high * height * width:
        raise InputError(
            f"no hole in a {width}x{height} image has a ratio in [{low}, {high}); "
            "give low < high within [0, 1], far enough apart for the image's size"
        )
    for _ in range(_ATTEMPTS):
        hole = np.zeros((height, width), dtype=np.bool_)
        for _ in range(_DRAWS):
            united = hole | generator(height, width, rng)
            ratio = hole_ratio(united)
            if ratio < high:
                hole = united
                if ratio >= low:
                    return hole
    raise InputError(
        f"this kind of mask never came to a hole ratio in [{low:g}, {high:g}) in a {width}x{height} image; "
        "take a wider bucket or another kind of mask"
    )
