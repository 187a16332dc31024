"""Samples structure codes with the exported step graph of a DSI that decodes in parallel: the passes.

What ``twofold/dsi/parallel/decode.py`` does, without PyTorch: the same noise, schedule and choice. One
sample after the other, so that no sample's last bits depend on others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twofold.dsi.options import SamplingOptions
from twofold.dsi.parallel.schedule import choice_noise, confidence_noise, doubt, stays_hidden
from twofold.engine.backends.onnx.codes import choose, log_probabilities
from twofold.engine.backends.onnx.raster import Codes, Floats, Mask, SampledCodes
from twofold.engine.backends.onnx.session import Graph


class ParallelSampler:
    """Samples structures for one picture.

    Args:
        masked: runs the graph ``masked``; ``twofold/export/dsi.py`` says what goes in and out.
        condition: [h w d], of the picture.
    """

    def __init__(self, masked: Graph, condition: Floats) -> None:
        self._masked, self._condition = masked, condition

    @staticmethod
    def steps(known: Mask, options: SamplingOptions) -> int:
        """How many steps ``sample`` tells of: its passes, whether or not anything is left to be drawn."""
        return options.passes

    def logits(self, codes: Codes, hidden: Mask) -> Floats:
        """The network's logits [h w k] of every position, given the codes [h w] that are not hidden."""
        inputs = {"codes": codes, "hidden": hidden, "condition": self._condition}
        (logits,) = self._masked(["logits"], inputs)
        return logits

    def sample(
        self,
        seed: int,
        options: SamplingOptions,
        kept: Codes,
        known: Mask,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> SampledCodes:
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
                noise = choice_noise(seed, step, known.shape, logits.shape[1])[hidden]
                chosen = choose(logits, noise, options)
                likelihood = log_probabilities(logits)[np.arange(len(chosen)), chosen]
                chance = confidence_noise(seed, step, known.shape)[hidden]
                confidence = likelihood + doubt(options, step) * chance
                stay = min(stays_hidden(options, missing, step), len(chosen) - 1)
                fixed = np.argsort(confidence, kind="stable")[stay:]
                places = tuple(axis[fixed] for axis in np.nonzero(hidden))
                codes[places], hidden[places] = chosen[fixed], False
                total += float(likelihood[fixed].sum())
            if progress is not None:
                progress(step + 1)
        return SampledCodes(codes, total)
