"""Draws structure codes hundreds of times faster than the paper's own loop, and draws the same ones."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.dsi.fast.float64 import ExactLogits
from twofold.dsi.fast.horizontal import HorizontalStack
from twofold.dsi.fast.jacobi import JacobiDecoder
from twofold.dsi.fast.linear import prepacked
from twofold.dsi.fast.pixelcnn import IncrementalPixelCnn
from twofold.dsi.fast.weights import fused_pixelcnn
from twofold.dsi.options import SamplingOptions
from twofold.dsi.quantize import Codebook
from twofold.dsi.sampling import Progress, SampledStructure, SamplingTask
from twofold.dsi.structure import PixelCnn, StructureGenerator
from twofold.errors import InputError


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
    """Draw a structure for every seed as ``sample_structure_naive`` does, each feature computed once.

    The codes are those of the naive form in float64: near ties are decided there. A sample
    depends on its seed, the condition, the options and what is known, but not on other samples, on
    ``window`` or on the number of threads.

    Args:
        generator: as all that follow, see ``sample_structure_naive``.
        codebook: the codes' vectors.
        condition: features [1 c h w].
        seeds: one for each sample.
        options: of the sampling.
        kept: codes of known positions.
        known: which these are.
        progress: is told of every finished row.
        window: positions of a sample that are guessed ahead; None: a good number.

    Raises:
        InputError: if a seed is negative, no seed is given, sizes do not fit, or ``window`` is below 1.
    """
    if window is not None and window < 1:
        raise InputError(f"window is {window}; give 1 or more positions")
    task = SamplingTask.of(condition, seeds, kept, known)
    result = task.begin()
    if not task.rows:
        return result
    vectors, codes = codebook.vectors.detach(), result.codes
    with torch.inference_mode():
        decoder = _decoder(
            generator.pixelcnn, vectors, condition[:, :, : task.rows], len(codes), options, window
        )
        network = decoder.network
        for row in range(task.rows):
            known_row, kept_row = task.known[row], task.kept[row]
            network.begin_row(row, codes[:, row - 1] if row else None)
            if known_row.all():
                decoder.follow(kept_row)
            else:
                noise = task.noise(row, len(vectors))
                logits = decoder.decode(codes[:, : row + 1], noise, known_row, kept=kept_row)
                likelihood = logits.double().log_softmax(dim=-1).gather(2, codes[:, row, :, None])[..., 0]
                result.log_likelihood.add_(likelihood.masked_fill(known_row, 0.0).sum(dim=1))
            if progress is not None:
                progress(row + 1, task.rows)
    return result


def _decoder(
    pixelcnn: PixelCnn,
    vectors: Float[Tensor, "k d"],
    condition: Float[Tensor, "1 c h w"],
    samples: int,
    options: SamplingOptions,
    window: int | None,
) -> JacobiDecoder:
    """What this machine needs."""
    weights = fused_pixelcnn(pixelcnn, vectors, torch.float32)
    network = IncrementalPixelCnn(weights, condition, samples)
    exact = ExactLogits(pixelcnn, vectors, condition)
    if not draft_pays(condition.device, samples):
        # Reading the weights is shared by many samples, or else by many guesses.
        window = window or (16 if samples == 1 else 12 if samples <= 3 else 8)
        return JacobiDecoder(network, exact, options, window=window)
    rounded = fused_pixelcnn(pixelcnn, vectors, torch.bfloat16)
    draft = HorizontalStack(rounded, samples, (condition.shape[2], condition.shape[3]), condition.device)
    # A draft looks back once in a row, so wide windows cost it less.
    window = window or (network.width if samples == 1 else 16)
    return JacobiDecoder(network, exact, options, window=window, draft=draft)


def draft_pays(device: torch.device, samples: int) -> bool:
    """Whether guessing codes in bfloat16 before they are looked at in float32 saves time.

    It does where the CPU has instructions for products in bfloat16 and the products are large enough:
    with those of AVX-512, from two samples on. Speed hangs on it, codes do not.
    """
    if device.type != "cpu" or prepacked(torch.zeros(1, 1, dtype=torch.bfloat16)) is None:
        return False
    return _has("_is_amx_tile_supported") or (samples > 1 and _has("_is_avx512_bf16_supported"))


def _has(question: str) -> bool:
    """Ask PyTorch for instructions; the questions are not part of its public face and may be missing."""
    asked = getattr(torch.cpu, question, None)
    return asked is not None and bool(asked())
