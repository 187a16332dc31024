"""Draws one structure in a few passes: the likeliest codes first, the others with those in view.

Masked-token decoding as in MaskGIT (CVPR 2022), an alternative to the paper's exact sampling: a code is drawn
given the codes of earlier passes, but independently of those of its own. Without PyTorch, for networks of
either runtime: the same seed draws the same codes.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from twofold.dsi.draw import Codes, Logits, draw, log_probabilities
from twofold.dsi.gumbel import gumbel_row
from twofold.dsi.options import SamplingOptions

Hidden = npt.NDArray[np.bool_]
HiddenLogits = Callable[[Codes, Hidden], Logits]
"""From codes [h w] and which of them are hidden to the logits [m k] of those, row by row."""


def draw_in_passes(
    logits_of: HiddenLogits,
    seed: int,
    options: SamplingOptions,
    kept: Codes,
    known: Hidden,
    *,
    progress: Callable[[int], None] | None = None,
) -> tuple[Codes, float]:
    """Draw one structure in ``options.passes`` passes; it depends on the arguments alone.

    After pass t of T, the share cos(pi/2 t/T) of the missing codes stays hidden: those that were drawn with
    the least confidence, which is their log-probability plus noise that fades to nothing.

    Args:
        logits_of: the network; not asked where nothing is hidden.
        seed: of the sample, 0 or more.
        options: temperature, limits, passes and the confidence's noise.
        kept: codes [h w] of known positions; looked at only there.
        known: positions [h w] whose code is given.
        progress: is told how many passes are done.

    Returns:
        Codes [h w], and the sum over the drawn ones of their log-probability in the pass that drew them: not
        the probability of the whole structure, which such a network cannot tell.
    """
    codes, hidden = np.where(known, kept, 0), ~known
    missing, total = int(hidden.sum()), 0.0
    for step in range(options.passes):
        if hidden.any():
            logits = logits_of(codes, hidden)
            chosen = draw(logits, choice_noise(seed, step, known.shape, logits.shape[1])[hidden], options)
            likelihood = log_probabilities(logits)[np.arange(len(chosen)), chosen]
            confidence = likelihood + doubt(options, step) * confidence_noise(seed, step, known.shape)[hidden]
            stay = min(stays_hidden(options, missing, step), len(chosen) - 1)
            fixed = np.argsort(confidence, kind="stable")[stay:]
            places = tuple(axis[fixed] for axis in np.nonzero(hidden))
            codes[places], hidden[places] = chosen[fixed], False
            total += float(likelihood[fixed].sum())
        if progress is not None:
            progress(step + 1)
    return codes, total


def stays_hidden(options: SamplingOptions, missing: int, step: int) -> int:
    """How many of the missing codes stay hidden after a pass: the share falls as a cosine, to none.

    Args:
        options: how many passes there are.
        missing: codes that are to be drawn in all.
        step: the pass, from 0.
    """
    done = (step + 1) / options.passes
    return math.floor(missing * math.cos(math.pi / 2 * done)) if done < 1 else 0


def doubt(options: SamplingOptions, step: int) -> float:
    """Weight of the noise in a pass's confidence: it fades to nothing, and temperature 0 has none."""
    if options.temperature == 0:
        return 0.0
    return options.confidence_noise * (1 - (step + 1) / options.passes)


def choice_noise(seed: int, step: int, shape: tuple[int, ...], codes: int) -> npt.NDArray[np.float64]:
    """Gumbel noise ``[h w codes]`` by which a pass chooses codes; no other pass of the sample has it."""
    return _grid(seed, 2 * step, shape, codes)


def confidence_noise(seed: int, step: int, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Gumbel noise ``[h w]`` that is added to a pass's confidence."""
    return _grid(seed, 2 * step + 1, shape, 1)[..., 0]


def _grid(seed: int, stream: int, shape: tuple[int, ...], codes: int) -> npt.NDArray[np.float64]:
    height, width = shape
    rows = (gumbel_row(seed, stream * height + row, width=width, codes=codes) for row in range(height))
    return np.stack(list(rows))
