"""Draws structure codes: as the paper does, and the same codes hundreds of times faster [DSI Sec. 3.2]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.dsi.choice import choose, choose_exactly
from twofold.dsi.exact import ExactLogits
from twofold.dsi.folded import FoldedPixelCnn, draft_pays, folded_pixelcnn, folded_pixelcnns
from twofold.dsi.incremental import IncrementalPixelCnn
from twofold.dsi.left_stream import LeftStream
from twofold.dsi.noise import gumbel_row
from twofold.dsi.options import SamplingOptions
from twofold.dsi.quantize import Codebook
from twofold.dsi.structure import PixelCnn, StructureGenerator
from twofold.dsi.upper_rows import tiles_pay
from twofold.dsi.windows import RowDecoder
from twofold.errors import InputError

Progress = Callable[[int, int], None]
"""Called with the rows done and the rows to be done."""


@dataclass(frozen=True, eq=False)
class SampledStructure:
    """Structures drawn for one picture.

    Attributes:
        codes: [n h w].
        log_likelihood: [n] float64, natural logarithm of the network's own probability of the drawn codes,
            given the known ones before them; unlimited, at temperature 1.
    """

    codes: Int[Tensor, "n h w"]
    log_likelihood: Float[Tensor, " n"]


def sample_structure(
    generator: StructureGenerator,
    codebook: Codebook,
    condition: Float[Tensor, "_ c h w"],
    seeds: Sequence[int],
    options: SamplingOptions,
    *,
    kept: Int[Tensor, "_ _"] | None = None,
    known: Bool[Tensor, "_ _"] | None = None,
    progress: Progress | None = None,
    window: int | None = None,
) -> SampledStructure:
    """Draw a structure for every seed [DSI Sec. 3.2].

    Computes each feature once instead of once for every later position, and in ``float32`` the same codes
    as ``sample_structure_naive``: a sample depends on its seed, the condition, the options and what is
    known, but not on other samples, on ``window`` or on the number of threads.

    Args:
        generator: only its autoregressive network is used, and never with dropout.
        codebook: the codes' vectors.
        condition: features [1 c h w] of the condition network.
        seeds: one for each sample, 0 or more.
        options: temperature, limits and precision; ``keep_margin`` is not looked at.
        kept: codes [h w] of known positions; looked at only there.
        known: positions [h w] whose code is given; None: every code is drawn, as in the paper.
        progress: is told of every finished row.
        window: positions of a sample that are guessed ahead; None: a good number.

    Raises:
        InputError: if a seed is negative, no seed is given, sizes do not fit, or ``window`` is below 1.
    """
    if window is not None and window < 1:
        raise InputError(f"window is {window}; give 1 or more positions")
    task = _task(generator, codebook, condition, seeds, options, kept=kept, known=known)
    result = task.begin()
    if not task.rows:
        return result
    with torch.inference_mode():
        decoder = _decoder(task, condition, options, window)
        network = decoder.network
        codes = result.codes
        for row in range(task.rows):
            known_row, kept_row = task.known[row], task.kept[row]
            network.begin_row(row, codes[:, row - 1] if row else None)
            if known_row.all():
                decoder.follow(kept_row)
            else:
                noise = task.noise(row)
                logits = decoder.decode(codes[:, : row + 1], noise, known_row, kept=kept_row)
                likelihood = logits.double().log_softmax(dim=-1).gather(2, codes[:, row, :, None])[..., 0]
                result.log_likelihood.add_(likelihood.masked_fill(known_row, 0.0).sum(dim=1))
            if progress is not None:
                progress(row + 1, task.rows)
    return result


def sample_structure_naive(
    generator: StructureGenerator,
    codebook: Codebook,
    condition: Float[Tensor, "_ c h w"],
    seeds: Sequence[int],
    options: SamplingOptions,
    *,
    kept: Int[Tensor, "_ _"] | None = None,
    known: Bool[Tensor, "_ _"] | None = None,
    progress: Progress | None = None,
) -> SampledStructure:
    """Draw as ``sample_structure`` does, by the paper's procedure: the whole network for every position.

    The yardstick: the same arguments, the same codes, several hundred times the time; always in float32.

    Raises:
        InputError: if a seed is negative, no seed is given, or sizes do not fit.
    """
    task = _task(generator, codebook, condition, seeds, options, kept=kept, known=known)
    result = task.begin()
    codes = result.codes
    with torch.inference_mode(), _without_dropout(task.network):
        conditions = condition.expand(len(codes), -1, -1, -1)
        vectors = F.embedding(codes, task.vectors).permute(0, 3, 1, 2).contiguous()
        for row in range(task.rows):
            noise = task.noise(row)
            for column in (~task.known[row]).nonzero()[:, 0].tolist():
                logits = task.network(vectors, conditions)[:, :, row, column]
                choice = choose(logits, noise[:, column], options)
                codes[:, row, column] = choice.codes
                for sample in (~choice.certain).nonzero()[:, 0].tolist():
                    exact = task.exact.last_row(codes[sample, : row + 1])[column]
                    codes[sample, row, column] = choose_exactly(exact, noise[sample, column], options)
                drawn = codes[:, row, column]
                vectors[:, :, row, column] = task.vectors[drawn]
                result.log_likelihood.add_(logits.double().log_softmax(dim=1).gather(1, drawn[:, None])[:, 0])
            if progress is not None:
                progress(row + 1, task.rows)
    return result


@dataclass(frozen=True, eq=False)
class _Task:
    """What is to be drawn, checked."""

    network: PixelCnn
    vectors: Float[Tensor, "k d"]
    exact: ExactLogits
    seeds: tuple[int, ...]
    kept: Int[Tensor, "h w"]
    known: Bool[Tensor, "h w"]

    @property
    def rows(self) -> int:
        """Rows up to the last one in which anything is drawn."""
        drawn = (~self.known).any(dim=1).nonzero()
        return int(drawn[-1]) + 1 if len(drawn) else 0

    def begin(self) -> SampledStructure:
        """Known codes alone."""
        codes = self.kept.masked_fill(~self.known, 0).repeat(len(self.seeds), 1, 1)
        likelihood = torch.zeros(len(self.seeds), dtype=torch.float64, device=codes.device)
        return SampledStructure(codes, likelihood)

    def noise(self, row: int) -> Float[Tensor, "n w k"]:
        """Every sample's noise in a row."""
        width, codes = self.known.shape[1], len(self.vectors)
        rows = [torch.from_numpy(gumbel_row(seed, row, width=width, codes=codes)) for seed in self.seeds]
        return torch.stack(rows).to(self.known.device)


