"""Draws the structures of several seeds in a few passes each, and hides codes as such a network learns it."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.dsi.draw import Codes, Logits
from twofold.dsi.options import SamplingOptions
from twofold.dsi.parallel.network import MaskedStructureGenerator
from twofold.dsi.parallel.passes import Hidden, draw_in_passes
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
    """Draw a structure for every seed by ``draw_in_passes``, one by one: each depends on its seed alone.

    Takes what ``sample_structure_naive`` takes; ``progress`` is told of every pass, over all samples.

    Raises:
        InputError: if a seed is negative, no seed is given, or sizes do not fit.
    """
    task = SamplingTask.of(condition, seeds, kept, known)
    device, passes = condition.device, options.passes
    own, given = task.kept.cpu().numpy(), task.known.cpu().numpy()

    def logits_of(codes: Codes, hidden: Hidden) -> Logits:
        vectors, mask = codebook.look_up(torch.from_numpy(codes).to(device)[None]), torch.from_numpy(hidden)
        logits = generator.network(vectors, mask.to(device)[None], condition)[0].movedim(0, -1)
        return np.asarray(logits.double().cpu().numpy()[hidden])

    drawn, likelihoods = [], []
    with torch.inference_mode(), without_dropout(generator):
        for number, seed in enumerate(task.seeds):

            def told(done: int, before: int = number * passes) -> None:
                if progress is not None:
                    progress(before + done, len(task.seeds) * passes)

            codes, likelihood = draw_in_passes(logits_of, seed, options, own, given, progress=told)
            drawn.append(torch.from_numpy(codes))
            likelihoods.append(likelihood)
    figures = torch.tensor(likelihoods, dtype=torch.float64, device=device)
    return SampledStructure(torch.stack(drawn).to(device), figures)


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
