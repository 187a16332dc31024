"""Choose answers that differ: draw a sample again if it looks like an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.engine.draws import Draw, Request

NEAR = 2.0
"""Pictures that differ by less than this in their missing pixels, in levels of 255 on average, are one
picture to the eye: rounding and fine grain make about 1; 40 levels in a twentieth of the hole make 2."""
MOST_ATTEMPTS = 4
"""A sample is drawn again up to so many times."""

Difference = Callable[[Draw, Draw], float]


@dataclass(frozen=True, eq=False)
class Choice:
    """The draw that became a sample.

    Attributes:
        draw: what was drawn.
        attempt: by which attempt, from 0.
        duplicate_of: index of an earlier sample that it is near to after the last attempt, or None.
    """

    draw: Draw
    attempt: int = 0
    duplicate_of: int | None = None


def difference(one: Draw, other: Draw) -> float:
    """Mean absolute difference of two pictures over their missing pixels, in levels of 255.

    Alpha is the same in both and does not count.
    """
    scale = 257 if one.missing.dtype == np.uint16 else 1
    return float(np.abs(_colours(one) - _colours(other)).mean()) / scale


def _colours(draw: Draw) -> npt.NDArray[np.int32]:
    missing = draw.missing.astype(np.int32)
    return missing[:, :3] if missing.ndim == 2 else missing


def choose_distinct(
    indices: Sequence[int],
    earlier: Sequence[Choice],
    draw: Callable[[Sequence[Request]], list[Draw]],
    *,
    differ: Difference = difference,
) -> Iterator[Choice]:
    """Choose a draw for each index: its first attempt that is not near to any earlier sample.

    Choices come in the order of the indices, each as soon as it is final. The rule looks at lower
    indices only, so a choice does not depend on how many samples follow. After the last attempt a
    sample stays as it is, near or not.

    Draws are batched: all first attempts at once, then one more attempt of every sample that looks
    near so far. What is drawn in vain thereby is thrown away; it changes no choice.

    Args:
        indices: of the samples to choose, rising; those before them are ``earlier``.
        earlier: choices for the indices 0 to ``indices[0]`` - 1; not changed.
        draw: answers requests, always the same draw to one request.
        differ: how far two pictures are apart.
    """
    draws = dict(zip([(index, 0) for index in indices], draw([(index, 0) for index in indices]), strict=True))
    near: dict[tuple[int, int], bool] = {}

    def is_near(one: Draw, other: Draw) -> bool:
        key = (id(one), id(other))
        if key not in near:
            near[key] = differ(one, other) < NEAR
        return near[key]

    final = len(earlier)
    while True:
        choices, wanted = list(earlier), []
        for index in indices:
            choice = _first_distinct(index, choices, draws, is_near)
            if choice.duplicate_of is not None and choice.attempt < MOST_ATTEMPTS:
                wanted.append((index, choice.attempt + 1))
            choices.append(choice)
        # What comes before the first sample that is drawn again is final: it looks at earlier ones only.
        end = wanted[0][0] if wanted else len(choices)
        yield from choices[final:end]
        final = end
        if not wanted:
            return
        draws.update(zip(wanted, draw(wanted), strict=True))


def _first_distinct(
    index: int,
    before: Sequence[Choice],
    draws: dict[Request, Draw],
    is_near: Callable[[Draw, Draw], bool],
) -> Choice:
    """The first draw of a sample that is near to none before it, else its last one so far."""
    attempt = 0
    while True:
        candidate = draws[index, attempt]
        twins = (place for place, choice in enumerate(before) if is_near(candidate, choice.draw))
        twin = next(twins, None)
        if twin is None or (index, attempt + 1) not in draws:
            return Choice(candidate, attempt, twin)
        attempt += 1
