"""The plan of parallel decoding: noise, doubt and how much stays hidden in each pass; without PyTorch.

Shared by ``dsi/parallel/decode.py`` and the engine for exported networks: the same seed draws the same codes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from twofold.dsi.gumbel import gumbel_row
from twofold.dsi.options import SamplingOptions


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


def choice_noise(seed: int, step: int, shape: tuple[int, int], codes: int) -> npt.NDArray[np.float64]:
    """Gumbel noise ``[h w codes]`` by which a pass chooses codes; no other pass of the sample has it."""
    return _grid(seed, 2 * step, shape, codes)


def confidence_noise(seed: int, step: int, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Gumbel noise ``[h w]`` that is added to a pass's confidence."""
    return _grid(seed, 2 * step + 1, shape, 1)[..., 0]


def _grid(seed: int, stream: int, shape: tuple[int, int], codes: int) -> npt.NDArray[np.float64]:
    height, width = shape
    rows = (gumbel_row(seed, stream * height + row, width=width, codes=codes) for row in range(height))
    return np.stack(list(rows))
