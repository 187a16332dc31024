"""How sure a mean is, and whether two models differ: bootstrap intervals and a paired permutation test.

Everything is drawn from a seed, so the same values give the same figures. Resamples are drawn in blocks:
lists of tens of thousands of values need a few megabytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError

Values = npt.NDArray[np.float64]

_BLOCK = 1 << 20
_EXACT_UP_TO = 12
"""2^12 sign patterns are enumerated; more values get drawn ones."""
_TIE = 1e-12
"""Means that differ by rounding only are equal; relative to the largest mean there can be."""


@dataclass(frozen=True)
class PairedTest:
    """What a paired comparison of two models found.

    Attributes:
        difference: mean of first minus second.
        low: lower end of its bootstrap interval.
        high: upper end of it.
        p: two-sided probability of a difference this large if the two were exchangeable; above 0, at most 1.
    """

    difference: float
    low: float
    high: float
    p: float


def bootstrap_interval(
    values: npt.ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Give the percentile bootstrap interval of the mean (Efron, 1979).

    Args:
        values: [n], one of each picture; pictures are taken to be independent.
        level: share of resampled means between the two ends.
        resamples: how many times n values are drawn with replacement.
        seed: of the draws.

    Returns:
        Lower and upper end. One value gives itself twice, which says nothing of how sure it is.

    Raises:
        InputError: if there is no value, a value is not finite, or an option is out of range.
    """
    checked = _checked(values, "values")
    _check_options(level, resamples)
    # Deviations from the first value: equal values then give exactly themselves.
    deviations = checked - checked[0]
    rng = np.random.default_rng(seed)
    means = [
        deviations[rng.integers(0, checked.size, (rows, checked.size))].mean(axis=1)
        for rows in _blocks(resamples, checked.size)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(checked[0] + low), float(checked[0] + high)


def paired_test(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> PairedTest:
    """Compare two models on the same pictures: interval of the mean difference, and a sign-flip test.

    The test asks how often a mean difference as large as the one seen comes about when each picture's
    difference has a random sign (Fisher's randomisation test). Up to 12 pictures all signs are tried;
    beyond, ``resamples`` are drawn, and the pattern seen counts as one of them, so p is never 0.

    Args:
        first: [n], one value of each picture.
        second: [n], of the same pictures in the same order.
        level: of the interval; see ``bootstrap_interval``.
        resamples: of the interval and of the test.
        seed: of the draws.

    Raises:
        InputError: if the lists differ in length, are empty or not finite, or an option is out of range.
    """
    ours, theirs = _checked(first, "first"), _checked(second, "second")
    if ours.size != theirs.size:
        raise InputError(
            f"first has {ours.size} values and second {theirs.size}; give one of each for every picture"
        )
    differences = ours - theirs
    low, high = bootstrap_interval(differences, level=level, resamples=resamples, seed=seed)
    return PairedTest(float(differences.mean()), low, high, _sign_flip_p(differences, resamples, seed))


def _sign_flip_p(differences: Values, resamples: int, seed: int) -> float:
    """Share of sign patterns whose mean is at least as far from zero as the one seen."""
    count, total = differences.size, float(differences.sum())
    seen = abs(total) - _TIE * float(np.abs(differences).sum())
    if count <= _EXACT_UP_TO:
        patterns = np.arange(2**count)[:, None] >> np.arange(count) & 1
        return float(np.mean(np.abs(2 * (patterns @ differences) - total) >= seen))
    rng = np.random.default_rng(seed)
    extreme = 0
    for rows in _blocks(resamples, count):
        # A kept sign is 1 and a flipped one 0: twice the kept sum less the whole is the signed sum.
        kept = rng.integers(0, 2, (rows, count), dtype=np.int8) @ differences
        extreme += int(np.count_nonzero(np.abs(2 * kept - total) >= seen))
    return (extreme + 1) / (resamples + 1)


def _blocks(resamples: int, count: int) -> Iterator[int]:
    """Resamples to draw at a time, so that a block stays small."""
    rows = max(1, _BLOCK // count)
    for start in range(0, resamples, rows):
        yield min(rows, resamples - start)


def _checked(values: npt.ArrayLike, name: str) -> Values:
    """The values as float64 [n], finite and at least one."""
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{name} has shape {array.shape}; give a list of at least one number")
    unfit = array[~np.isfinite(array)]
    if unfit.size:
        raise InputError(f"{name} holds {unfit[0]} {unfit.size} times; leave such pictures out on both sides")
    return array


def _check_options(level: float, resamples: int) -> None:
    """Refuse levels and counts that mean nothing."""
    if not 0 < level < 1:
        raise InputError(f"level is {level}; give a share between 0 and 1, for example 0.95")
    if resamples < 1:
        raise InputError(f"resamples is {resamples}; give at least 1")
