"""Draws structure codes with the exported step graphs of DSI: the loop, the caches, the noise and the choice.

Row by row, and in a row by guessing ahead: a window of positions is computed from guesses of the codes in
it, and guesses that come out as they went in are final, and so is the first that does not
(``twofold/dsi/windows.py`` says why). One sample after the other, so that no sample's last bits depend on
others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twofold.dsi.noise import gumbel_row
from twofold.dsi.options import SamplingOptions
from twofold.engine.backends.onnx.codes import choose, log_probabilities
from twofold.engine.backends.onnx.session import Graph

WINDOW = 16
"""Positions to be drawn that are guessed in one pass."""
Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SamplerSizes:
    """Sizes of the caches.

    Attributes:
        layers: of either stream.
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


@dataclass(frozen=True, eq=False)
class DrawnStructure:
    """One structure.

    Attributes:
        codes: [h w].
        log_likelihood: of the codes that were drawn, by the network's own probabilities.
    """

    codes: Codes
    log_likelihood: float


class StepSampler:
    """Draws structures for one picture.

    Args:
        row: runs the graph ``row``; ``twofold/export/dsi_sampler.py`` says what goes in and out.
        window: runs the graph ``window``.
        sizes: of the caches.
        condition: [h w d], of the picture.
    """

    def __init__(self, row: Graph, window: Graph, sizes: SamplerSizes, condition: Floats) -> None:
        self._row, self._window, self._sizes, self._condition = row, window, sizes, condition
        self._height, self._width = condition.shape[:2]

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
            options: temperature and limits.
            kept: codes [h w] of known positions; looked at only there.
            known: positions [h w] whose code is given.
            progress: is told how many rows are done, of ``steps``.
        """
        codes = np.where(known, kept, 0)
        caches = _Caches(self._sizes, self._height, self._width)
        likelihood = 0.0
        for row in range(self.steps(known, options)):
            terms = self._begin(row, codes, caches)
            if known[row].all():
                self._pass(row, codes[row], 0, self._width, terms, caches)
            else:
                noise = gumbel_row(seed, row, width=self._width, codes=self._sizes.codes)
                codes[row] = self._decode(row, noise, options, kept[row], known[row], terms, caches)
                drawn = ~known[row]
                logarithms = log_probabilities(caches.logits[drawn])
                likelihood += float(logarithms[np.arange(len(logarithms)), codes[row, drawn]].sum())
            if progress is not None:
                progress(row + 1)
        return DrawnStructure(codes, likelihood)

    def logits(self, codes: Codes) -> Floats:
        """The network's logits [h w k] of every position of a structure [h w], given the codes before it."""
        caches, rows = _Caches(self._sizes, self._height, self._width), []
        for row in range(self._height):
            terms = self._begin(row, codes, caches)
            rows.append(self._pass(row, codes[row], 0, self._width, terms, caches))
        return np.stack(rows)

    @staticmethod
    def steps(known: Mask, options: SamplingOptions) -> int:
        """How many steps ``draw`` tells of: the rows up to the last one in which anything is drawn."""
        drawn = np.flatnonzero(~known.all(axis=1))
        return int(drawn[-1]) + 1 if len(drawn) else 0

    def _begin(self, row: int, codes: Codes, caches: _Caches) -> dict[str, Floats]:
        """What the row takes from the rows above."""
        nothing = np.full(self._width, self._sizes.codes)
        above = [codes[row - step] if row >= step else nothing for step in (2, 1)]
        names = ["start", "above_first", "above_second", "up"]
        inputs = {
            "codes_above": np.stack(above),
            "is_first": np.array([row == 0]),
            "condition": np.ascontiguousarray(self._condition[row]),
            "up_above": caches.up,
            "left_above": caches.left,
        }
        results = dict(zip(names, self._row(names, inputs), strict=True))
        caches.up = results.pop("up")
        return results

    def _decode(
        self,
        row: int,
        noise: npt.NDArray[np.float64],
        options: SamplingOptions,
        kept: Codes,
        known: Mask,
        terms: dict[str, Floats],
        caches: _Caches,
    ) -> Codes:
        """The codes of a row."""
        # The row above says what is likely here, this row's noise what comes of it.
        likely = (caches.logits + options.temperature * noise).argmax(axis=1)
        guesses = np.where(known, kept, likely)
        reach = _reach(known, WINDOW)
        start = 0
        while start < self._width:
            end = int(reach[start])
            logits = self._pass(row, guesses, start, end, terms, caches)
            caches.logits[start:end] = logits
            chosen = choose(caches.logits[start:end], noise[start:end], options)
            after = np.where(known[start:end], kept[start:end], chosen)
            wrong = np.flatnonzero(after != guesses[start:end])
            guesses[start:end] = after
            start = end if not len(wrong) else start + int(wrong[0]) + 1
        return guesses

    def _pass(
        self, row: int, guesses: Codes, start: int, end: int, terms: dict[str, Floats], caches: _Caches
    ) -> Floats:
        """Compute the columns from ``start`` to ``end``; gives their logits, and the caches take the rest."""
        left = np.concatenate([[self._sizes.codes], guesses])[start:end]
        earlier = 1 + row * self._width + start
        inputs = {
            "codes_left": left,
            "start": terms["start"][start:end],
            "above_first": np.ascontiguousarray(terms["above_first"][:, start:end]),
            "above_second": np.ascontiguousarray(terms["above_second"][:, start:end]),
            "left_before": caches.left_of(start),
            "keys": caches.keys[:earlier],
            "values": caches.values[:earlier],
            "hidden": _hidden(end - start, earlier),
        }
        names = ["logits", "left", "new_keys", "new_values"]
        logits, features, keys, values = self._window(names, inputs)
        caches.left[:, start:end] = features
        caches.keys[earlier : earlier + end - start] = keys
        caches.values[earlier : earlier + end - start] = values
        return logits


class _Caches:
    """What is known of the rows so far; keys and values lie behind those of nobody, which are zeros."""

    def __init__(self, sizes: SamplerSizes, height: int, width: int) -> None:
        double, positions = 2 * sizes.channels, height * width
        self.up = np.zeros((2 * sizes.layers + 1, width, double), np.float32)
        self.left = np.zeros((2 * sizes.layers, width, double), np.float32)
        self.keys = np.zeros((positions + 1, sizes.attentions, sizes.key_size), np.float32)
        self.values = np.zeros((positions + 1, sizes.attentions, sizes.value_size), np.float32)
        self.logits = np.zeros((width, sizes.codes))

    def left_of(self, column: int) -> Floats:
        """The left stream's features in the column before; zeros before the first."""
        return self.left[:, column - 1].copy() if column else np.zeros_like(self.left[:, 0])


def _hidden(count: int, earlier: int) -> Floats:
    """Minus infinity where a position of a window may not look; see ``twofold/export/dsi_sampler.py``."""
    hidden = np.zeros((count, earlier + count), np.float32)
    hidden[:, 0] = -np.inf
    hidden[:, earlier:][np.triu_indices(count)] = -np.inf
    if earlier == 1:  # the first position of all finds nobody but nobody
        hidden[0, 0] = 0
    return hidden


def _reach(known: Mask, window: int) -> npt.NDArray[np.int64]:
    """For a window that starts at each column, the column where it ends.

    It takes in so many columns to be drawn, and all known ones up to the next: those are right as soon as
    the others are.
    """
    unknown_before = np.concatenate([[0], np.cumsum(~known)])
    return np.searchsorted(unknown_before, unknown_before[:-1] + window, side="right") - 1
