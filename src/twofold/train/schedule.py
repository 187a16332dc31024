"""Learning rates as a function of the step."""

import math
from typing import Literal

Schedule = Literal["constant", "linear", "cosine", "power"]


def learning_rate_factor(step: int, steps: int, *, kind: Schedule, warmup: int) -> float:
    """The part of the peak learning rate that step ``step`` of ``steps`` uses, in (0, 1].

    Args:
        step: from 0.
        steps: length of the run.
        kind: ``constant``; ``linear``: constant for a third, then down to zero in a line, as the
            official MEDFE code does with 20 of 60 epochs; ``cosine``: half a cosine down to 2 %;
            ``power``: from the end of the rise on falling with the step to the power of -0.35, as the
            official DSI code does for the structure generator.
        warmup: steps of a linear rise at the start.
    """
    if kind == "power":
        share = (step + 1) / max(1, warmup)
        return min(share, share**-0.35)
    rise = min(1.0, (step + 1) / (warmup + 1))
    progress = min(1.0, step / max(1, steps))
    if kind == "cosine":
        return rise * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
    if kind == "linear":
        return rise * min(1.0, (1 - progress) * 3 / 2 + 1 / max(1, steps))
    return rise