def _task(
    generator: StructureGenerator,
    codebook: Codebook,
    condition: Tensor,
    seeds: Sequence[int],
    options: SamplingOptions,
    *,
    kept: Tensor | None,
    known: Tensor | None,
) -> _Task:
    """Check what a caller gave."""
    seeds = tuple(int(seed) for seed in seeds)
    if not seeds:
        raise InputError("no seed is given; give one for each structure to be drawn")
    if min(seeds) < 0:
        raise InputError(f"a seed is {min(seeds)}; give numbers of 0 or more")
    size = tuple(condition.shape[2:])
    if len(condition) != 1:
        raise InputError(f"condition is {list(condition.shape)}; give one picture's features [1 c h w]")
    if (kept is None) != (known is None):
        raise InputError("of kept codes and known positions only one is given; give both or none")
    if known is None or kept is None:
        known = torch.zeros(size, dtype=torch.bool, device=condition.device)
        kept = torch.zeros(size, dtype=torch.int64, device=condition.device)
    if tuple(known.shape) != size or tuple(kept.shape) != size:
        raise InputError(
            f"kept is {list(kept.shape)} and known {list(known.shape)} but the condition's grid is "
            f"{list(size)}; give all three on one grid"
        )
    network, vectors = generator.pixelcnn, codebook.vectors.detach()
    return _Task(network, vectors, ExactLogits(network, vectors, condition), seeds, kept, known)


def _decoder(
    task: _Task, condition: Float[Tensor, "1 c h w"], options: SamplingOptions, window: int | None
) -> RowDecoder:
    """What the precision asked for and this machine need."""
    samples = len(task.seeds)
    if options.precision == "bfloat16":
        rounded = folded_pixelcnn(task.network, task.vectors, torch.bfloat16)
        network = IncrementalPixelCnn(rounded, condition, samples)
        return RowDecoder(network, None, options, window=window or _window(samples))
    if not draft_pays(condition.device, samples):
        network = _incremental(task, folded_pixelcnn(task.network, task.vectors), condition)
        return RowDecoder(network, task.exact, options, window=window or _window(samples))
    full, rounded = folded_pixelcnns(task.network, task.vectors, torch.float32, torch.bfloat16)
    network = _incremental(task, full, condition)
    draft = LeftStream(rounded, samples, (network.height, network.width), condition.device)
    # A draft looks back once in a row, so wide windows cost it less.
    window = window or (network.width if samples == 1 else 16)
    return RowDecoder(network, task.exact, options, window=window, draft=draft)


def _incremental(
    task: _Task, weights: FoldedPixelCnn, condition: Float[Tensor, "1 c h w"]
) -> IncrementalPixelCnn:
    """The network in float32, in the form that is fastest for so many samples."""
    samples, width = len(task.seeds), condition.shape[3]
    tiles = weights.tiled(task.network) if tiles_pay(weights, samples, width) else None
    return IncrementalPixelCnn(weights, condition, samples, tiles=tiles)


def _window(samples: int) -> int:
    """How far to guess ahead: reading the weights is shared by many samples, or else by many guesses."""
    return 16 if samples == 1 else 12 if samples <= 3 else 8


@contextmanager
def _without_dropout(network: nn.Module) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
