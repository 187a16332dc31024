"""How good the answers to one case are: on average, at best, and how much they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twofold.evaluate.cases import Case
from twofold.evaluate.yardsticks import BEST, metric
from twofold.features.lpips import LPIPS, LPIPSHeads, pretrained_lpips
from twofold.metrics.boundary import rim_error, seam
from twofold.metrics.fidelity import mean_absolute_error, psnr, psnr_grey, relative_error
from twofold.metrics.similarity import CONVENTIONS, ssim
from twofold.tensors import image_to_tensor

Picture = npt.NDArray[np.uint8]
Features = Mapping[str, Tensor]
"""Layer -> features of one picture [1 c h w]."""

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
_ALEX = ("lpips", "diversity", "diversity-hole")
"""Metrics that need AlexNet's features of each answer."""


class Scorer:
    """Computes the metrics of pictures and answers by name; networks are loaded when first needed."""

    @cached_property
    def _alex(self) -> LPIPS:
        return pretrained_lpips("alex")

    @cached_property
    def _vgg(self) -> LPIPS:
        return pretrained_lpips("vgg")

    def prepare(self, names: Sequence[str]) -> None:
        """Load what these metrics need, so that what is missing shows before anything is measured.

        Raises:
            CheckpointError: if a feature network's weights cannot be found or fetched.
        """
        plain = {name.removeprefix(BEST) for name in names}
        if plain & set(_ALEX):
            _ = self._alex
        if "lpips-vgg" in plain:
            _ = self._vgg

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
        plain = list(dict.fromkeys(name.removeprefix(BEST) for name in names))
        alex = [self._alex.trunk(image_to_tensor(one)) for one in answers] if {*plain} & {*_ALEX} else []
        values: dict[str, list[float]] = {}
        for name in plain:
            if name in _PLAIN:
                values[name] = [_PLAIN[name](one, case) for one in answers]
            elif name == "lpips":
                truth = self._alex.trunk(image_to_tensor(case.image))
                values[name] = [float(self._alex.heads(one, truth)) for one in alex]
            elif name == "lpips-vgg":
                truth = self._vgg.trunk(image_to_tensor(case.image))
                trunks = (self._vgg.trunk(image_to_tensor(one)) for one in answers)
                values[name] = [float(self._vgg.heads(one, truth)) for one in trunks]
            elif name == "diversity":
                values[name] = [crop_diversity(alex, self._alex.heads)]
            elif name == "diversity-hole":
                values[name] = [hole_diversity(alex, case.hole, self._alex.heads)]
        return {name: _value(name, values[name.removeprefix(BEST)]) for name in names}


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
