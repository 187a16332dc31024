"""Masks by the number: kinds by turns, each mask from a seed of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError
from twofold.masks.buckets import MASK_KINDS, draw_in_bucket

_RANGE = re.compile(r"(\d+(?:\.\d*)?)\s*-\s*(\d+(?:\.\d*)?)\s*%?")


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


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuse unknown kinds of mask, and none at all.

    Raises:
        InputError: naming the known ones.
    """
    unknown = [kind for kind in kinds if kind not in MASK_KINDS]
    if unknown or not kinds:
        seen = f"there is no kind of mask {unknown[0]!r}" if unknown else "no kind of mask was given"
        raise InputError(f"{seen}; choose from {', '.join(MASK_KINDS)}")


def make_mask(
    kind: str, height: int, width: int, seed: Sequence[int], *, ratio: tuple[float, float] | None = None
) -> npt.NDArray[np.bool_]:
    """Draw one mask; the same seed gives the same mask.

    Args:
        kind: one of ``MASK_KINDS``.
        height: rows, in pixels.
        width: columns, in pixels.
        seed: one number or several, each 0 or above.
        ratio: hole ratio ``[low, high)``; None: whatever the kind draws.

    Returns:
        A hole [h w], True = missing.

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
