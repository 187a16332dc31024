"""Which code a position gets from float32 logits and its noise, and when rounding could change that.

Where it could, ``draw.py`` decides from logits in float64.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.dsi.options import SamplingOptions

GUARD = 5e-6
"""Gaps of scores below this share of the largest logit may be rounding of float32.

Measured on full-size networks with random weights, at 1024 positions each, between float32 and float64: the
difference of the two best logits is off by at most 3.3e-6 of the largest logit, by 8e-7 in the root mean
square. A gap below the guard turns up at one position in tens of thousands."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Chosen codes.

    Attributes:
        codes: one for each position.
        certain: False where rounding of the logits might have decided.
    """

    codes: Int[Tensor, "*b"]
    certain: Bool[Tensor, "*b"]


def choose(
    logits: Float[Tensor, "*b k"],
    noise: Float[Tensor, "*b k"],
    options: SamplingOptions,
    *,
    guard: float = GUARD,
) -> Choice:
    """What ``draw.draw`` takes, if it is certain.

    Where a code's being allowed hangs on rounding, it may still be chosen, but not for certain.

    Args:
        logits: of the network, float32.
        noise: Gumbel noise, float64.
        options: temperature and limits.
        guard: relative to the largest logit, how much rounding may shift the difference of two logits.
    """
    logits = logits.double()
    codes = logits.shape[-1]
    doubt = guard * logits.abs().amax(dim=-1, keepdim=True)
    scores = logits + options.temperature * noise
    limited = options.temperature > 0 and (options.top_k > 0 or options.top_p < 1)
    if limited:
        ranked = logits.sort(dim=-1, descending=True).values
        fewest, most = (_allowed(ranked, options, slack) for slack in (-doubt, doubt))
        least = ranked.gather(-1, most - 1) - doubt
        scores = scores.masked_fill(logits < least, float("-inf"))
    best = scores.topk(min(2, codes), dim=-1)
    chosen = best.indices[..., :1]
    certain = best.values[..., :1] - best.values[..., -1:] > doubt if codes > 1 else chosen == 0
    if limited:
        # Every code that is for certain not among the allowed ones lies below this one.
        first_out = ranked.gather(-1, fewest.clamp(max=codes - 1))
        certain = certain & ((fewest == codes) | (logits.gather(-1, chosen) > first_out + doubt))
    return Choice(chosen[..., 0], certain[..., 0])


def _allowed(
    ranked: Float[Tensor, "*b k"], options: SamplingOptions, slack: Float[Tensor, "*b 1"]
) -> Int[Tensor, "*b 1"]:
    """How many of the likeliest codes the options allow, were the logits off by the slack.

    Both limits look at the softmax over the temperature of all codes. A shift of logits by the slack
    shifts a sum of probabilities by less than the slack over the temperature.
    """
    codes = ranked.shape[-1]
    share = ((ranked - ranked[..., :1]) / options.temperature).softmax(dim=-1)
    likelier = share.cumsum(dim=-1) - share
    count = (likelier < options.top_p + slack / options.temperature).sum(dim=-1, keepdim=True)
    if options.top_p == 1:
        count = torch.full_like(count, codes)
    return count.clamp(min=1, max=options.top_k or codes)
