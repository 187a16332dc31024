"""Which code a position gets from its logits and its noise; ``twofold/dsi/choice.py`` without PyTorch.

Only the guard against rounding is missing: near ties, one position in tens of thousands, fall as the logits
say.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twofold.dsi.options import SamplingOptions

Logits = npt.NDArray[np.float64]


def choose(logits: Logits, noise: Logits, options: SamplingOptions) -> npt.NDArray[np.int64]:
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


def _allowed(ranked: Logits, options: SamplingOptions) -> npt.NDArray[np.int64]:
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
