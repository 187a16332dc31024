"""Samples structure codes with the exported step graphs of DSI: loop, caches, noise and choice.

Row by row, and in a row by Jacobi decoding: a window of positions is computed from guesses of the codes in
it, and guesses that come out as they went in are final, and so is the first that does not
(``twofold/dsi/fast/jacobi.py`` says why). One sample after the other, so that no sample's last bits depend on
others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.dsi.draw import Codes, draw, log_probabilities, window_ends
from twofold.dsi.gumbel import gumbel_row
from twofold.dsi.options import SamplingOptions
from twofold.engine.backends.onnx.session import Graph

WINDOW = 16
"""Positions to be sampled that are guessed in one pass."""
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SamplerSizes:
    """Sizes of the caches.

    Attributes:
        layers: of either stack.
        channels: of their features.
        codes: to choose from.
        attentions: layers with attention.
        key_size: numbers of all heads' keys at one position.
        value_size: the same of values.
    """

    layers: int
    channels: int
    codes: int
    attentions: int
    key_size: int
    value_size: int


class RasterSampler:
    """Samples structures for one picture.

    Args:
        row: runs the graph ``row``; ``twofold/export/dsi_sampler.py`` says what goes in and out.
        window: runs the graph ``window``.
        sizes: of the caches.
        condition: [h w d], of the picture.
    """

    def __init__(self, row: Graph, window: Graph, sizes: SamplerSizes, condition: Floats) -> None:
        self._network, self._sizes = (row, window, sizes, condition), sizes
        self._height, self._width = condition.shape[:2]

    def sample(
        self,
        seed: int,
        options: SamplingOptions,
        kept: Codes,
        known: Mask,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Codes, float]:
        """Sample one structure; it depends on the arguments alone.

        Args:
            seed: of the sample.
            options: temperature and limits.
            kept: codes [h w] of known positions; looked at only there.
            known: positions [h w] whose code is given.
            progress: is told how many rows are done, of ``steps``.

        Returns:
            Codes [h w], and the logarithm of the network's own probability of those that were sampled.
        """
        codes = np.where(known, kept, 0)
        rows, likelihood = _Rows(*self._network), 0.0
        for number in range(self.steps(known, options)):
            rows.begin(codes[:number])
            if known[number].all():
                rows.compute(codes[number], 0, self._width)
            else:
                noise = gumbel_row(seed, number, width=self._width, codes=self._sizes.codes)
                codes[number] = _decoded(rows, noise, options, kept[number], known[number])
                sampled = ~known[number]
                logarithms = log_probabilities(rows.logits[sampled])
                likelihood += float(logarithms[np.arange(len(logarithms)), codes[number, sampled]].sum())
            if progress is not None:
                progress(number + 1)
        return codes, likelihood

    def logits(self, codes: Codes) -> Floats:
        """The network's logits [h w k] of every position of a structure [h w], given the codes before it."""
        rows, found = _Rows(*self._network), []
        for number in range(self._height):
            rows.begin(codes[:number])
            found.append(rows.compute(codes[number], 0, self._width))
        return np.stack(found)

    @staticmethod
    def steps(known: Mask, options: SamplingOptions) -> int:
        """How many steps ``sample`` tells of: the rows up to the last one in which anything is sampled."""
        sampled = np.flatnonzero(~known.all(axis=1))
        return int(sampled[-1]) + 1 if len(sampled) else 0


class _Rows:
    """The network on its way through a structure, and what it keeps of the rows so far.

    Keys and values lie behind those of nobody, which are zeros.
    """

    def __init__(self, row: Graph, window: Graph, sizes: SamplerSizes, condition: Floats) -> None:
        self._row, self._window, self._condition = row, window, condition
        (height, width), double = condition.shape[:2], 2 * sizes.channels
        self._nothing = np.full(width, sizes.codes)
        self._first = 1  # where keys of the row begin
        self._terms: list[Floats] = []
        self._up = np.zeros((2 * sizes.layers + 1, width, double), np.float32)
        self._left = np.zeros((2 * sizes.layers, width, double), np.float32)
        self._keys = np.zeros((height * width + 1, sizes.attentions, sizes.key_size), np.float32)
        self._values = np.zeros((height * width + 1, sizes.attentions, sizes.value_size), np.float32)
        self.logits = np.zeros((width, sizes.codes))
        """Of the last row that was decoded."""

    def begin(self, above: Codes) -> None:
        """Take in the rows above [y w]: what the next row takes from them."""
        number = len(above)
        self._first = 1 + above.size
        nearest = [above[number - step] if number >= step else self._nothing for step in (2, 1)]
        inputs = {
            "codes_above": np.stack(nearest),
            "is_first": np.array([number == 0]),
            "condition": np.ascontiguousarray(self._condition[number]),
            "up_above": self._up,
            "left_above": self._left,
        }
        *self._terms, self._up = self._row(["start", "above_first", "above_second", "up"], inputs)

    def compute(self, guesses: Codes, start: int, end: int) -> Floats:
        """Logits [m k] of the columns from ``start`` to ``end``, given guesses [w] of the row's codes."""
        earlier = self._first + start
        first, above_first, above_second = self._terms
        before = self._left[:, start - 1].copy() if start else np.zeros_like(self._left[:, 0])
        inputs = {
            "codes_left": np.concatenate([self._nothing[:1], guesses])[start:end],
            "start": first[start:end],
            "above_first": np.ascontiguousarray(above_first[:, start:end]),
            "above_second": np.ascontiguousarray(above_second[:, start:end]),
            "left_before": before,
            "keys": self._keys[:earlier],
            "values": self._values[:earlier],
            "hidden": _hidden(end - start, earlier),
        }
        logits, left, keys, values = self._window(["logits", "left", "new_keys", "new_values"], inputs)
        self._left[:, start:end] = left
        self._keys[earlier : earlier + end - start] = keys
        self._values[earlier : earlier + end - start] = values
        return logits


def _decoded(
    rows: _Rows, noise: npt.NDArray[np.float64], options: SamplingOptions, kept: Codes, known: Mask
) -> Codes:
    """The codes [w] of the row that was begun."""
    # The row above says what is likely here, this row's noise what comes of it.
    guesses = np.where(known, kept, (rows.logits + options.temperature * noise).argmax(axis=1))
    ends = window_ends(known, WINDOW)
    start, width = 0, len(known)
    while start < width:
        end = int(ends[start])
        rows.logits[start:end] = rows.compute(guesses, start, end)
        chosen = draw(rows.logits[start:end], noise[start:end], options)
        after = np.where(known[start:end], kept[start:end], chosen)
        wrong = np.flatnonzero(after != guesses[start:end])
        guesses[start:end] = after
        start = end if not len(wrong) else start + int(wrong[0]) + 1
    return guesses


def _hidden(count: int, earlier: int) -> Floats:
    """Minus infinity where a position of a window may not look; see ``twofold/export/dsi_sampler.py``."""
    hidden = np.zeros((count, earlier + count), np.float32)
    hidden[:, 0] = -np.inf
    hidden[:, earlier:][np.triu_indices(count)] = -np.inf
    if earlier == 1:  # the first position of all finds nobody but nobody
        hidden[0, 0] = 0
    return hidden
