"""Holes by kind and by ratio: the buckets of the literature, and holes drawn to lie in one of them."""

import math
import re
from collections.abc import Sequence

import numpy as np

from twofold.errors import InputError
from twofold.masks.boxes import centre_box, random_boxes, regular_box
from twofold.masks.canvas import Hole, MaskGenerator, check_size
from twofold.masks.irregular import irregular
from twofold.masks.objects import object_shaped
from twofold.masks.strokes import free_form, thin

RATIO_BUCKETS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
"""Hole ratios [low, high) by which results are reported."""

# Draws of one hole before it is thrown away, and holes begun before the bucket counts as impossible.
_DRAWS, _ATTEMPTS = 40, 25
_RANGE = re.compile(r"(\d+(?:\.\d*)?)\s*-\s*(\d+(?:\.\d*)?)\s*%?")


MASK_KINDS: dict[str, MaskGenerator] = {
    "centre": lambda height, width, rng: centre_box(height, width),
    "regular": regular_box,
    "boxes": random_boxes,
    "free-form": free_form,
    "irregular": irregular,
    "thin": thin,
    "object": object_shaped,
}
"""The kinds of mask by name; each draws one hole with its default options."""


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuse unknown kinds of mask, and none at all.

    Raises:
        InputError: naming the known ones.
    """
    unknown = [kind for kind in kinds if kind not in MASK_KINDS]
    if unknown or not kinds:
        seen = f"there is no kind of mask {unknown[0]!r}" if unknown else "no kind of mask was given"
        raise InputError(f"{seen}; choose from {', '.join(MASK_KINDS)}")


def parse_ratio(text: str) -> tuple[float, float]:
    """Read a bucket of hole ratio in percent, such as ``20-30``, as fractions.

    Raises:
        InputError: if it is none.
    """
    match = _RANGE.fullmatch(text.strip())
    low, high = (float(number) / 100 for number in match.groups()) if match else (1.0, 0.0)
    if not 0 <= low < high <= 1:
        raise InputError(f"ratio is {text!r}; give the smallest and the largest percentage, such as 20-30")
    return low, high


def hole_ratio(hole: Hole) -> float:
    """The missing part of an image, in [0, 1]."""
    return float(np.count_nonzero(hole)) / hole.size


def draw_in_bucket(
    generator: MaskGenerator,
    height: int,
    width: int,
    bucket: tuple[float, float],
    seed: int | np.random.Generator,
) -> Hole:
    """Draw a hole whose ratio really lies in ``[low, high)``; the same seed gives the same hole.

    Draws are united until the hole is large enough; a draw that would make it too large is left
    out and another one tried.

    Args:
        generator: draws one hole; one of ``MASK_KINDS``' values, or your own.
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        bucket: ``low`` (included) and ``high`` (excluded), as fractions of the image.
        seed: 0 or above, or a source of randomness.

    Raises:
        InputError: if no whole number of pixels lies in the bucket, or the generator cannot reach it.
    """
    check_size(height, width)
    rng = np.random.default_rng(seed)
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


def mixed(
    height: int,
    width: int,
    rng: np.random.Generator,
    kinds: Sequence[str] = ("free-form", "irregular", "boxes"),
    *,
    ratio: tuple[float, float] = (0.05, 0.6),
) -> Hole:
    """A hole for training: kinds equally often, hole ratios spread evenly over ``ratio``.

    Args:
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        rng: the only source of randomness.
        kinds: names out of ``MASK_KINDS``. ``centre`` and ``regular`` always have their own ratio
            of about a quarter.
        ratio: smallest and largest part of the image that is missing.

    Raises:
        InputError: if a kind is unknown, none is given, or ``ratio`` cannot be reached.
    """
    check_kinds(kinds)
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
    return draw_in_bucket(MASK_KINDS[kind], height, width, bucket, rng)


def make_mask(
    kind: str, height: int, width: int, seed: Sequence[int], *, ratio: tuple[float, float] | None = None
) -> Hole:
    """Draw one mask; the same seed gives the same mask.

    Args:
        kind: one of ``MASK_KINDS``.
        height: rows, in pixels.
        width: columns, in pixels.
        seed: one number or several, each 0 or above.
        ratio: hole ratio ``[low, high)``; None: whatever the kind draws.

    Raises:
        InputError: if the kind is unknown, a seed is negative, or the ratio cannot be reached.
    """
    check_kinds([kind])
    if min(seed, default=0) < 0:
        raise InputError(f"seed is {min(seed)}; give a seed from 0 on")
    sequence = np.random.SeedSequence(list(seed))
    if ratio is None:
        return MASK_KINDS[kind](height, width, np.random.default_rng(sequence))
    low, high = sequence.generate_state(2)
    return draw_in_bucket(MASK_KINDS[kind], height, width, ratio, (int(high) << 32) | int(low))
