"""How good the answers to one case are: on average, at best, and how much they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twofold.evaluate.protocol import Case
from twofold.features.lpips import LPIPS, LPIPSHeads
from twofold.metrics.fidelity import psnr
from twofold.tensors import image_to_tensor

Features = Mapping[str, Tensor]
"""Layer -> features of one picture [1 c h w]."""


@torch.inference_mode()
def score_answers(
    answers: Sequence[npt.NDArray[np.uint8]], case: Case, lpips: LPIPS, *, several: bool
) -> dict[str, float]:
    """Compare composited answers to one case with the truth and with each other.

    Args:
        answers: at least one, uint8 [h w 3].
        case: what they answer.
        lpips: on the CPU.
        several: whether to give the scores of several answers too.

    Returns:
        ``psnr`` in decibels and ``lpips``, both over the whole crop: the mean over the answers, so what
        one answer is worth. With ``several`` also ``best psnr`` and ``best lpips``, the best of the
        answers by that metric, chosen with the truth known, so what no user can choose; and
        ``diversity``, see ``hole_diversity``.
    """
    truth = lpips.trunk(image_to_tensor(case.image))
    features = [lpips.trunk(image_to_tensor(answer)) for answer in answers]
    decibels = [psnr(answer, case.image) for answer in answers]
    distances = [float(lpips.heads(one, truth)) for one in features]
    scores = {"psnr": fmean(decibels), "lpips": fmean(distances)}
    if not several:
        return scores
    best = {"best psnr": max(decibels), "best lpips": min(distances)}
    return scores | best | {"diversity": hole_diversity(features, case.hole, lpips.heads)}


def hole_diversity(features: Sequence[Features], hole: npt.NDArray[np.bool_], heads: LPIPSHeads) -> float:
    """Mean LPIPS between two answers over the missing pixels, over all pairs of answers.

    From the spatial map of LPIPS, so the known pixels around do not dilute it; they reach into it as far
    as the network sees.

    Args:
        features: of the composited answers, each computed once.
        hole: [h w], True = missing.
        heads: of the network that computed them.

    Returns:
        0 or above, higher is more diverse; 0 for one answer, and for a hole without pixels.
    """
    if len(features) < 2 or not hole.any():
        return 0.0
    missing = torch.from_numpy(hole)
    size = (hole.shape[0], hole.shape[1])
    joined = {layer: torch.cat([one[layer] for one in features]) for layer in heads.layers}
    pairs = []
    for number, one in enumerate(features[:-1], start=1):
        later = {layer: values[number:] for layer, values in joined.items()}
        pairs.append(heads.spatial(one, later, size)[:, missing].double().mean(dim=1))
    return float(torch.cat(pairs).mean())
