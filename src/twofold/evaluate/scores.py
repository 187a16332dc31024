"""How good the answers to one case are: on average, at best, and how much they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch

from twofold.evaluate.cases import Case
from twofold.evaluate.networks import FeatureNetworks, Features
from twofold.evaluate.yardsticks import BEST, metric
from twofold.features.lpips import LPIPSHeads
from twofold.metrics.boundary import rim_error, seam
from twofold.metrics.fidelity import mean_absolute_error, psnr, psnr_grey, relative_error
from twofold.metrics.similarity import CONVENTIONS, ssim

Picture = npt.NDArray[np.uint8]

_PLAIN: dict[str, Callable[[Picture, Case], float]] = {
    "psnr": lambda answer, case: psnr(answer, case.image),
    "psnr-grey": lambda answer, case: psnr_grey(answer, case.image),
    "ssim-uniform7": lambda answer, case: ssim(answer, case.image, CONVENTIONS["uniform7"]),
    "ssim-uniform51": lambda answer, case: ssim(answer, case.image, CONVENTIONS["uniform51"]),
    "ssim-gaussian11": lambda answer, case: ssim(answer, case.image, CONVENTIONS["gaussian11"]),
    "ssim-gaussian11-zero": lambda answer, case: ssim(answer, case.image, CONVENTIONS["gaussian11-zero"]),
    "l1": lambda answer, case: 100 * mean_absolute_error(answer, case.image),
    "l1-hole": lambda answer, case: 100 * mean_absolute_error(answer, case.image, case.hole),
    "l1-relative": lambda answer, case: 100 * relative_error(answer, case.image),
    "rim": lambda answer, case: 100 * rim_error(answer, case.image, case.hole),
    "seam": lambda answer, case: 100 * seam(answer, case.image, case.hole),
}
"""Metrics of one answer beside its photograph that need no network."""


class Scorer:
    """Computes the metrics of pictures and answers by name.

    Args:
        networks: behind those that need one; None: its own.
    """

    def __init__(self, networks: FeatureNetworks | None = None) -> None:
        self._networks = FeatureNetworks() if networks is None else networks

    @torch.inference_mode()
    def __call__(self, answers: Sequence[Picture], case: Case, names: Sequence[str]) -> dict[str, float]:
        """Compare composited answers to one case with the truth and with each other.

        Args:
            answers: at least one, uint8 [h w 3].
            case: what they answer.
            names: metrics of pictures, ``best`` of them, and metrics of several answers.

        Returns:
            A value for each name. Metrics of a picture are means over the answers, so what one answer is
            worth; ``best NAME`` is that of the best answer by that metric, chosen with the truth known, so
            what no user can choose.
        """
        values = {
            name: self._values(name, answers, case)
            for name in dict.fromkeys(name.removeprefix(BEST) for name in names)
        }
        return {name: _value(name, values[name.removeprefix(BEST)]) for name in names}

    def _values(self, name: str, answers: Sequence[Picture], case: Case) -> list[float]:
        """A metric of each answer, or the one value of a metric of all."""
        networks = self._networks
        if name in _PLAIN:
            return [_PLAIN[name](one, case) for one in answers]
        if name == "lpips-vgg":
            truth = networks.vgg_features(case.image)
            return [float(networks.vgg.heads(networks.vgg_features(one), truth)) for one in answers]
        features = [networks.alex_features(one) for one in answers]
        if name == "diversity":
            return [crop_diversity(features, networks.alex.heads)]
        if name == "diversity-hole":
            return [hole_diversity(features, case.hole, networks.alex.heads)]
        truth = networks.alex_features(case.image)
        return [float(networks.alex.heads(one, truth)) for one in features]


def crop_diversity(features: Sequence[Features], heads: LPIPSHeads) -> float:
    """Mean LPIPS between two answers over the whole crop, over all pairs of answers.

    Known pixels, which all answers share, dilute it. 0 for one answer.
    """
    pairs = [
        float(heads(one, other)) for number, one in enumerate(features) for other in features[number + 1 :]
    ]
    return fmean(pairs) if pairs else 0.0


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


def _value(name: str, values: Sequence[float]) -> float:
    """The mean over the answers, or the best of them."""
    if not name.startswith(BEST):
        return fmean(values)
    return max(values) if metric(name).better == "higher" else min(values)
