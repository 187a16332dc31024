"""Which code a position gets from its logits and its noise, both taken at their word; without PyTorch."""

import numpy as np
import numpy.typing as npt

from twofold.dsi.options import SamplingOptions

Codes = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float64]


def draw(logits: Logits, noise: Logits, options: SamplingOptions) -> Codes:
    """The code with the largest sum of logit and tempered noise, among those that the options allow.

    With Gumbel noise that is a draw from the softmax of the logits over the temperature.

    Args:
        logits: [n k].
        noise: [n k], Gumbel noise.
        options: temperature and limits.

    Returns:
        [n], the first of equals.
    """
    scores = logits + options.temperature * noise
    if options.temperature > 0 and (options.top_k > 0 or options.top_p < 1):
        order = np.argsort(-logits, axis=-1, kind="stable")
        ranked = np.take_along_axis(logits, order, -1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(logits.shape[-1])[None], -1)
        scores = np.where(rank < _allowed(ranked, options), scores, -np.inf)
    return scores.argmax(axis=-1)


def _allowed(ranked: Logits, options: SamplingOptions) -> Codes:
    """How many of the likeliest codes the options allow, [n 1]; both limits look at all codes."""
    codes = ranked.shape[-1]
    count = np.full((len(ranked), 1), codes)
    if options.top_p < 1:
        share = np.exp((ranked - ranked[:, :1]) / options.temperature)
        share /= share.sum(axis=-1, keepdims=True)
        likelier = share.cumsum(axis=-1) - share
        count = (likelier < options.top_p).sum(axis=-1, keepdims=True)
    return np.clip(count, 1, options.top_k or codes)


def log_probabilities(logits: Logits) -> Logits:
    """Natural logarithms of the probabilities of codes [n k]."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def window_ends(known: npt.NDArray[np.bool_], window: int) -> npt.NDArray[np.int64]:
    """For a window of Jacobi decoding that starts at each column, the column where it ends.

    It takes in so many columns to be sampled, and all known ones up to the next: those are right as
    soon as the others are.
    """
    unknown_before = np.concatenate([[0], np.cumsum(~known)])
    return np.searchsorted(unknown_before, unknown_before[:-1] + window, side="right") - 1
