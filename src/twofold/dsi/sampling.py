"""Draws structure codes as the paper does: the whole network for every code.

The plain form, which ``fast/sample.py`` is tested against: the same codes, several hundred times faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from twofold.dsi.draw import draw
from twofold.dsi.gumbel import gumbel_row
from twofold.dsi.options import SamplingOptions
from twofold.dsi.quantize import Codebook
from twofold.dsi.structure import StructureGenerator
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
    """Draw a structure for every seed, a forward pass for each code [DSI: structure sampling].

    ``s_i = argmax_k (log p(s_i = k | s_<i, m, I_m) + T g_ik)``, position by position in raster order, with
    Gumbel noise g and temperature T: a draw from the softmax of the logits over T.

    Computes in the precision of the weights, which generator, codebook and condition share.

    Args:
        generator: only its autoregressive network is used, and never with dropout.
        codebook: the codes' vectors.
        condition: features [1 c h w] of the condition network.
        seeds: one for each sample, 0 or more.
        options: temperature and limits; ``keep_margin`` is not looked at.
        kept: codes [h w] of known positions; looked at only there.
        known: positions [h w] whose code is given; None: every code is drawn, as in the paper.
        progress: is told of every finished row.

    Raises:
        InputError: if a seed is negative, no seed is given, or sizes do not fit.
    """
    task = SamplingTask.of(condition, seeds, kept, known)
    result = task.begin()
    codes, network = result.codes, generator.pixelcnn
    with torch.inference_mode(), without_dropout(network):
        conditions = condition.expand(len(codes), -1, -1, -1)
        vectors = codebook.look_up(codes).masked_fill(~task.known, 0)
        for row in range(task.rows):
            noise = task.noise(row, len(codebook.vectors))
            for column in (~task.known[row]).nonzero()[:, 0].tolist():
                logits = network(vectors, conditions)[:, :, row, column].double()  # n k
                chosen = draw(logits.cpu().numpy(), noise[:, column].cpu().numpy(), options)
                drawn = torch.from_numpy(chosen).to(codes.device)
                codes[:, row, column] = drawn
                vectors[:, :, row, column] = codebook.vectors[drawn]
                result.log_likelihood.add_(logits.log_softmax(dim=1).gather(1, drawn[:, None])[:, 0])
            if progress is not None:
                progress(row + 1, task.rows)
    return result


@dataclass(frozen=True, eq=False)
class SamplingTask:
    """What is to be drawn, checked.

    Attributes:
        seeds: of the samples.
        kept: codes of known positions.
        known: positions whose code is given.
    """

    seeds: tuple[int, ...]
    kept: Int[Tensor, "h w"]
    known: Bool[Tensor, "h w"]

    @classmethod
    def of(
        cls, condition: Tensor, seeds: Sequence[int], kept: Tensor | None, known: Tensor | None
    ) -> SamplingTask:
        """Check what a caller gave.

        Raises:
            InputError: if a seed is negative, no seed is given, or sizes do not fit.
        """
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
        return cls(seeds, kept, known)

    @property
    def rows(self) -> int:
        """Rows up to the last one in which anything is drawn."""
        drawn = (~self.known).any(dim=1).nonzero()
        return int(drawn[-1]) + 1 if len(drawn) else 0

    def begin(self) -> SampledStructure:
        """Known codes alone; code 0 elsewhere."""
        codes = self.kept.masked_fill(~self.known, 0).repeat(len(self.seeds), 1, 1)
        likelihood = torch.zeros(len(self.seeds), dtype=torch.float64, device=codes.device)
        return SampledStructure(codes, likelihood)

    def noise(self, row: int, codes: int) -> Float[Tensor, "n w k"]:
        """Every sample's noise in a row."""
        width = self.known.shape[1]
        rows = [torch.from_numpy(gumbel_row(seed, row, width=width, codes=codes)) for seed in self.seeds]
        return torch.stack(rows).to(self.known.device)


@contextmanager
def without_dropout(network: nn.Module) -> Iterator[None]:
    """The network as it answers, and afterwards as it was."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
