"""Samples structure codes with the exported step graph of a DSI that decodes in parallel."""

from collections.abc import Callable

import numpy as np

from twofold.dsi.draw import Codes, Logits
from twofold.dsi.options import SamplingOptions
from twofold.dsi.parallel.passes import draw_in_passes
from twofold.engine.backends.onnx.raster import Floats, Mask
from twofold.engine.backends.onnx.session import Graph


class ParallelSampler:
    """Samples structures for one picture, see ``RasterSampler``.

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
    ) -> tuple[Codes, float]:
        """Draw one structure; see ``draw_in_passes``."""

        def hidden_logits(codes: Codes, hidden: Mask) -> Logits:
            return self.logits(codes, hidden)[hidden].astype(np.float64)

        return draw_in_passes(hidden_logits, seed, options, kept, known, progress=progress)
