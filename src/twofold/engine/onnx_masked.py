"""Draws structure codes with the exported step graph of a DSI that decodes in parallel: the passes.

What ``twofold/dsi/parallel.py`` does, without PyTorch: the same noise, schedule and choice. One sample after
the other, so that no sample's last bits depend on others.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from twofold.dsi.noise import gumbel_row
from twofold.dsi.options import SamplingOptions
from twofold.engine.code_choice import choose, log_probabilities
from twofold.engine.onnx_sampler import Codes, DrawnStructure, Floats, Graph, Mask


class MaskedSampler:
    """Draws structures for one picture.

    Args:
        masked: runs the graph ``masked``; ``twofold/export/dsi_masked.py`` says what goes in and out.
        condition: [h w d], of the picture.
    """

    def __init__(self, masked: Graph, condition: Floats) -> None:
        self._masked, self._condition = masked, condition

    @staticmethod
    def steps(known: Mask, options: SamplingOptions) -> int:
        """How many steps ``draw`` tells of: its passes, whether or not anything is left to be drawn."""
        return options.passes

    def logits(self, codes: Codes, hidden: Mask) -> Floats:
        """The network's logits [h w k] of every position, given the codes [h w] that are not hidden."""
        inputs = {"codes": codes, "hidden": hidden, "condition": self._condition}
        (logits,) = self._masked(["logits"], inputs)
        return logits

    def draw(
        self,
        seed: int,
        options: SamplingOptions,
        kept: Codes,
        known: Mask,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> DrawnStructure:
        """Draw one structure; it depends on the arguments alone.

        Args:
            seed: of the sample.
            options: temperature, limits, passes and the confidence's noise.
            kept: codes [h w] of known positions; looked at only there.
            known: positions [h w] whose code is given.
            progress: is told how many passes are done.
        """
        codes, hidden = np.where(known, kept, 0), ~known
        missing, total = int(hidden.sum()), 0.0
        for step in range(options.passes):
            if hidden.any():
                logits = self.logits(codes, hidden)[hidden].astype(np.float64)  # n k
                chosen = choose(logits, _noise(seed, 2 * step, hidden, logits.shape[1]), options)
                likelihood = log_probabilities(logits)[np.arange(len(chosen)), chosen]
                confidence = likelihood
                if options.temperature > 0:
                    doubt = options.confidence_noise * (1 - (step + 1) / options.passes)
                    confidence = likelihood + doubt * _noise(seed, 2 * step + 1, hidden, 1)[:, 0]
                stay = min(_stay_hidden(missing, step, options.passes), len(chosen) - 1)
                fixed = np.argsort(confidence, kind="stable")[stay:]
                places = tuple(axis[fixed] for axis in np.nonzero(hidden))
                codes[places], hidden[places] = chosen[fixed], False
                total += float(likelihood[fixed].sum())
            if progress is not None:
                progress(step + 1)
        return DrawnStructure(codes, total)


def _stay_hidden(missing: int, step: int, passes: int) -> int:
    """How many of the missing codes stay hidden after a pass: the share falls as a cosine, to none."""
    done = (step + 1) / passes
    return math.floor(missing * math.cos(math.pi / 2 * done)) if done < 1 else 0


def _noise(seed: int, stream: int, hidden: Mask, codes: int) -> npt.NDArray[np.float64]:
    """Gumbel noise [n codes] of the hidden positions that no other stream of this sample has."""
    height, width = hidden.shape
    rows = [gumbel_row(seed, stream * height + row, width=width, codes=codes) for row in range(height)]
    return np.stack(rows)[hidden]
