"""Draws all structure codes in a few passes: the likeliest first, the others with those in view.

Masked-token decoding as in MaskGIT (CVPR 2022), an alternative to the paper's exact sampling: a code is drawn
given the codes of earlier passes, but independently of those of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.dsi.choice import choose
from twofold.dsi.options import SamplingOptions
from twofold.dsi.parallel.network import MaskedNetwork, MaskedStructureGenerator
from twofold.dsi.parallel.schedule import choice_noise, confidence_noise, doubt, stays_hidden
from twofold.dsi.quantize import Codebook
from twofold.dsi.sampling import Progress, SampledStructure, SamplingTask, without_dropout


def decode_parallel(
    generator: MaskedStructureGenerator,
    codebook: Codebook,
    condition: Float[Tensor, "_ c h w"],
    seeds: Sequence[int],
    options: SamplingOptions,
    *,
    kept: Int[Tensor, "_ _"] | None = None,
    known: Bool[Tensor, "_ _"] | None = None,
    progress: Progress | None = None,
) -> SampledStructure:
    """Draw a structure for every seed in ``options.passes`` passes.

    After pass t of T, the share cos(pi/2 t/T) of the missing codes stays hidden: those that were drawn with
    the least confidence, which is their log-probability plus noise that fades to nothing. Samples are drawn
    one by one, so a sample depends on its own seed alone.

    Args:
        generator: never with dropout.
        codebook: the codes' vectors.
        condition: features [1 c h w] of the condition network.
        seeds: one for each sample, 0 or more.
        options: temperature, limits, passes and the confidence's noise.
        kept: codes [h w] of known positions; looked at only there.
        known: positions [h w] whose code is given; None: every code is drawn.
        progress: is told of every pass, over all samples.

    Returns:
        Codes, and for each sample the sum over the drawn codes of their log-probability in the pass that drew
        them: not the probability of the whole structure, which such a network cannot tell.

    Raises:
        InputError: if a seed is negative, no seed is given, or sizes do not fit.
    """
    task = SamplingTask.of(condition, seeds, kept, known)
    total = len(task.seeds) * options.passes
    drawn, likelihoods = [], []
    with torch.inference_mode(), without_dropout(generator):
        for number, seed in enumerate(task.seeds):
            sample = _Sample(generator.network, codebook, condition, seed, options, task.kept, task.known)
            for step in range(options.passes):
                sample.advance(step)
                if progress is not None:
                    progress(number * options.passes + step + 1, total)
            drawn.append(sample.codes)
            likelihoods.append(sample.log_likelihood)
    return SampledStructure(torch.stack(drawn), torch.stack(likelihoods))


class _Sample:
    """One structure on its way."""

    def __init__(
        self,
        network: MaskedNetwork,
        codebook: Codebook,
        condition: Float[Tensor, "_ c h w"],
        seed: int,
        options: SamplingOptions,
        kept: Int[Tensor, "h w"],
        known: Bool[Tensor, "h w"],
    ) -> None:
        self._network, self._codebook, self._condition = network, codebook, condition
        self._seed, self._options = seed, options
        self.codes = kept.masked_fill(~known, 0)
        self.hidden = ~known
        self.missing = int(self.hidden.sum())
        self.log_likelihood = torch.zeros((), dtype=torch.float64, device=kept.device)

    def advance(self, step: int) -> None:
        """One pass: draw every hidden code, keep the most confident."""
        options, hidden = self._options, self.hidden
        if not hidden.any():
            return
        vectors = self._codebook.look_up(self.codes[None])
        logits = self._network(vectors, hidden[None], self._condition)[0].movedim(0, -1)[hidden]  # n k
        shape = (hidden.shape[0], hidden.shape[1])
        noise = self._hidden_of(choice_noise(self._seed, step, shape, logits.shape[-1]))
        codes = choose(logits, noise, options).codes
        likelihood = logits.double().log_softmax(dim=-1).gather(1, codes[:, None])[:, 0]
        chance = self._hidden_of(confidence_noise(self._seed, step, shape))
        confidence = likelihood + doubt(options, step) * chance
        stay = stays_hidden(options, self.missing, step)
        fixed = confidence.argsort(stable=True)[min(stay, len(codes) - 1) :]
        rows, columns = (axis[fixed] for axis in hidden.nonzero(as_tuple=True))
        self.codes = self.codes.index_put((rows, columns), codes[fixed])
        self.hidden = hidden.index_put((rows, columns), torch.zeros_like(fixed, dtype=torch.bool))
        self.log_likelihood = self.log_likelihood + likelihood[fixed].sum()

    def _hidden_of(self, grid: npt.NDArray[np.float64]) -> Tensor:
        """What a grid holds at the hidden positions."""
        return torch.from_numpy(grid).to(self.hidden.device)[self.hidden]


def hidden_share(u: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """The share of missing codes that a training example hides, of u uniform in [0, 1): decoding's own."""
    return torch.cos(math.pi / 2 * u)


def hide(
    missing: Bool[Tensor, "b h w"], share: Float[Tensor, " b"], noise: Float[Tensor, "b h w"]
) -> Bool[Tensor, "b h w"]:
    """Hide this share of the missing positions, at least one where any is missing: those of the least noise.

    Args:
        missing: True where the hole touches the code.
        share: in (0, 1], of each picture.
        noise: uniform in [0, 1).
    """
    flat = torch.where(missing, noise, float("inf")).flatten(1)
    count = (share * missing.flatten(1).sum(dim=1)).ceil().long()
    rank = flat.argsort(dim=1).argsort(dim=1)
    return (rank < count[:, None]).view_as(missing) & missing
