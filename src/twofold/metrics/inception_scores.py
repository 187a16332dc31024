"""The Inception score and its modification: how sure, and how varied, a classifier finds pictures.

Salimans et al.: "Improved Techniques for Training GANs", NeurIPS 2016. The modified score is the one that
the official DSI code computes: it asks that fills are of some class for sure, not that they are of many
classes. Both know nothing of the true pictures.
"""

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError

Probabilities = npt.NDArray[np.float64]
"""[n k], class probabilities of each picture."""

_SUM_TOLERANCE = 1e-3


def inception_score(probabilities: npt.ArrayLike, splits: int = 10) -> float:
    """Mean over splits of ``exp(mean KL(p(y|x) || p(y)))``.

    Splits are stretches of equal length in the order given; rows left over at the end are not counted,
    as in OpenAI's and DSI's code. Papers take probabilities from logits without bias.

    Args:
        probabilities: [n k], rows of sum 1.
        splits: how many; p(y) is the mean row of a split, so figures of different splits do not compare.

    Returns:
        From 1, where all rows are equal, to k.

    Raises:
        InputError: if rows are no probabilities, or there are fewer rows than splits.
    """
    scores = []
    for part in _parts(probabilities, splits):
        divergence = _sum_of_products(part, part / part.mean(axis=0).clip(min=np.finfo(np.float64).tiny))
        scores.append(np.exp(divergence.mean()))
    return float(np.mean(scores))


def modified_inception_score(probabilities: npt.ArrayLike, splits: int = 10) -> float:
    """Mean over splits of ``exp(-mean H(p(y|x)))``, H being the entropy in nats.

    Arguments and errors are those of ``inception_score``.

    Returns:
        From 1/k, where every row is even, to 1, where every row is sure of one class.
    """
    return float(
        np.mean([np.exp(_sum_of_products(part, part).mean()) for part in _parts(probabilities, splits)])
    )


def _sum_of_products(part: Probabilities, ratio: Probabilities) -> Probabilities:
    """Sum of ``p log(ratio)`` over each row, where p = 0 counts nothing."""
    return (part * np.log(np.where(part > 0, ratio, 1.0))).sum(axis=1)


def _parts(probabilities: npt.ArrayLike, splits: int) -> list[Probabilities]:
    """The rows, checked, in stretches of equal length."""
    rows = np.asarray(probabilities, np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise InputError(f"probabilities are of shape {rows.shape}; give one row of each picture")
    if not 1 <= splits <= len(rows):
        raise InputError(
            f"splits is {splits} but there are {len(rows)} pictures; give at least one picture a split"
        )
    # Written so that numbers that are not finite fail too.
    fit = (rows >= 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    if not fit.all():
        raise InputError(
            f"{len(rows) - int(fit.sum())} rows are no probabilities (not below 0, of sum 1); "
            f"give the softmax of the logits"
        )
    length = len(rows) // splits
    return [rows[start * length : (start + 1) * length] for start in range(splits)]
